"""From a model to a verdict: search while learning, check what was learned, and tell.

Small models are searched in plain Python, which needs no preparation.  When a model turns out to have more states
than that is good for, and numba is installed, the compiled searcher takes over with all that has been learned.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.explore import numeric
from core.explore.errors import ExploreError
from core.explore.found import Found
from core.explore.model import Limits, Model, Verdict
from core.explore.reference import Search
from core.explore.tables import Tables
from core.explore.trace import steps

if TYPE_CHECKING:
    from core.explore.fast import FastSearch

SEED = 20221109
"""Of the random histories that check the learned automata."""

HAND_OVER = 25_000
"""States after which the compiled searcher takes over: about as long as it takes to load it."""

WARM_UP = 500
"""States from which the compiled searcher takes the widths of its fields when it is asked for."""

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
    `stop_at_violation=False` goes on behind violations, so that the counts are those of the whole space; the
    verdict is then about the first one all the same.  Raises an `ExploreError` for what a program may not do.
    """
    if searcher not in SEARCHERS:
        raise ValueError(f"searcher {searcher!r}, expected one of {', '.join(SEARCHERS)}")
    if searcher == "fast" and not numeric.available():
        raise ExploreError("the compiled searcher needs numba: pip install shootdown[fast]")
    tables = Tables(model)
    found, name = _search(tables, limits, searcher, stop_at_violation)
    for automaton in tables.automata:
        automaton.check(SEED)
    return Verdict(
        violated=found.violated,
        sentence=found.sentence,
        trace=steps(tables, found.path),
        states=found.states,
        transitions=found.transitions,
        depth=found.depth,
        exhaustive=found.exhaustive,
        bounds=found.bounds,
        unreached=tuple(p.name for p in model.sometimes if p.name not in found.reached),
        searcher=name,
        reductions=(),
    )


def _search(tables: Tables, limits: Limits, searcher: str, stop: bool) -> tuple[Found, str]:
    """What was found, and by which searcher."""
    started = time.monotonic()
    budget = {"auto": HAND_OVER, "fast": WARM_UP}.get(searcher) if numeric.available() else None
    first = Search(tables, limits, stop, budget)
    found = first.run()
    if not first.gave_up and searcher != "fast":
        return found, "reference"
    del first
    return _compiled()(tables, _left(limits, started), stop).run(), "fast"


def _left(limits: Limits, started: float) -> Limits:
    """The limits for a search that begins now, of those that began to count then."""
    if limits.timeout is None:
        return limits
    left = max(0.0, limits.timeout - (time.monotonic() - started))
    return Limits(limits.max_states, left, limits.max_memory)


def _compiled() -> type[FastSearch]:
    from core.explore.fast import FastSearch  # numba takes as long to import as a small model to explore

    return FastSearch
