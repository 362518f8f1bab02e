"""Which reductions a search uses, what they were found to allow, and whether that held.

A plan is made from the tables as a first, unreduced search of some thousand states leaves them, and checked against the
tables as the reduced search leaves them.  If a check fails the plan is made anew and the search repeated: everything
that was learned is kept, so plans only get more careful and this ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from core.explore import bisimulation, partial_order
from core.explore.bisimulation import Classes
from core.explore.model import Thread
from core.explore.partial_order import Fusions, WaitCache
from core.explore.symmetry import NotSymmetric, Symmetry, find
from core.explore.transition_tables import TransitionTables
from core.machine.op import Page

MINIMISE, FUSE_LOCAL, FUSE_LEFT_MOVERS = "minimise", "fuse_local", "fuse_left_movers"
SYMMETRY, PAGES = "symmetry", "symmetry_of_pages"

ALL = frozenset({MINIMISE, FUSE_LOCAL, FUSE_LEFT_MOVERS, SYMMETRY, PAGES})
"""Every reduction there is."""


class PlanBroken(Exception):
    """What has been learned since forbids what the plan allows."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a search may do; `wanted` are the names asked for, `wait_cache` what the tables were asked to make it."""

    wanted: frozenset[str]
    same: Classes
    fusions: Fusions
    symmetry: Symmetry | None = None
    wait_cache: WaitCache = field(default_factory=WaitCache, compare=False)

    @property
    def used(self) -> tuple[str, ...]:
        """The names of the reductions that change anything, in order."""
        fusibles = [fusible for thread in self.fusions for fusible in thread.values()]
        found = {
            MINIMISE: any(local != to for same in self.same for local, to in enumerate(same)),
            FUSE_LOCAL: any(fusible.local for fusible in fusibles),
            FUSE_LEFT_MOVERS: any(not fusible.local for fusible in fusibles),
            SYMMETRY: self.symmetry is not None and self.symmetry.exchanges(Thread),
            PAGES: self.symmetry is not None and self.symmetry.exchanges(Page),
        }
        return tuple(name for name, used in found.items() if used)

    def stepwise(self) -> Plan:
        """Only the reductions under which every step still counts as one, so that shortest traces are shortest."""
        return replace(self, fusions=tuple({} for _ in self.fusions))


def wanted(reductions: object) -> frozenset[str]:
    """The names in `reductions`: 'default', or an iterable of names. ValueError for a name there is not."""
    if reductions == "default":
        return ALL
    if isinstance(reductions, str) or not isinstance(reductions, Iterable):
        raise ValueError(f"reductions {reductions!r}, expected 'default' or names of {', '.join(sorted(ALL))}")
    names = frozenset(reductions)
    if not names <= ALL:
        raise ValueError(f"reduction {min(names - ALL)!r}, expected one of {', '.join(sorted(ALL))}")
    return names


def none(tables: TransitionTables) -> Plan:
    """No reduction at all."""
    threads = range(len(tables.rows))
    return Plan(frozenset(), tuple(() for _ in threads), tuple({} for _ in threads))


def make(tables: TransitionTables, names: frozenset[str]) -> Plan:
    """What the tables, as they are, allow."""
    plan = none(tables)
    exchanged = {SYMMETRY: Thread, PAGES: Page}
    symmetry = find(tables, frozenset(kind for name, kind in exchanged.items() if name in names))
    same = bisimulation.classes(tables) if MINIMISE in names else plan.same
    fuses = names & {FUSE_LOCAL, FUSE_LEFT_MOVERS}
    fusions = partial_order.analyse(tables, names, same, plan.wait_cache) if fuses else plan.fusions
    return Plan(names, same, fusions, symmetry, plan.wait_cache)


def held(tables: TransitionTables, plan: Plan) -> bool:
    """Does what is known after the search still allow all that was used?"""
    try:
        if plan.symmetry is not None:
            plan.symmetry.close()
    except NotSymmetric:
        return False
    if MINIMISE in plan.wanted and bisimulation.wrong(tables, plan.same):
        return False
    if not any(plan.fusions):
        return True
    return not partial_order.forbids(
        partial_order.analyse(tables, plan.wanted, plan.same, plan.wait_cache), plan.fusions
    )


def representative(same: Sequence[int], local: int) -> int:
    """The local state that stands for `local`."""
    return bisimulation.representative(same, local)
