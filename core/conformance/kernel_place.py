"""Where the kernel has the function that a frame stands in: the file, as docstrings say it.

core/mm has a function in the module of its file, whose docstring begins with the file's path; what Linux has elsewhere,
or calls otherwise, says so in its own docstring, as path:symbol.  An architecture's functions are found by that alone,
or by the docstring of the hook that they implement.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from types import CodeType, FrameType

from core import hookspecs

PATH = re.compile(r"((?:[\w-]+/)+[\w-]+\.[chS])(?::(\w+))?")
"""A file of the kernel tree, and a symbol behind a colon."""

MM = "core.mm."


def kernel_place(frame: FrameType) -> str:
    """'mm/memory.c', of a module of several files 'a.c or b.h'; with ':symbol' where the kernel calls it otherwise.

    '' where nothing says it.
    """
    return _place(frame.f_code, frame.f_globals.get("__name__", ""), frame.f_globals.get("__doc__") or "")


@cache
def _place(code: CodeType, module: str, described: str) -> str:
    own = _doc(code)
    found = _cited(own, code.co_name) or _cited(_hook(code.co_name), code.co_name)
    if found or not module.startswith(MM):
        return found
    paths = dict.fromkeys(path for path, _ in _paths(described.partition("\n\n")[0]))
    return " or ".join(paths)


def _cited(text: str, name: str) -> str:
    """The place that a docstring names: with this symbol rather than with another."""
    cited = list(_paths(text))
    for path, symbol in cited:
        if symbol == name:
            return path
    return next((f"{path}:{symbol}" for path, symbol in cited if symbol), "")


def _paths(text: str) -> Iterator[tuple[str, str]]:
    return ((found[1], found[2] or "") for found in PATH.finditer(text))


def _doc(code: CodeType) -> str:
    """The docstring of a function's code: its first constant, if that is a text that stands alone."""
    first = code.co_consts[0] if code.co_consts else None
    return first if isinstance(first, str) else ""


def _hook(name: str) -> str:
    return inspect.getdoc(getattr(hookspecs.ArchSpec, name, None)) or ""
