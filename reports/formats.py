"""The formats of a report: the choices of `run --format`, and the files that a run writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from reports import badge, document, junit, overview, tables


class Format(NamedTuple):
    """`write` returns the text of a report; `file` is its name in the directory of reports, '' if it is not written.

    One that is made `on_request` is written only if --format asks for it.
    """

    write: Callable[[Mapping[str, Any]], str]
    file: str = ""
    on_request: bool = False


def _on_request(module: str, function: str) -> Callable[[Mapping[str, Any]], str]:
    """What a function of a module of this room writes; the module is loaded when that is asked for."""

    def write(report: Mapping[str, Any]) -> str:
        text: str = getattr(import_module(f"reports.{module}"), function)(report)
        return text

    return write


FORMATS: dict[str, Format] = {
    "table": Format(overview.text),
    "cells": Format(tables.text),
    "json": Format(document.to_json, "report.json"),
    "markdown": Format(tables.markdown, "report.md"),
    "junit": Format(junit.junit, "report.xml"),
    "jsonl": Format(_on_request("lines", "to_lines"), "report.jsonl", on_request=True),
    "csv": Format(_on_request("separated", "verdicts"), "report.csv", on_request=True),
    "csv-costs": Format(_on_request("separated", "costs"), "costs.csv", on_request=True),
    "html": Format(_on_request("page.page", "write"), "report.html", on_request=True),
    "badge": Format(badge.badge, "badge.json"),
}
"""By their names for --format.  A new format is an entry here."""
