"""When does a run fail?  The lines that a CI job is told, none if it passes.

A search that did not finish proves nothing, so by default it fails the run as a violation does.  With a baseline only
what has become worse fails it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.difference import Change

KINDS = ("bounded", "unexpected", "regression")
"""What fails a run. bounded: a search that did not finish, and all that is unexpected. unexpected: fail, xpass, error.
regression: what is worse than in the baseline."""

UNEXPECTED = ("fail", "xpass", "error")
"""Verdicts that are not as declared."""


def failing(report: Mapping[str, Any], kind: str, changes: Sequence[Change] = ()) -> list[str]:
    """Why the run fails, a line for each reason, by `kind`; `changes` are those from the baseline."""
    if kind == "regression":
        from reports.difference import worse

        return [str(change) for change in worse(changes)]
    return [_line(result) for result in report["results"] if _fails(result, kind)]


def unfinished(result: Mapping[str, Any]) -> bool:
    """Is it a search that stopped at a limit?  A large run is never anything but bounded, by its layouts."""
    return bool(result["verdict"] == "bounded" and result["tier"] != "large")


def _fails(result: Mapping[str, Any], kind: str) -> bool:
    return result["verdict"] in UNEXPECTED or (kind == "bounded" and unfinished(result))


def _line(result: Mapping[str, Any]) -> str:
    why = result["bounds"] if result["verdict"] == "bounded" else result["reason"]
    return f"{result['architecture']} {result['scenario']}: {result['verdict']}: {why}"
