"""What GitHub shows beside a pull request: workflow commands (::error ...) for what is not as declared or unfinished.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.gate import UNEXPECTED, unfinished
from reports.overview import Failure, by_reason
from reports.tables import interrupted

MOST = 10
"""Annotations of one kind that GitHub shows of a step."""

IN_A_MESSAGE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
IN_A_PROPERTY = {**IN_A_MESSAGE, ":": "%3A", ",": "%2C"}


def workflow_commands(report: Mapping[str, Any]) -> str:
    """An error for each reason why cells are not as declared, a warning for each bound that searches stopped at.

    They point at the file of a plugin that is named by its file.
    """
    wrong = [r for r in report["results"] if r["verdict"] in UNEXPECTED and not interrupted(r)]
    stopped = [{**r, "reason": r["bounds"]} for r in report["results"] if unfinished(r)]
    files = {arch["name"]: _file(arch["plugin"]) for arch in report["architectures"]}
    return "".join(
        _command(kind, failure, files[failure.row])
        for kind, results in (("error", wrong), ("warning", stopped))
        for failure in by_reason(results)[:MOST]
    )


def _command(kind: str, failure: Failure, file: str) -> str:
    cells = [f"{', '.join(rows)}: {', '.join(scenarios)}" for scenarios, rows in failure.rows.items()]
    shown = f"shootdown explain {failure.row} {failure.scenario}"
    trace = [f"{shown}   ({failure.steps} steps)"] if failure.steps else []
    place = f"file={_escaped(file, IN_A_PROPERTY)}," if file else ""
    title = _escaped(f"shootdown: {failure.row} {failure.scenario}", IN_A_PROPERTY)
    message = _escaped("\n".join([failure.reason, *cells, *trace]), IN_A_MESSAGE)
    return f"::{kind} {place}title={title}::{message}\n"


def _file(plugin: str) -> str:
    """The file of a plugin; '' if it is named in another way."""
    path = plugin.rpartition(":")[0]
    return path if path.endswith(".py") else ""


def _escaped(text: str, letters: Mapping[str, str]) -> str:
    return "".join(letters.get(letter, letter) for letter in text)
