"""The report as comma-separated values, for spreadsheets: verdicts, and counts with their prices."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

VERDICT = (
    "architecture",
    "scenario",
    "area",
    "tier",
    "verdict",
    "reason",
    "exhaustive",
    "states",
    "transitions",
    "depth",
)
WINDOWS = ("reached", "unreached")

FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet would take for a formula at the beginning of a field: names are somebody else's."""


def verdicts(report: Mapping[str, Any]) -> str:
    """A line per cell; `steps` is the length of its trace, windows are separated by blanks."""
    rows = (
        [
            *(result[name] for name in VERDICT),
            len(result["trace"] or ()),
            *(" ".join(result.get(name, ())) for name in WINDOWS),
        ]
        for result in report["results"]
    )
    return _text((*VERDICT, "steps", *WINDOWS), rows)


def costs(report: Mapping[str, Any]) -> str:
    """A line per architecture and workload: every count, and the price in nanoseconds."""
    names = sorted({name for cost in report["costs"] for name in cost["counts"]})
    rows = (
        [
            cost["architecture"],
            cost["workload"],
            *(cost["counts"].get(name, 0) for name in names),
            *_price(cost["price"]),
        ]
        for cost in report["costs"]
    )
    return _text(("architecture", "workload", *names, "price_low_ns", "price_high_ns", "unpriced"), rows)


def _price(price: Mapping[str, Any]) -> tuple[int, int, str]:
    return price["low"], price["high"], " ".join(price["unpriced"])


def _text(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(head)
    table.writerows([_field(value) for value in row] for row in rows)
    return written.getvalue()


def _field(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
