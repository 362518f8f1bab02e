"""Tables of a model under a memory model: which cells wait in store buffers has to be known before they are made.

A store that waits becomes visible by a daemon of its own, and daemons do not come and go.  So the model is first walked
through at random, as if nothing waited, to see who stores where.  A store that the search meets all the same and that
was not known raises `NewStore`; the tables are made again with it, and the search starts anew.  What was learned of the
programs is kept: it does not depend on the machine.  Each time at least one store is new, so this ends.
"""

from __future__ import annotations

from core.explore.model import Model
from core.explore.transition_tables import TransitionTables
from core.explore.walk import wander

SEED = 20221109
STEPS = 1000
"""Random steps, which take a tenth of a short search and meet nearly all stores."""


def tables_of(model: Model, before: bool = False) -> TransitionTables:
    """The tables of a model, under its memory model if it has one."""
    if model.memory is None:
        return TransitionTables(model, before)
    tables = TransitionTables(model, before, model.memory(model))
    wander(tables, SEED, STEPS)
    return again(tables)


def again(tables: TransitionTables) -> TransitionTables:
    """Tables of the same model and programs, with the stores that are known now."""
    assert tables.machine is not None
    tables.machine.learned()
    return TransitionTables(tables.plain, tables.before, tables.machine, tables.automata)
