"""Searches with a plan, also of models so small that `check` would make none."""

from __future__ import annotations

from core.explore import Limits, Model, reductions, symmetry
from core.explore.reductions import Plan
from core.explore.reference import Search
from core.explore.search_result import SearchResult
from core.explore.trace import steps
from core.explore.transition_tables import TransitionTables


def searched(tables: TransitionTables, plan: Plan, searcher: str = "reference", stop: bool = True) -> SearchResult:
    if searcher == "reference":
        return Search(tables, Limits(), stop, plan=plan).run()
    from core.explore.compiled.search import FastSearch

    return FastSearch(tables, Limits(), stop, plan).run()


def learned(one: Model) -> TransitionTables:
    """The tables after a whole search."""
    tables = TransitionTables(one, before=True)
    Search(tables, Limits(), False).run()
    return tables


def planned(
    one: Model, names: frozenset[str], searcher: str, stop: bool = True, first: int = 50
) -> tuple[Plan, SearchResult]:
    """A reduced search as `check` does it, also on models so small that it would not."""
    tables = TransitionTables(one, before=True)
    Search(tables, Limits(), stop, budget=first).run()
    while True:
        plan = reductions.make(tables, names)
        try:
            found = searched(tables, plan, searcher, stop)
        except symmetry.NotSymmetric:
            names -= {reductions.SYMMETRY, reductions.PAGES}
            continue
        if not found.exhaustive or reductions.held(tables, plan):
            steps(tables, found.find_path())  # the way can be walked
            return plan, found
