"""Scenarios from outside the project: named on the command line, checked like plugins, run in processes of their own.

A scenario of a patch series lies beside the patch: a file with a `core.conformance.scenario.Scenario`, whose build
function makes a `World`, its tasks and its properties (docs/add-a-scenario.md).  A child describes it, and the child
that judges it loads it again (core.plugins.from_outside).  It must not depend on anything but its arguments: it is
built twice and the two models are compared; its module is compared before and after (core.plugins.purity); its programs
are replayed by the explorer.

Data types
    Outside    a scenario from outside as the rest of the project knows it: words, no code
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from core.conformance.scenario import CAPABILITIES, TIERS, Build, Scenario
from core.conformance.scenarios import FINDINGS, SCENARIOS
from core.conformance.scenarios.index import LARGE_IDS
from core.explore.model import Model
from core.facts import CAPABILITIES as FACTS_CAPABILITIES
from core.mm.era import Era
from core.plugins import from_outside
from core.plugins.arch import Arch, PluginError, load_object
from core.plugins.from_outside import Described, Loading, one_line
from core.plugins.hidden_state import hidden_state
from core.plugins.load import Wanted

SCENARIO = Wanted("scenario", "shootdown.scenarios", Scenario)

OUTSIDE_TIERS = tuple(tier for tier in TIERS if tier != "large")
"""A large run is no scenario: it has no model."""

ID = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass(frozen=True)
class Outside(Described):
    """A scenario from outside, in words."""

    id: str = ""
    title: str = ""
    origin: str = ""
    tier: str = "required"
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Describing(Loading):
    """A job that loads a scenario from outside; its result is `Outside`."""

    def wrong(self, answer: Outside) -> str:
        """Why `answer` is not one of this job; its words are checked too."""
        return super().wrong(answer) or ("" if answer.problem else wrong_words(answer))

    def run(self) -> Outside:
        """Load it and discard it."""
        return self.loaded(load, self.words, lambda scenario: _of_module(scenario.build))

    def words(self, found: Scenario) -> Outside:
        """What the report says of it."""
        words = found.id, found.title, found.origin, found.tier, found.requires
        return Outside(self.reference, "", "", (), *words)

    def failed(self, reason: str) -> Outside:
        """A scenario that raised, hung or killed its process as it was loaded."""
        return Outside(reference=self.reference, id=self.reference, problem=one_line(reason))


def entry_points() -> list[str]:
    """The names under which installed distributions offer scenarios."""
    return from_outside.entry_points(SCENARIO)


def described(reference: str) -> Outside:
    """The scenario that FILE.py:NAME, MODULE:NAME or an entry point names; its code is run in a child process only."""
    answer: Outside = from_outside.described(Describing(reference), SCENARIO)
    return answer


def load(reference: str) -> Scenario:
    """Load a scenario from outside into this process. PluginError if it cannot be used."""
    scenario: Scenario = load_object(reference, SCENARIO)
    problem = wrong(scenario) or hidden_state(SimpleNamespace(build=scenario.build))
    if problem:
        raise PluginError(f"scenario {reference}: {problem}")
    return replace(scenario, build=built_twice(scenario.build))


def wrong(scenario: Scenario) -> str:
    """What is wrong with a scenario; '' if nothing."""
    if not callable(scenario.build):
        return f"build: expected a function of arch and era, got {scenario.build!r}"
    return wrong_words(scenario)


def wrong_words(scenario: Scenario | Outside) -> str:
    """What is wrong with the words of a scenario; '' if nothing."""
    for field in ("id", "title", "origin"):
        value = getattr(scenario, field)
        if not isinstance(value, str) or not value:
            return f"{field}: expected a string, got {value!r}"
    if not ID.fullmatch(scenario.id):
        return f"id: expected lower-case letters, digits, '-', '_' and '.', got {scenario.id!r}"
    if scenario.id in SCENARIOS or scenario.id in FINDINGS or scenario.id in LARGE_IDS:
        return f"id: {scenario.id} is a scenario of the suite; choose another"
    if scenario.tier not in OUTSIDE_TIERS:
        return f"tier: expected one of {', '.join(OUTSIDE_TIERS)}, got {scenario.tier!r}"
    return _wrong_requires(scenario.requires)


def _wrong_requires(requires: Any) -> str:
    if not isinstance(requires, tuple) or not all(isinstance(name, str) for name in requires):
        return f"requires: expected a tuple of strings, got {requires!r}"
    known = {*CAPABILITIES, *FACTS_CAPABILITIES}
    unknown = [name for name in requires if "." not in name and name not in known]
    return f"requires: there is no capability {', '.join(unknown)}" if unknown else ""


def built_twice(build: Build) -> Build:
    """`build`, checked: it returns a Model, and the same one again. The built function raises PluginError."""

    def checked(arch: Arch, era: Era) -> Model:
        model, again = build(arch, era), build(arch, era)
        for one in (model, again):
            if not isinstance(one, Model):
                raise PluginError(f"the build function returned {one!r}, expected a Model: the result of World.model()")
        for what, of in SHAPE.items():
            if of(model) != of(again):
                raise PluginError(f"building the scenario twice gives different {what}: it must depend on nothing else")
        return again

    checked.__module__ = build.__module__
    return checked


SHAPE: dict[str, Callable[[Model], object]] = {
    "names": lambda model: model.name,
    "tasks": lambda model: [(thread.name, thread.cpu, thread.tid) for thread in model.threads],
    "cells": lambda model: dict(model.initial),
    "daemons": lambda model: [(daemon.name, daemon.cpu) for daemon in model.daemons],
    "properties": lambda model: [
        (prop.name, prop.reads) for prop in (*model.always, *model.finally_, *model.sometimes)
    ],
}
"""What is compared of two models: all of it but code."""


def _of_module(build: Build) -> object:
    """An object whose class is of the module of `build`, for core.base.digest."""
    return type("Built", (), {"__module__": build.__module__})()
