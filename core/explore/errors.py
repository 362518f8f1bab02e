"""What can go wrong while exploring, each with one line that names thread, operation and what was expected."""

from __future__ import annotations


class ExploreError(Exception):
    """Anything that keeps a model from being explored."""


class ProgramError(ExploreError):
    """A program raised something else than AssertionError, in a state that the search really reached."""


class NotAnOperation(ExploreError):
    """A program awaited something that is no `Op`, or an operation answered with something that is no outcome."""


class Hung(ExploreError):
    """A program ran on without awaiting anything."""


class NotDeterministic(ExploreError):
    """A program, run again with the same answers, asked for other operations: it keeps state outside its frames."""


class TooLarge(ExploreError):
    """More local states, or values of a cell, than can be packed."""
