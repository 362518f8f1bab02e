"""What can be wrong with a kernel tree or with what is needed to build from it."""

from __future__ import annotations

from core.base.told import Told


class TreeError(Told):
    """A tree that cannot be used, in one line: the file and the name in it, what was expected, what to do."""


class LostRequest(TreeError):
    """A kernel/smp.c that loses a request, or says too early that one was served."""


class NotInTables(TreeError):
    """A function with such arguments that is not in the tables that come along, which only a tree has."""
