"""Which reductions a search uses, on what conditions, and whether these held.

A plan is made from the tables that a first, unreduced search of some thousand states leaves behind.  After the reduced
search it is checked against the tables as they are then.  If the check fails, a new plan is made and the search
repeated. Nothing that was learned is discarded, so each plan knows more than the one before, and this ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from core.explore import bisimulation, partial_order
from core.explore.bisimulation import Classes
from core.explore.model import Thread
from core.explore.partial_order import Fusions
from core.explore.symmetry import NotSymmetric, Symmetry, find
from core.explore.transition_tables import TransitionTables
from core.explore.wait_cache import WaitCache
from core.machine.op import Page

MINIMISE, FUSE_LOCAL, FUSE_LEFT_MOVERS = "minimise", "fuse_local", "fuse_left_movers"
SYMMETRY, PAGES = "symmetry", "symmetry_of_pages"

ALL = frozenset({MINIMISE, FUSE_LOCAL, FUSE_LEFT_MOVERS, SYMMETRY, PAGES})
"""Every reduction there is."""


class PlanBroken(Exception):
    """Something learned since the plan was made forbids one of its reductions."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a search may do.

    `wanted` are the names of the reductions requested, `same` the local states that are merged, `fusions` the
    operations that are fused, `symmetry` the permutations, None for none.  `wait_cache` keeps the analysis that made
    the fusions.
    """

    wanted: frozenset[str]
    same: Classes
    fusions: Fusions
    symmetry: Symmetry | None = None
    wait_cache: WaitCache = field(default_factory=WaitCache, compare=False)

    @property
    def used(self) -> tuple[str, ...]:
        """The names of the reductions that have an effect, in a fixed order."""
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
        """The plan without fusion: every step counts as one, so a shortest trace is shortest in single steps."""
        return replace(self, fusions=tuple({} for _ in self.fusions))


def wanted(reductions: object) -> frozenset[str]:
    """The names in `reductions`: 'default' for ALL, or an iterable of names. ValueError for an unknown name."""
    if reductions == "default":
        return ALL
    if isinstance(reductions, str) or not isinstance(reductions, Iterable):
        raise ValueError(f"reductions {reductions!r}, expected 'default' or names of {', '.join(sorted(ALL))}")
    names = frozenset(reductions)
    if not names <= ALL:
        raise ValueError(f"reduction {min(names - ALL)!r}, expected one of {', '.join(sorted(ALL))}")
    return names


def none(tables: TransitionTables) -> Plan:
    """The plan without any reduction."""
    threads = range(len(tables.rows))
    return Plan(frozenset(), tuple(() for _ in threads), tuple({} for _ in (*threads, *tables.daemons)))


def make(tables: TransitionTables, names: frozenset[str]) -> Plan:
    """A plan with those of the reductions `names` that the tables, as they are, allow."""
    plan = none(tables)
    exchanged = {SYMMETRY: Thread, PAGES: Page}
    symmetry = find(tables, frozenset(kind for name, kind in exchanged.items() if name in names))
    same = bisimulation.classes(tables) if MINIMISE in names else plan.same
    fuses = names & {FUSE_LOCAL, FUSE_LEFT_MOVERS}
    fusions = partial_order.analyse(tables, names, same, plan.wait_cache) if fuses else plan.fusions
    return Plan(names, same, fusions, symmetry, plan.wait_cache)


def held(tables: TransitionTables, plan: Plan) -> bool:
    """Do the tables, after the search, still allow everything that `plan` allowed?"""
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


def mended(tables: TransitionTables, plan: Plan, known: Sequence[int]) -> Plan:
    """The plan with what the tables say now of the local states from number known[t] of thread t on.

    No state that has been found may be in one of these: then all is as if the plan had been so from the beginning.
    What the tables forbid now of others stays allowed, until `held` says so.
    """
    now = partial_order.analyse(tables, plan.wanted, plan.same, plan.wait_cache)
    return replace(plan, fusions=partial_order.extended(plan.fusions, now, known))


def representative(same: Sequence[int], local: int) -> int:
    """The local state that stands for `local`."""
    return bisimulation.representative(same, local)
