"""The museum: every historic bug that the suite shows, in the order of the catalogue's ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.base.suggest import hint
from core.conformance.exhibit import Exhibit
from core.conformance.judge import judge
from core.conformance.large import exhibits
from core.conformance.large.scenarios import LARGE, LargeRun
from core.conformance.scenario import Scenario
from core.conformance.scenarios import FINDINGS, SCENARIOS, modules
from core.conformance.verdict import Result
from core.explore import Limits
from core.explore.check import Observe
from core.mm.era import ERAS, Era
from core.plugins.arch import Arch, load_object, set_up


def _order(exhibit: Exhibit) -> tuple[int, str]:
    """A sort key: B-09 comes before B-10, and variants follow their number."""
    number = exhibit.id.removeprefix("B-")
    digits = "".join(c for c in number if c.isdigit())
    return int(digits or 0), number


def scenario_of(exhibit: Exhibit) -> Scenario | LargeRun:
    """The scenario that an exhibit names. LookupError, naming both, if there is none of that id."""
    known: dict[str, Scenario | LargeRun] = {**SCENARIOS, **FINDINGS, **LARGE}
    if exhibit.scenario not in known:
        near = hint(exhibit.scenario, known)
        raise LookupError(f"exhibit {exhibit.id} names the scenario {exhibit.scenario!r}, which does not exist; {near}")
    return known[exhibit.scenario]


def collect(exhibits: Iterable[Exhibit]) -> list[Exhibit]:
    """`exhibits` in order of their ids. LookupError if one names a scenario that does not exist."""
    collected = sorted(exhibits, key=_order)
    for exhibit in collected:
        scenario_of(exhibit)
    return collected


EXHIBITS = collect(exhibit for module in (*modules(), exhibits) for exhibit in getattr(module, "EXHIBITS", ()))


@dataclass(frozen=True, slots=True)
class Showing:
    """An exhibit judged twice: with the bug, and with the fix."""

    exhibit: Exhibit
    bug: Result
    fixed: Result

    @property
    def holds(self) -> bool:
        """Is the bug found, and proved absent with the fix?  By a large run: not found on any of its layouts."""
        absent = "bounded" if isinstance(scenario_of(self.exhibit), LargeRun) else "pass"
        return self.bug.verdict == "fail" and bool(self.bug.trace) and self.fixed.verdict == absent


def show(
    exhibit: Exhibit,
    limits: Limits = Limits(),
    searcher: str = "auto",
    observe: Observe | None = None,
    memory: str = "arch",
    workers: int = 1,
) -> Showing:
    """Judge `exhibit` with the bug, which `observe` is shown, and with the fix, under a memory model.

    'arch' is that of its architecture.  `workers` are the threads of a large search.
    """
    scenario = scenario_of(exhibit)
    arch, era = subject(exhibit, memory)
    fixed = judge(arch, era, scenario, limits=limits, searcher=searcher, workers=workers)
    broken, old = exhibit.with_bug(arch, era)
    bug = judge(broken, old, scenario, limits=limits, searcher=searcher, observe=observe, workers=workers)
    return Showing(exhibit, replace(bug, architecture=f"{exhibit.id} with the bug"), fixed)


def subject(exhibit: Exhibit, memory: str = "arch") -> tuple[Arch, Era]:
    """The architecture and era, with the fix, on which an exhibit is shown."""
    name = exhibit.plugin.rpartition(":")[2].lower()
    facts = {} if memory == "arch" else {"memory_model": memory}
    return set_up(name, load_object(exhibit.plugin), exhibit.plugin, facts), ERAS[exhibit.era]


def find(identity: str) -> Exhibit | None:
    """The exhibit with that id."""
    return next((exhibit for exhibit in EXHIBITS if exhibit.id == identity), None)
