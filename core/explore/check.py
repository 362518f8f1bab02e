"""From a model to a verdict: search while learning, then check what was learned.

How it works.  Every model is first searched in plain Python without reductions (`reference.py`), which needs no
preparation: most models of the suite are done within HAND_OVER states.  A larger model is then walked through at
random, so that the ends of programs are known too, and searched anew with a plan: the reductions that the tables known
so far allow (`reductions.py`).  If numba is installed, the compiled searcher does that.  Everything learned is kept
throughout.

Why it is sound.  A plan rests on tables that may be incomplete.  It is checked against all that the reduced search has
learned, at the end and, in the compiled searcher, now and then on the way; there it is also mended when a local state
is met that was not known (`reductions.mended`).  If it does not hold, a new plan is made from the larger tables and the
search is repeated; after ATTEMPTS plans the search runs without reductions.  No verdict rests on a reduction whose
condition was not checked on everything that the search used.  Finally, random histories of each program are replayed
(`learn.py`).

Traces.  Fused operations do not count as steps of the search, so a violation found with fusion is searched for again
without it: that trace is shortest in single steps.

What was rejected.  Choosing reductions before any search, from the programs' text: it would need an analysis of Python,
and the tables say the same with certainty.  Open: the budgets below are measured on the suite, not derived.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.base import available_memory
from core.base.cores import IdleCores
from core.explore import numeric, reductions
from core.explore.errors import ExploreError, NewStore
from core.explore.learn import patience
from core.explore.model import END, Limits, Model, Verdict
from core.explore.never_ends import NAME as LIVELOCK
from core.explore.never_ends import WaitingStates, never_ends
from core.explore.ordered import again, tables_of
from core.explore.reductions import Plan, wanted
from core.explore.reference import Search
from core.explore.search_result import Choice, SearchResult, first_violation
from core.explore.symmetry import NotSymmetric
from core.explore.trace import steps, who_waits
from core.explore.transition_tables import TransitionTables
from core.explore.walk import wander

if TYPE_CHECKING:
    from core.explore.compiled.search import FastSearch

SEED = 20221109
"""Seed of the random walks and of the replayed histories that check the learned automata."""

HAND_OVER = 20_000
"""States after which the compiled searcher takes over: exploring these takes about as long as loading it."""

WARM_UP = 500
"""States explored first for searcher='fast' without reductions: they give the compiled searcher its field widths."""

LEARN_FIRST = 2_000
"""States explored without reductions before a plan is made, when the caller names a searcher."""

WANDER = 10_000
"""Random steps before a plan is made: they reach the ends of programs, which the first levels do not.

What is known before the search need not be learned, and made room for, in the middle of it."""

ATTEMPTS = 8
"""Plans that may fail their check before the search runs without reductions."""

SEARCHERS = ("auto", "reference", "fast")

Observe = Callable[[TransitionTables, Sequence[Choice], str], None]


def check(
    model: Model,
    *,
    limits: Limits = Limits(),
    searcher: str = "auto",
    reductions: object = "default",
    stop_at_violation: bool = True,
    observe: Observe | None = None,
    workers: int = 1,
    idle: IdleCores | None = None,
) -> Verdict:
    """Explore every interleaving of `model` and return the verdict.

    `searcher` is 'reference' (plain Python), 'fast' (compiled) or 'auto'.  `reductions` are names in
    `core.explore.reductions.ALL`, or 'default' for all of them.  A reduction is used where the tables allow it, and not
    at all on a model that is searched completely before a plan is made.  Traces are shortest in single steps either
    way.  `observe` is shown the tables, the path to the violation and its name before the verdict is returned.  With
    `stop_at_violation=False` the search continues after a violation, so that the counts are those of the whole state
    space; the verdict is still about the first violation.  The compiled searcher uses `workers` threads, and one more
    for each core that is `idle` when a large level begins; the verdict is the same with any number.  Raises
    ExploreError if a program does what it may not, or numba is missing for 'fast'; ValueError for an unknown searcher
    or reduction.
    """
    if searcher not in SEARCHERS:
        raise ValueError(f"searcher {searcher!r}, expected one of {', '.join(SEARCHERS)}")
    if searcher == "fast" and not numeric.available():
        raise ExploreError("the compiled searcher needs numba: pip install shootdown[fast]")
    if limits.max_memory is None:
        limits = replace(limits, max_memory=available_memory.available())
    with patience():
        return _verdict(_Job(model, limits, searcher, wanted(reductions), stop_at_violation, workers, idle), observe)


def _verdict(job: _Job, observe: Observe | None) -> Verdict:
    found = job.run()
    path = found.find_path()
    trace = steps(job.tables, path)
    sentence = found.sentence
    if found.violated in ("deadlock", LIVELOCK):
        sentence = f"{sentence} {who_waits(job.tables, path)}."
    for automaton in job.tables.automata:
        automaton.check(SEED)
    if observe is not None:
        observe(job.tables, path, found.violated)
    return Verdict(
        violated=found.violated,
        sentence=sentence,
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
    """The sometimes-properties that never held, and END if the threads provably never all end.

    Finally-properties are evaluated in end states only, so a known result of one means that an end state was reached.
    """
    yield from (prop.name for prop in tables.model.sometimes if prop.name not in found.reached)
    asked = [tables.answers(prop) for prop in tables.model.finally_]
    if found.exhaustive and not found.violated and asked and not any(asked):
        yield END


class _Job:
    """The searches of one model: a first one without reductions, and, if that is not enough, one with a plan."""

    def __init__(
        self,
        model: Model,
        limits: Limits,
        searcher: str,
        names: frozenset[str],
        stop: bool,
        workers: int = 1,
        idle: IdleCores | None = None,
    ) -> None:
        self.tables = tables_of(model, before=bool(names))
        self.limits, self.searcher, self.names, self.stop, self.workers = limits, searcher, names, stop, workers
        self.idle = idle
        self.started = time.monotonic()
        self.plan = reductions.none(self.tables)
        self.name = "reference"
        self.last: Search | FastSearch

    def run(self) -> SearchResult:
        """Search until there is a result, and all stores that wait are known."""
        while True:
            try:
                return self._checked(self._run())
            except NewStore:
                self.tables = again(self.tables)
                self.plan, self.name = reductions.none(self.tables), "reference"

    def _checked(self, found: SearchResult) -> SearchResult:
        """`found`, or that some interleaving never ends, if the search has been through all and found nothing else.

        Where none ends it is END that has not been reached.
        """
        if found.violated or not found.exhaustive or not any(map(self.tables.answers, self.tables.model.finally_)):
            return found
        waiting = WaitingStates(self.tables, self.plan.same)
        at = never_ends(self.tables, waiting, self.last.waiting(waiting)) if waiting.possible else None
        if at is not None:
            first_violation(found, self.tables.model, LIVELOCK, "", self.stop)
            found.find_path = self.last.path_to(at)
        return found

    def _run(self) -> SearchResult:
        self.last = first = Search(self.tables, self.limits, self.stop, self._budget())
        found = first.run()
        if found.interrupted or (not first.gave_up and self.searcher != "fast"):
            return found
        frontier = len(first.states) - first.at
        del first, self.last
        try:
            wander(self.tables, SEED, min(WANDER, 2 * found.states))
            again = self._reduced()
            return self._shortest(again) if again.violated and any(self.plan.fusions) else again
        except KeyboardInterrupt:  # between two searches: report what the first one has found
            found.interrupt(frontier)
            return found

    def _budget(self) -> int | None:
        """How many states to explore first; None for all."""
        if self.searcher == "auto":
            return HAND_OVER if self.names or numeric.available() else None
        if self.names:
            return LEARN_FIRST
        return WARM_UP if self.searcher == "fast" else None

    def _reduced(self) -> SearchResult:
        """Search with one plan after another, until one holds."""
        for attempt in range(ATTEMPTS + 1):
            self.plan = reductions.make(self.tables, self.names if attempt < ATTEMPTS else frozenset())
            try:
                found = self._search(self.plan, self.stop)
            except NotSymmetric:
                self.names -= {reductions.SYMMETRY, reductions.PAGES}
                continue
            except reductions.PlanBroken:
                continue
            self.plan = self.last.plan
            if not (found.exhaustive or found.violated) or reductions.held(self.tables, self.plan):
                break  # also a violation may be none if states were merged that differ
        return found

    def _shortest(self, found: SearchResult) -> SearchResult:
        """`found` with a trace that is shortest in single steps, if it can be found within the limits."""
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
            self.last = Search(self.tables, self.limits, stop, plan=plan, started=self.started)
            return self.last.run()
        from core.explore.compiled.search import FastSearch  # imports numpy, which small searches do not need

        self.name = "fast"
        self.last = FastSearch(self.tables, self.limits, stop, plan, self.started, self.workers, self.idle)
        return self.last.run()
