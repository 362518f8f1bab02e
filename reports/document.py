"""The report of a run: one JSON object, described by reports/schema.json, from which all formats are made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

SCHEMA = {"name": "shootdown-run", "version": "1.0"}

PICTURES = ("recordings", "museum", "museum_results", "findings", "scenarios")
"""What the HTML page is given beside the report."""


def to_json(report: Mapping[str, Any]) -> str:
    """The text of a report, ending in a newline; without what is for pictures alone."""
    report = {name: value for name, value in report.items() if name not in PICTURES}
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    text: dict[str, Any] = json.loads(files("reports").joinpath("schema.json").read_text(encoding="utf-8"))
    return text
