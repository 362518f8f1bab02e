"""What GitHub is told: workflow commands, one for each reason."""

from __future__ import annotations

from typing import Any

from reports.github import MOST, workflow_commands


def report(*results: dict[str, Any], plugin: str = "mine.py:Mine") -> dict[str, Any]:
    whole = {"architecture": "mine", "tier": "required", "reason": "", "sentence": "", "bounds": "", "trace": None}
    return {"architectures": [{"name": "mine", "plugin": plugin}], "results": [whole | result for result in results]}


def test_cells_with_one_reason_are_one_error_at_the_plugins_file() -> None:
    failed = {"verdict": "fail", "reason": "no-use-after-free", "sentence": "A page, 100% free:\nused."}
    told = workflow_commands(report(failed | {"scenario": "a", "trace": [{}] * 7}, failed | {"scenario": "b"}))
    assert told == (
        "::error file=mine.py,title=shootdown%3A mine a::fail: no-use-after-free: A page, 100%25 free:%0Aused."
        "%0Amine: a, b%0Ashootdown explain mine a   (7 steps)\n"
    )


def test_an_unfinished_search_is_a_warning_and_what_is_as_declared_is_none() -> None:
    told = workflow_commands(
        report(
            {"scenario": "a", "verdict": "bounded", "bounds": "9 states"},
            {"scenario": "b", "verdict": "xfail"},
            {"scenario": "c", "verdict": "bounded", "tier": "large", "bounds": "4 layouts"},
            plugin="mine:Mine",
        )
    )
    assert told == "::warning title=shootdown%3A mine a::bounded: 9 states%0Amine: a\n"


def test_no_more_than_github_shows() -> None:
    wrong = [{"scenario": f"s{n}", "verdict": "error", "reason": f"why {n}"} for n in range(30)]
    assert len(workflow_commands(report(*wrong)).splitlines()) == MOST
