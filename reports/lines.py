"""The report as JSON Lines, for readers that take one thing at a time: reports/lines.schema.json.

The first line is a header with schema and settings; then each line is an architecture, a result or a cost; the last
one says how many there were, so that a file that was cut off is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SCHEMA = {"name": "shootdown-run-lines", "version": "1.0"}

KINDS = {"architecture": "architectures", "result": "results", "cost": "costs"}
"""The key of a line, and the list of the report that it is from."""


class CutOff(ValueError):
    """The text is no whole report; the message says what is missing or wrong, and at which line."""


def to_lines(report: Mapping[str, Any]) -> str:
    """The text of a report, a line for each part."""
    lines: list[Any] = [{"schema": SCHEMA, "run": report["schema"], "suite": report["suite"]}]
    lines += [{kind: one} for kind, many in KINDS.items() for one in report[many]]
    lines += [{"timing": report["timing"]}] if "timing" in report else []
    lines.append({"end": {many: len(report[many]) for many in KINDS.values()}})
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def from_lines(text: str) -> dict[str, Any]:
    """The report that `to_lines` has written as `text`. CutOff if it is none, or not all of it."""
    lines = text.split("\n")
    header = _object(lines[0], 1)
    schema = header.get("schema")
    if not isinstance(schema, dict) or schema.get("name") != SCHEMA["name"]:
        raise CutOff(f"line 1: expected the header of {SCHEMA['name']}")
    report: dict[str, Any] = {"schema": header.get("run"), "suite": header.get("suite")}
    report |= {many: [] for many in KINDS.values()}
    for number, line in enumerate(lines[1:], 2):
        said = _object(line, number) if line else {}
        if "timing" in said:
            report["timing"] = said["timing"]
            continue
        if "end" in said:
            counted = {many: len(report[many]) for many in KINDS.values()}
            if said["end"] != counted:
                raise CutOff(f"line {number}: it says that there are {said['end']}, and there are {counted}")
            return report
        kind = next((kind for kind in KINDS if kind in said), None)
        if kind is None:
            raise CutOff(f"line {number}: expected {', '.join(KINDS)} or end" if line else "cut off: there is no end")
        report[KINDS[kind]].append(said[kind])
    raise CutOff("cut off: there is no end")


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CutOff(f"line {number}: not JSON, or cut off: {error}") from None
    if not isinstance(said, dict):
        raise CutOff(f"line {number}: expected an object")
    return said
