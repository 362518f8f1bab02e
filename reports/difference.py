"""What differs between two reports: `diff OLD NEW`.

Both are JSON reports of `run`.  Verdicts and counts are compared.  Numbers of states are not: a better reduction
changes no verdict.  A change for the worse is told from one for the better, so that a CI job fails on a regression and
on nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports import lines
from reports.document import SCHEMA

LARGEST = 10**60
"""Counts below this can be divided."""


class ReportError(Exception):
    """A file that is not a report of `run`; the message names it and says what was expected, in one line."""


ABSENT = "absent"

RANK = {"pass": 0, "xpass": 0, "bounded": 1, "xfail": 2, "unsupported": 2, ABSENT: 2, "fail": 3, "error": 4}
"""How bad a verdict is, for a comparison: a failure that is declared is as good as a cell that nobody asked."""


@dataclass(frozen=True)
class Change:
    """A verdict or count that differs; 'absent' if one report does not have it. `trend` is 'worse', 'better' or ''."""

    where: str
    before: str
    after: str
    trend: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.before} -> {self.after}" + (f" ({self.trend})" if self.trend else "")


def read(path: Path) -> dict[str, Any]:
    """Read a report. ReportError if the file is not one, OSError if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        report = lines.from_lines(text) if _is_lines(text) else json.loads(text)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number of thousands of digits, too deep
        raise ReportError(f"{path}: expected a JSON report of `run`: {error}") from error
    schema = report.get("schema") if isinstance(report, dict) else None
    if not isinstance(schema, dict) or schema.get("name") != SCHEMA["name"]:
        raise ReportError(f"{path}: schema.name: expected {SCHEMA['name']!r}, the JSON report of `run`")
    version = schema.get("version", SCHEMA["version"])
    if not isinstance(version, str) or version.partition(".")[0] != SCHEMA["version"].partition(".")[0]:
        raise ReportError(f"{path}: schema.version: expected {SCHEMA['version']}, got {version!r:.40}")
    for key in ("results", "costs"):
        if not isinstance(report.get(key), list):
            raise ReportError(f"{path}: {key}: expected a list")
    for at, result in enumerate(report["results"]):
        if not (_names(result, "architecture", "scenario") and _is_verdict(result)):
            raise ReportError(f"{path}: results[{at}]: expected results and costs as reports/schema.json describes")
    for at, cost in enumerate(report["costs"]):
        if not (_names(cost, "architecture", "workload") and _are_counts(cost.get("counts"))):
            raise ReportError(f"{path}: costs[{at}]: expected results and costs as reports/schema.json describes")
    return dict(report)


def _is_lines(text: str) -> bool:
    """Is it a report as JSON Lines?  Its first line alone is an object."""
    return text.startswith('{"schema"') and f'"{lines.SCHEMA["name"]}"' in text.partition("\n")[0]


def _names(entry: Any, *keys: str) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in keys)


def _is_verdict(result: Mapping[str, Any]) -> bool:
    verdict, trace = result.get("verdict"), result.get("trace")
    return isinstance(verdict, str) and verdict in RANK and verdict != ABSENT and (trace is None or type(trace) is list)


def _are_counts(counts: Any) -> bool:
    return isinstance(counts, dict) and all(type(n) is int and abs(n) < LARGEST for n in counts.values())


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any], threshold: float | None = None, partial: bool = False
) -> list[Change]:
    """All differences, verdicts first, in the order of the new report; what only the old one has comes last.

    A count that changed by at most `threshold` percent is left out, and one that rose by more is worse; without a
    threshold all are told and none is judged.  Counts are compared if both reports have some.  A `partial` new report
    lacks cells of the old one on purpose.
    """
    verdicts = _between(_verdicts(old), _verdicts(new), partial)
    found = [Change(where, _shown(before), _shown(after), _trend(before, after)) for where, before, after in verdicts]
    if not old["costs"] or not new["costs"]:
        return found
    return found + [
        Change(where, str(before), str(after), "" if threshold is None else _rise(before, after))
        for where, before, after in _between(_costs(old), _costs(new), partial)
        if threshold is None or not _within(before, after, threshold)
    ]


def worse(found: Iterable[Change]) -> list[Change]:
    """The changes for the worse."""
    return [change for change in found if change.trend == "worse"]


def _between(old: Mapping[str, Any], new: Mapping[str, Any], partial: bool) -> Iterator[tuple[str, Any, Any]]:
    for where in new if partial else dict.fromkeys([*new, *old]):
        before, after = old.get(where, ABSENT), new.get(where, ABSENT)
        if before != after:
            yield where, before, after


def _verdicts(report: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """The verdict of each row and scenario, with the length of its trace."""
    return {
        f"{result['architecture']} {result['scenario']}": (result["verdict"], len(result.get("trace") or ()))
        for result in report["results"]
    }


def _shown(verdict: tuple[str, int] | str) -> str:
    if isinstance(verdict, str):
        return verdict
    return f"{verdict[0]}({verdict[1]})" if verdict[1] else verdict[0]


def _trend(before: tuple[str, int] | str, after: tuple[str, int] | str) -> str:
    old, new = (RANK[verdict if isinstance(verdict, str) else verdict[0]] for verdict in (before, after))
    return "worse" if new > old else "better" if new < old else ""


def _costs(report: Mapping[str, Any]) -> dict[str, int]:
    return {
        f"{cost['architecture']} {cost['workload']} {count}": number
        for cost in report["costs"]
        for count, number in cost["counts"].items()
    }


def _within(before: int | str, after: int | str, threshold: float) -> bool:
    """Does a count differ by at most `threshold` percent?"""
    if isinstance(before, str) or isinstance(after, str):
        return False
    return abs(after - before) * 100 <= threshold * before


def _rise(before: int | str, after: int | str) -> str:
    if isinstance(before, str) or isinstance(after, str):
        return ""
    return "worse" if after > before else "better"
