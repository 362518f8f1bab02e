"""Models of one scenario taken apart, so that equal parts stand once and what is alike stands side by side.

The page's size is that of its models, and deflate finds a repetition only within 32 KiB.  So what repeats further apart
is taken out here.  A cell is the number of each of its parts: of its lists (POOLED) every element is the number of one
in a pool, and what a thread does in each of its local states, which is most of a model, stands in columns: the
operation, the moves as the number of one in a pool, the note, the CPU, each as a difference to the one before it.  The
local state behind a move is a difference too, to that before it: so moves of two architectures are equal though their
local states have other numbers.  `assembled` of stepper.js is the way back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

POOLED = ("cells", "notes", "strings", "properties", "stale", "agents", "asserts", "steps")
"""Lists of a recording whose elements stand in pools."""

Numbers = dict[str, int]
"""Texts of JSON by the order in which they came."""


class Packing:
    """The different recordings of a scenario: `add` them, then take `data`."""

    def __init__(self) -> None:
        self.texts: dict[str, int | None] = {}
        self.parts: dict[str, Numbers] = {}
        self.pools: dict[str, Numbers] = {}
        self.cells: Numbers = {}

    def add(self, kind: str, text: str) -> int | None:
        """The number of the recording in `cells`; `kind` is 'model' or 'trace', `text` its JSON.

        None for a text that is no JSON object, which a third party's process may have sent.
        """
        if text not in self.texts:
            data = _object(text)
            self.texts[text] = None if data is None else self._added(kind, data)
        return self.texts[text]

    def data(self) -> dict[str, Any]:
        """Parts and pools by their names, and the different cells as [kind, the number of each part]."""
        return {
            "parts": {name: _read(own) for name, own in self.parts.items()},
            "pools": {name: _read(own) for name, own in self.pools.items()},
            "cells": _read(self.cells),
        }

    def _added(self, kind: str, data: Mapping[str, Any]) -> int:
        numbers = {name: _number(self.parts.setdefault(name, {}), part) for name, part in self._parts(kind, data)}
        return _number(self.cells, [kind, numbers])

    def _parts(self, kind: str, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The parts by their names; of the rows of a model, those of each agent: 'rows.0', 'rows.1' ..."""
        for name, part in data.items():
            if kind == "model" and name == "rows" and isinstance(part, list):
                for agent, rows in enumerate(part):
                    yield f"rows.{agent}", _columns(rows, self.pools.setdefault(f"rows.{agent}", {}))
            elif name in POOLED and isinstance(part, list):
                pool = self.pools.setdefault(name, {})
                yield name, [_number(pool, element) for element in part]
            else:
                yield name, part


def _columns(rows: Any, pool: Numbers) -> Any:
    """Rows (`core.explore.recording`) as columns, and their number; null where the thread has ended.

    What cannot be made so, which a third party's process may have sent, stays as it is: the stepper says that it cannot
    read it.
    """
    try:
        made = [row and [row[0], _number(pool, _relative(row, local)), *row[3:]] for local, row in enumerate(rows)]
        width = max((len(row) for row in made if row), default=0)
        columns = [[row[at] if row and at < len(row) else None for row in made] for at in range(width)]
        return [*map(_differences, columns), len(made)]
    except (TypeError, ValueError, IndexError, KeyError):
        return rows


def _relative(row: Any, local: int) -> list[Any]:
    """[cells read, moves] of the row of a local state, with the local states behind the moves relative to it."""
    moves = [[values, *([after - local, *rest] for after, *rest in known)] for values, *known in row[2]]
    return [row[1], moves]


def _differences(column: Sequence[int | None]) -> list[int | None]:
    last, found = 0, list[int | None]()
    for number in column:
        found.append(None if number is None else number - last)
        last = last if number is None else number
    return found


def _number(known: Numbers, part: Any) -> int:
    return known.setdefault(json.dumps(part, separators=(",", ":")), len(known))


def _read(known: Numbers) -> list[Any]:
    return list(map(json.loads, known))


def _object(text: str) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
