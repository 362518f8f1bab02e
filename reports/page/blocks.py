"""What the stepper reads, as compressed blocks of the page: one of all verdicts, and one per scenario with its models.

A block is unpacked when the first of its cells is opened, so a page of thousands of models opens at once.  Models of
one scenario are alike, so they stand in one block (reports/page/packing.py).
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.page.packing import Packing

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
    """The different cells of a scenario, and which architecture has which."""
    packing = Packing()
    of: dict[str, int] = {}
    for recorded in recordings:
        kind = "model" if recorded["model"] else "trace"
        number = packing.add(kind, recorded[kind])
        if number is not None:
            of[recorded["architecture"]] = number
    return {**packing.data(), "of": of}


def _packed(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
