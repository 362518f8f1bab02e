"""From a model to a verdict: learn, search, check what was learned, and tell."""

from __future__ import annotations

from core.explore.model import Limits, Model, Verdict
from core.explore.reference import Search
from core.explore.tables import Tables
from core.explore.trace import steps

SEED = 20221109
"""Of the random histories that check the learned automata."""


def check(
    model: Model,
    *,
    limits: Limits = Limits(),
    searcher: str = "auto",
    reductions: object = "default",
    stop_at_violation: bool = True,
) -> Verdict:
    """Explore every interleaving of `model` and say what was found.

    `stop_at_violation=False` goes on behind violations, so that the counts are those of the whole space; the
    verdict is then about the first one all the same.  Raises an `ExploreError` for what a program may not do.
    """
    tables = Tables(model)
    found = Search(tables, limits, stop_at_violation).run()
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
        searcher="reference",
        reductions=(),
    )
