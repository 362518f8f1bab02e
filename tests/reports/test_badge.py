"""A badge is green only if everything that applies is proved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reports.badge import badge


def report(*verdicts: str, tier: str = "required") -> dict[str, Any]:
    return {"suite": {"version": "1.0"}, "results": [{"verdict": verdict, "tier": tier} for verdict in verdicts]}


@pytest.mark.parametrize(
    ("verdicts", "message", "colour"),
    [
        (("pass", "pass", "unsupported"), "2 proved", "brightgreen"),
        (("pass", "fail", "error"), "1 proved, 2 not as declared", "red"),
        (("pass", "xfail"), "1 proved, 1 fail as declared", "yellow"),
        (("pass", "bounded"), "1 proved, 1 unfinished", "yellow"),
        (("unsupported",), "0 proved", "yellow"),
    ],
)
def test_what_stands_against_it_is_said(verdicts: tuple[str, ...], message: str, colour: str) -> None:
    shown = json.loads(badge(report(*verdicts)))
    expected = {"schemaVersion": 1, "label": "shootdown 1.0", "message": message, "color": colour}
    assert shown == expected


def test_a_large_run_is_not_unfinished() -> None:
    assert json.loads(badge({**report("pass"), "results": [{"verdict": "bounded", "tier": "large"}]}))["message"] == (
        "0 proved"
    )
