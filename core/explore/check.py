"""From a model to a verdict: search while learning, check what was learned, and tell.

Small models are searched in plain Python, which needs no preparation.  When a model turns out to have more states
than that is good for, and numba is installed, the compiled searcher takes over with all that has been learned.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from core.base import available_memory
from core.explore import numeric, reductions
from core.explore.errors import ExploreError
from core.explore.model import END, Limits, Model, Verdict
from core.explore.reductions import Plan, wanted
from core.explore.reference import Search
from core.explore.search_result import SearchResult
from core.explore.symmetry import NotSymmetric
from core.explore.trace import steps
from core.explore.transition_tables import TransitionTables
from core.explore.walk import wander

SEED = 20221109
"""Of the random histories that check the learned automata."""

HAND_OVER = 20_000
"""States after which the compiled searcher takes over: about as long as it takes to load it."""

WARM_UP = 500
"""States from which the compiled searcher takes the widths of its fields when it is asked for."""

LEARN_FIRST = 2_000
"""States explored without reductions, to know the tables, when a searcher or reductions are asked for."""

WANDER = 10_000
"""Steps of random walks behind that: they come to the ends of programs, which the first levels do not.

What is known early need not be learned, and made room for, in the middle of a search."""

ATTEMPTS = 8
"""Plans that may turn out wrong before the search does without."""

SEARCHERS = ("auto", "reference", "fast")


def check(
    model: Model,
    *,
    limits: Limits = Limits(),
    searcher: str = "auto",
    reductions: object = "default",
    stop_at_violation: bool = True,
) -> Verdict:
    """Explore every interleaving of `model` and say what was found.

    `searcher` is 'reference' (plain Python), 'fast' (compiled; ExploreError if numba is missing) or 'auto'.
    `reductions` are names of `core.explore.reductions.ALL` or 'default' for all; each is used where the tables allow
    it, and never on a model so small that it is done before.  Traces are shortest in the programs' own steps all
    the same.
    `stop_at_violation=False` goes on behind violations, so that the counts are those of the whole space; the
    verdict is then about the first one all the same.  Raises an `ExploreError` for what a program may not do, and
    ValueError for the name of a searcher or a reduction there is not.
    """
    if searcher not in SEARCHERS:
        raise ValueError(f"searcher {searcher!r}, expected one of {', '.join(SEARCHERS)}")
    if searcher == "fast" and not numeric.available():
        raise ExploreError("the compiled searcher needs numba: pip install shootdown[fast]")
    if limits.max_memory is None:
        limits = replace(limits, max_memory=available_memory.available())
    job = _Job(model, limits, searcher, wanted(reductions), stop_at_violation)
    found = job.run()
    trace = steps(job.tables, found.find_path())
    for automaton in job.tables.automata:
        automaton.check(SEED)
    return Verdict(
        violated=found.violated,
        sentence=found.sentence,
        trace=trace,
        states=found.states,
        transitions=found.transitions,
        depth=found.depth,
        exhaustive=found.exhaustive,
        bounds=found.bounds,
        unreached=tuple(_unreached(job.tables, found)),
        searcher=job.name,
        reductions=job.plan.used,
    )


def _unreached(tables: TransitionTables, found: SearchResult) -> Iterator[str]:
    """The sometimes-properties that never held, and the end if it is sure that there is none.

    Finally-properties are asked about in end states only, so what is known of them says whether there was one.
    """
    yield from (prop.name for prop in tables.model.sometimes if prop.name not in found.reached)
    asked = [tables.answers(prop) for prop in tables.model.finally_]
    if found.exhaustive and not found.violated and asked and not any(asked):
        yield END


class _Job:
    """One model on its way: a first search without reductions, and if that is not enough the real one."""

    def __init__(self, model: Model, limits: Limits, searcher: str, names: frozenset[str], stop: bool) -> None:
        self.tables = TransitionTables(model, before=bool(names))
        self.limits, self.searcher, self.names, self.stop = limits, searcher, names, stop
        self.started = time.monotonic()
        self.plan = reductions.none(self.tables)
        self.name = "reference"

    def run(self) -> SearchResult:
        """The whole way."""
        first = Search(self.tables, self.limits, self.stop, self._budget())
        found = first.run()
        if found.interrupted or (not first.gave_up and self.searcher != "fast"):
            return found
        frontier = len(first.states) - first.at
        del first
        try:
            wander(self.tables, SEED, min(WANDER, 2 * found.states))
            again = self._reduced()
            return self._shortest(again) if again.violated and any(self.plan.fusions) else again
        except KeyboardInterrupt:  # between two searches: the first has found something
            found.interrupt(frontier)
            return found

    def _budget(self) -> int | None:
        """How many states to explore first."""
        if self.searcher == "auto":
            return HAND_OVER if self.names or numeric.available() else None
        if self.names:
            return LEARN_FIRST
        return WARM_UP if self.searcher == "fast" else None

    def _reduced(self) -> SearchResult:
        """Search with a plan, until one has held."""
        for attempt in range(ATTEMPTS + 1):
            self.plan = reductions.make(self.tables, self.names if attempt < ATTEMPTS else frozenset())
            try:
                found = self._search(self.plan, self.stop)
            except NotSymmetric:
                self.names -= {reductions.SYMMETRY, reductions.PAGES}
                continue
            except reductions.PlanBroken:
                continue
            if not found.exhaustive or reductions.held(self.tables, self.plan):
                break
        return found

    def _shortest(self, found: SearchResult) -> SearchResult:
        """`found` with a trace that is shortest in single steps, if the limits allow to find it."""
        plan = self.plan.stepwise()
        try:
            again = self._search(plan, True)
        except (NotSymmetric, reductions.PlanBroken):
            again = self._search(reductions.none(self.tables), True)
        if not again.violated:
            return found
        if self.stop:
            self.plan = plan
            return again
        return replace(found, violated=again.violated, sentence=again.sentence, find_path=again.find_path)

    def _search(self, plan: Plan, stop: bool) -> SearchResult:
        if self.searcher == "reference" or not numeric.available():
            return Search(self.tables, self.limits, stop, plan=plan, started=self.started).run()
        from core.explore.compiled.search import FastSearch  # not every search needs numpy

        self.name = "fast"
        return FastSearch(self.tables, self.limits, stop, plan, self.started).run()
