"""What the stepper reads, as compressed blocks of the page: one of all verdicts, and one per scenario with its models.

A block is unpacked when the first of its cells is opened, so a page of thousands of models opens at once.  Models of
one scenario are alike, so they stand in one block, and equal parts of them stand there once.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Block = tuple[str, str]
"""The id of a script element, and its text in base64: nothing in it is markup."""

KEPT = (
    "architecture",
    "scenario",
    "verdict",
    "reason",
    "sentence",
    "exhaustive",
    "states",
    "transitions",
    "depth",
    "bounds",
)
"""What the page of a cell says of its verdict."""


def blocks(report: Mapping[str, Any], recordings: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    """All blocks. `recordings` have `architecture`, `scenario`, `trace` and `model`, the latter two JSON or ''."""
    by_scenario: dict[str, list[Mapping[str, Any]]] = {}
    for recorded in recordings:
        by_scenario.setdefault(recorded["scenario"], []).append(recorded)
    numbers = {scenario: number for number, scenario in enumerate(by_scenario)}
    results = (*report["results"], *report.get("museum_results", ()))
    cells = [{name: result[name] for name in KEPT} for result in results]
    yield "results", _packed({"cells": cells, "chunks": numbers, "scenarios": report.get("scenarios", {})})
    for scenario, number in numbers.items():
        yield f"m-{number}", _packed(_chunk(by_scenario[scenario]))


def _chunk(recordings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The different cells of a scenario, and which architecture has which.

    A model is taken apart: what its thread does, its cells and so on stand in lists of different parts, and a cell is
    the number of each of its parts.  Architectures differ in few of them, and what is alike stands side by side, where
    the compression finds it.  A text that is no JSON, which a third party's process may have sent, is left out.
    """
    parts: dict[str, dict[str, int]] = {}
    cells: dict[str, int] = {}
    of: dict[str, int] = {}
    for recorded in recordings:
        kind, text = ("model", recorded["model"]) if recorded["model"] else ("trace", recorded["trace"])
        data = _object(text)
        if data is not None:
            numbers = {name: _number(parts.setdefault(name, {}), part) for name, part in _parts(kind, data)}
            own = json.dumps([kind, numbers])
            of[recorded["architecture"]] = cells.setdefault(own, len(cells))
    return {
        "parts": {name: list(map(json.loads, own)) for name, own in parts.items()},
        "cells": list(map(json.loads, cells)),
        "of": of,
    }


def _object(text: str) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _parts(kind: str, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The parts of a recording by their names; of the rows, those of each agent: 'rows.0', 'rows.1' ..."""
    for name, part in data.items():
        if kind == "model" and name == "rows" and isinstance(part, list):
            yield from ((f"rows.{agent}", own) for agent, own in enumerate(part))
        else:
            yield name, part


def _number(known: dict[str, int], part: Any) -> int:
    return known.setdefault(json.dumps(part, separators=(",", ":")), len(known))


def _packed(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
