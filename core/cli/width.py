"""Tables that are read on a terminal: in lines as wide as it is, and whole where a program reads them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from textwrap import wrap

from reports.grid import grid

READABLE = 80
"""Columns of a terminal that does not say how many it has."""

INDENT = 4
"""Blanks before what belongs to the row above."""


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is; None for a pipe or a file, whose lines are as long as they are."""
    if not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size((READABLE, 24)).columns


def table(rows: Sequence[Sequence[str]], head: Sequence[str], width: int | None) -> str:
    """A table; where that is wider than `width`, each row in lines of its own, what is in it by the names in `head`."""
    whole = grid(rows, head, numbers=False)
    if width is None or max(map(len, whole.splitlines()), default=0) <= width:
        return whole
    return "\n".join(line for row in rows for line in _row_lines(row, head, width))


def _row_lines(row: Sequence[str], head: Sequence[str], width: int) -> list[str]:
    """The first column alone, then a line or more for each other one that is not empty."""
    name = max(map(len, head[1:])) + 1
    lines = wrap(row[0], width) or [""]
    for title, text in zip(head[1:], row[1:], strict=True):
        first, later = f"{'':{INDENT}}{title:{name}}", " " * (INDENT + name)
        lines += (
            wrap(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False) if text else []
        )
    return lines
