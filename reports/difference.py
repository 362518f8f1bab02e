"""What differs between two reports: `diff OLD NEW`.

Both are JSON reports of `run`.  Verdicts and counts are compared.  Numbers of states are not: a better reduction
changes no verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.document import SCHEMA


class ReportError(Exception):
    """A file that is not a report of `run`; the message names it and says what was expected, in one line."""


@dataclass(frozen=True)
class Change:
    """A verdict or count that differs; 'absent' if one report does not have it."""

    where: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.where}: {self.before} -> {self.after}"


def read(path: Path) -> dict[str, Any]:
    """Read a report. ReportError if the file is not one, OSError if it cannot be read."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ReportError(f"{path}: expected a JSON report of `run`: {error}") from error
    schema = report.get("schema") if isinstance(report, dict) else None
    if not isinstance(schema, dict) or schema.get("name") != SCHEMA["name"]:
        raise ReportError(f"{path}: schema.name: expected {SCHEMA['name']!r}, the JSON report of `run`")
    for key in ("results", "costs"):
        if not isinstance(report.get(key), list):
            raise ReportError(f"{path}: {key}: expected a list")
    try:
        changes(report, report)
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path}: expected results and costs as reports/schema.json describes: {error!r}") from error
    return dict(report)


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """All differences, verdicts first, in the order of the new report; what only the old one has comes last."""
    return [*_between(_verdicts(old), _verdicts(new)), *_between(_costs(old), _costs(new))]


def _between(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for where in dict.fromkeys([*new, *old]):
        before, after = old.get(where, "absent"), new.get(where, "absent")
        if before != after:
            yield Change(where, before, after)


def _verdicts(report: Mapping[str, Any]) -> dict[str, str]:
    """The verdict of each row and scenario, with the length of its trace."""
    told = {}
    for result in report["results"]:
        steps = f"({len(result['trace'])})" if result.get("trace") else ""
        told[f"{result['architecture']} {result['scenario']}"] = f"{result['verdict']}{steps}"
    return told


def _costs(report: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{cost['architecture']} {cost['workload']} {count}": str(number)
        for cost in report["costs"]
        for count, number in cost["counts"].items()
    }
