"""The formats of a report: the choices of `run --format`, and the files that a run writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from reports import badge, document, junit, lines, overview, separated, tables
from reports.page import page


class Format(NamedTuple):
    """`write` returns the text of a report; `file` is its name in the directory of reports, '' if it is not written.

    One that is made `on_request` is written only if --format asks for it.
    """

    write: Callable[[Mapping[str, Any]], str]
    file: str = ""
    on_request: bool = False


FORMATS: dict[str, Format] = {
    "table": Format(overview.text),
    "cells": Format(tables.text),
    "json": Format(document.to_json, "report.json"),
    "markdown": Format(tables.markdown, "report.md"),
    "junit": Format(junit.junit, "report.xml"),
    "jsonl": Format(lines.to_lines, "report.jsonl", on_request=True),
    "csv": Format(separated.verdicts, "report.csv", on_request=True),
    "csv-costs": Format(separated.costs, "costs.csv", on_request=True),
    "html": Format(page.write, "report.html", on_request=True),
    "badge": Format(badge.badge, "badge.json"),
}
"""By their names for --format.  A new format is an entry here."""
