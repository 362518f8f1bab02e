"""What can go wrong while exploring: each error has a one-line message that names thread, operation and what was
expected.
"""

from __future__ import annotations

from core.base.watchdog import TooLate


class ExploreError(Exception):
    """The base of all errors that keep a model from being explored."""


class ProgramError(ExploreError):
    """A program raised an exception other than AssertionError, in a state that the search reached."""


class NotAnOperation(ExploreError):
    """A program awaited an object that is not an `Op`, or `Op.step` returned something that is not an `Outcome`."""


class Hung(ExploreError, TooLate):
    """A program did not await its next operation in time."""


class NotDeterministic(ExploreError):
    """A program awaited different operations when it was replayed: it keeps state outside its local variables."""


class TooLarge(ExploreError):
    """A thread has more local states, or a cell more values, than the tables can hold."""


class NewStore(Exception):
    """A `core.explore.model.MemoryMachine` has met a store that it did not know: the tables are made again."""
