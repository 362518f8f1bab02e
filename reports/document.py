"""The report of a run: one JSON object, described by reports/schema.json, from which all formats are made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCHEMA = {"name": "shootdown-run", "version": "1.1"}
"""The minor number is raised with a new key: readers of 1.0 read 1.1. docs/versions.md has the promise."""

PICTURES = ("recordings", "museum", "museum_results", "findings", "scenarios")
"""What the HTML page is given beside the report."""

AS_FAILURE = "unfinished_as_failure"
"""What JUnit is told beside the report: is a search that did not finish a failure there, instead of skipped?"""

BESIDE = (*PICTURES, AS_FAILURE)


def to_json(report: Mapping[str, Any]) -> str:
    """The text of a report, ending in a newline; without what is for other formats alone."""
    report = {name: value for name, value in report.items() if name not in BESIDE}
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    text: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    return text
