"""What is settled before a warden starts: the modules that it imports, what guests must not write, and how it starts.

It is apart from core.run.isolate, because whatever names it is loaded by every command, and most run no child.
"""

from __future__ import annotations

import os
from pathlib import Path

preloaded: list[str] = []
"""Modules that a warden imports when it starts."""

protected: list[str] = []
"""What guests must not write besides what is `core.run.trusted`, as far as the kernel can see to that."""

_commands_own: list[int] = []
"""The process that the command line was started as, if this is one."""


def this_is_the_commands_own() -> None:
    """Say that this process is the command line's, which runs no code of third parties: a warden may be its fork."""
    _commands_own[:] = [os.getpid()]


def is_the_commands_own() -> bool:
    """Has that been said of this process?"""
    return _commands_own == [os.getpid()]


def preload(*modules: str) -> None:
    """Let children start with `modules` imported; has no effect on wardens that have been started."""
    preloaded.extend(module for module in modules if module not in preloaded)


def protect(*directories: Path) -> None:
    """Let guests whose warden has not been started yet write nothing under `directories` (or files), which exist."""
    protected.extend(name for one in directories if (name := str(one.resolve())) not in protected)


def protect_code(*references: str) -> None:
    """`protect` the files that plugins and scenarios are read from, given by their references."""
    if references:
        from core.run.trusted import code_of

        protect(*(Path(path) for reference in references for path in code_of(reference)))
