"""Properties from outside the project: a rule of a policy, which is to hold in every scenario that is run.

A policy has invariants of its own words: no CPU that has left the mask has anything cached, a generation never falls.
Such a rule is no scenario: it is named on the command line beside any (`--property FILE.py:NAME`), added to each model,
and checked like a scenario from outside: imported in child processes only, asked twice, and its module compared.

Data types
    PolicyRule           what to add to a model
    OutsideRule    such a rule as the rest of the project knows it: words, no code
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

from core.base.errortext import describe
from core.conformance.names import told_apart
from core.conformance.scenario import Scenario
from core.explore.model import Model, Property
from core.mm.era import Era
from core.plugins import from_outside
from core.plugins.arch import Arch, PluginError, load_object
from core.plugins.from_outside import Described, Loading, one_line
from core.plugins.hidden_state import hidden_state
from core.plugins.load import Wanted
from core.plugins.purity import changed, snapshot


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """`always(arch, model)` returns what must hold in every state of `model`; `finally_` when all tasks have ended.

    Either may return nothing: where a model lacks the cells, the rule says nothing about it.
    """

    name: str
    always: Callable[[Arch, Model], Sequence[Property]] = lambda arch, model: ()
    finally_: Callable[[Arch, Model], Sequence[Property]] = lambda arch, model: ()


RULE = Wanted("property", "shootdown.properties", PolicyRule)


@dataclass(frozen=True)
class OutsideRule(Described):
    """A rule from outside, in words."""

    @property
    def id(self) -> str:
        """What it is called in messages."""
        return self.reference


@dataclass(frozen=True)
class DescribingRule(Loading):
    """A job that loads a rule from outside; its result is `OutsideRule`."""

    def run(self) -> OutsideRule:
        """Load it and discard it."""
        return self.loaded(load, lambda rule: OutsideRule(reference=self.reference))

    def failed(self, reason: str) -> OutsideRule:
        """A rule that raised, hung or killed its process as it was loaded."""
        return OutsideRule(reference=self.reference, problem=one_line(reason))


def described(reference: str) -> OutsideRule:
    """The rule that FILE.py:NAME, MODULE:NAME or an entry point names; its code is run in a child process only."""
    answer: OutsideRule = from_outside.described(DescribingRule(reference), RULE)
    return answer


def load(reference: str) -> PolicyRule:
    """Load a rule from outside into this process. PluginError if it cannot be used."""
    rule: PolicyRule = load_object(reference, RULE)
    problem = hidden_state(SimpleNamespace(always=rule.always, finally_=rule.finally_))
    if not isinstance(rule.name, str) or not rule.name:
        problem = f"name: expected a string, got {rule.name!r:.80}"
    for part in ("always", "finally_"):
        if not callable(getattr(rule, part)):
            problem = f"{part}: expected a function of arch and model, got {getattr(rule, part)!r:.80}"
    if problem:
        raise PluginError(f"property {reference}: {problem}")
    return rule


def ruled(scenario: Scenario, references: Sequence[str]) -> Scenario:
    """`scenario`, whose model also has the properties of these rules. Building it raises PluginError."""
    rules = [(reference, load(reference)) for reference in references]

    def build(arch: Arch, era: Era) -> Model:
        model = scenario.build(arch, era)
        for reference, rule in rules:
            always, finally_ = (
                _asked(reference, rule.always, arch, model),
                _asked(reference, rule.finally_, arch, model),
            )
            model = _with(model, rule.name, always, finally_)
        return model

    build.__module__ = scenario.build.__module__
    return replace(scenario, build=build)


def _with(model: Model, rule: str, always: Sequence[Property], finally_: Sequence[Property]) -> Model:
    """The model with a rule's properties; one that has the name of another says whose it is."""
    taken = {prop.name for prop in (*model.always, *model.finally_, *model.sometimes)}

    def own(prop: Property) -> Property:
        return replace(prop, name=f"{prop.name} of {rule}") if prop.name in taken else prop

    always, finally_, _ = told_apart([*map(own, always)], [*map(own, finally_)], [])
    return replace(model, always=(*model.always, *always), finally_=(*model.finally_, *finally_))


def _asked(
    reference: str, part: Callable[[Arch, Model], Sequence[Property]], arch: Arch, model: Model
) -> tuple[Property, ...]:
    """The properties of a rule for a model, asked twice."""
    before = snapshot(None, part.__module__)
    try:
        found, again = tuple(part(arch, model)), tuple(part(arch, model))
    except Exception as error:
        raise PluginError(f"property {reference}: {describe(error)}") from error
    for one in found:
        if not isinstance(one, Property):
            raise PluginError(f"property {reference}: returned {one!r:.80}, expected properties")
    if [(one.name, one.reads) for one in found] != [(one.name, one.reads) for one in again]:
        raise PluginError(f"property {reference}: asked twice it gives different properties")
    if problem := changed(before, snapshot(None, part.__module__), "the property"):
        raise PluginError(problem)
    return found
