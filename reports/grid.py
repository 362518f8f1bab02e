"""Rows and columns as text: for the terminal, or as a table of Markdown.

A column stands to the right if all its cells are numbers, or texts that are; points stand one below the other then.
Every other column stands to the left.  (The package tabulate does the same and much more, and takes as long to load as
a small search.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

GAP = 2
"""A column is so much wider than its heading at least."""

Cell = str | int | float


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
    columns, to_right = [], []
    for at in range(len(head)):
        cells = [row[at] for row in rows]
        told = numbers and _all_numbers(cells)
        width = (wrapped or {}).get(at)
        columns.append(_points_below(cells) if told else [_text(cell, width, numbers) for cell in cells])
        to_right.append(told or at in right)
    widths = [max([_width(title) + GAP, *map(_width, texts)]) for title, texts in zip(head, columns, strict=True)]
    rule = _joined(["-" * (width + 2 * markdown) for width in widths], markdown)
    above, *below = [
        [_joined(line, markdown) for line in _lines_of(row, widths, to_right, markdown)]
        for row in [head, *zip(*columns, strict=True)]
    ]
    return "\n".join([*above, rule, *chain.from_iterable(below)])


def _is_number(cell: Cell) -> bool:
    if isinstance(cell, str):
        try:
            float(cell)
        except ValueError:
            return False
        return True
    return not isinstance(cell, bool)


def _all_numbers(cells: Sequence[Cell]) -> bool:
    """Is every cell a number, but for empty ones, of which there are others?"""
    return all(cell == "" or _is_number(cell) for cell in cells) and any(cell != "" for cell in cells)


def _points_below(cells: Sequence[Cell]) -> list[str]:
    """Numbers as text, with blanks behind them where others have more digits after the point."""
    whole = all(cell == "" or _is_whole(cell) for cell in cells)
    texts = [str(cell) if whole or cell == "" else f"{float(cell):g}" for cell in cells]
    behind = [len(text) - 1 - at if (at := max(text.rfind("."), text.rfind("e"))) >= 0 else -1 for text in texts]
    most = max(behind)
    return [text.strip() + " " * (most - digits) for text, digits in zip(texts, behind, strict=True)]


def _is_whole(cell: Cell) -> bool:
    if not isinstance(cell, str):
        return isinstance(cell, int)
    return cell.strip().lstrip("+-").isdigit()


def _text(cell: Cell, width: int | None, numbers: bool) -> str:
    text = str(cell)
    if width is not None and not (numbers and _is_number(cell)):
        from textwrap import wrap

        text = "\n".join("\n".join(wrap(line, width)) for line in text.splitlines() if line.strip())
    return text.strip()


def _width(text: str) -> int:
    return max(map(len, text.splitlines()), default=0)


def _lines_of(cells: Sequence[str], widths: Sequence[int], to_right: Sequence[bool], markdown: bool) -> list[list[str]]:
    """The lines of a row, each with the cells as wide as their columns."""
    blank = " " * markdown
    lines = zip_longest(*(cell.split("\n") for cell in cells), fillvalue="")
    return [
        [
            f"{blank}{text.rjust(width) if right else text.ljust(width)}{blank}"
            for text, width, right in zip(line, widths, to_right, strict=True)
        ]
        for line in lines
    ]


def _joined(cells: Sequence[str], markdown: bool) -> str:
    return f"|{'|'.join(cells)}|" if markdown else "  ".join(cells).rstrip()
