"""An exception of foreign code in one line: its type, its message, and the line of that code."""

from __future__ import annotations

import traceback
from pathlib import Path

PROJECT_DIRS = tuple(
    str(Path(__file__).resolve().parents[2] / package) for package in ("core", "arch_plugins", "benchmarks")
)
STANDARD = str(Path(traceback.__file__).resolve().parent)

LONGEST = 200
"""Characters of a message that are shown: a binary file given as a plugin would fill the screen."""


def describe(error: BaseException) -> str:
    """`Type: message (file, line, function)`; the location only if it is in code from outside this project."""
    return f"{short(named(error))}{where(error)}"


def named(error: BaseException) -> str:
    """`Type: message`. A MemoryError has no message of its own."""
    said = str(error) or ("ran out of memory" if isinstance(error, MemoryError) else "")
    return f"{type(error).__name__}: {said}"


def where(error: BaseException) -> str:
    """ " (file.py, line 3, in hook)": the innermost line of foreign code in the traceback of the first cause; or ''."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, SyntaxError):
        return ""  # its message has the location
    foreign = [f for f in traceback.extract_tb(error.__traceback__) if _is_foreign(f.filename)]
    return f" ({foreign[-1].filename}, line {foreign[-1].lineno}, in {foreign[-1].name})" if foreign else ""


def short(text: str) -> str:
    """`text` in one line of printable characters, truncated to LONGEST."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _is_foreign(file: str) -> bool:
    path = str(Path(file).resolve())
    standard = path.startswith(STANDARD) and "-packages" not in path
    return not file.startswith("<") and not standard and not path.startswith(PROJECT_DIRS)
