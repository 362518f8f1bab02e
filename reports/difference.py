"""What changed from one report to another: `diff OLD NEW`.

Both are JSON reports of `run`.  Verdicts and costs are compared; how many states it took is not, because a better
reduction is no change of verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.document import SCHEMA


class ReportError(Exception):
    """A file that is no report of ours: one line with its name and what was expected."""


@dataclass(frozen=True)
class Change:
    """One cell or count that is not what it was; `absent` where the other report does not have it."""

    where: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.where}: {self.before} -> {self.after}"


def read(path: Path) -> dict[str, Any]:
    """A report from its file. ReportError if it is not one, OSError if it cannot be read."""
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
    """All that differs, verdicts first, each in the order of the new report; what is gone comes last."""
    return [*_between(_verdicts(old), _verdicts(new)), *_between(_costs(old), _costs(new))]


def _between(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for where in dict.fromkeys([*new, *old]):
        before, after = old.get(where, "absent"), new.get(where, "absent")
        if before != after:
            yield Change(where, before, after)


def _verdicts(report: Mapping[str, Any]) -> dict[str, str]:
    """The verdict of each cell, with the length of its trace."""
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
