"""Rows and columns as text: for the terminal, or as a table of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def grid(
    rows: Sequence[Sequence[Any]],
    head: Sequence[str],
    *,
    markdown: bool = False,
    numbers: bool = True,
    right: Sequence[int] = (),
    wrapped: Mapping[int, int] | None = None,
) -> str:
    """The table of `rows` below `head`, without an end of line.

    `numbers`: columns of numbers stand to the right; otherwise only those whose numbers are in `right`.  `wrapped`
    gives columns, by their numbers, a width at which their texts go on in another line.
    """
    from tabulate import tabulate  # takes as long to load as a small search, and many commands print no table

    columns = range(len(head))
    return tabulate(
        rows,
        head,
        tablefmt="github" if markdown else "simple",
        disable_numparse=not numbers,
        colalign=["right" if at in right else "left" for at in columns] if right else None,
        maxcolwidths=[wrapped.get(at) for at in columns] if wrapped else None,
    )
