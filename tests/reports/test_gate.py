"""What fails a run: by default all that is not proved or declared; with a baseline only what has become worse."""

from __future__ import annotations

from typing import Any

import pytest

from reports.difference import RANK, changes
from reports.gate import KINDS, failing


def report(*verdicts: str, tier: str = "required") -> dict[str, Any]:
    results = [
        {
            "architecture": "a",
            "scenario": f"s{n}",
            "tier": tier,
            "verdict": verdict,
            "reason": "why",
            "bounds": "9 states",
        }
        for n, verdict in enumerate(verdicts)
    ]
    return {"results": results, "costs": []}


@pytest.mark.parametrize("verdict", ["pass", "xfail", "unsupported"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_proved_declared_or_not_asked_fails_nothing(verdict: str, kind: str) -> None:
    assert failing(report(verdict), kind) == []


@pytest.mark.parametrize("verdict", ["fail", "xpass", "error"])
def test_the_unexpected_fails_a_run_even_where_bounds_do_not(verdict: str) -> None:
    for kind in ("bounded", "unexpected"):
        assert failing(report("pass", verdict), kind) == [f"a s1: {verdict}: why"]


def test_an_unfinished_search_is_no_pass_unless_it_is_said() -> None:
    assert failing(report("bounded"), "bounded") == ["a s0: bounded: 9 states"]
    assert failing(report("bounded"), "unexpected") == []


def test_a_large_run_is_always_bounded_and_fails_nothing() -> None:
    assert failing(report("bounded", tier="large"), "bounded") == []


@pytest.mark.parametrize("before", RANK)
@pytest.mark.parametrize("after", RANK)
def test_a_regression_is_a_verdict_that_is_worse(before: str, after: str) -> None:
    old, new = (report() if verdict == "absent" else report(verdict) for verdict in (before, after))
    lines = failing(new, "regression", changes(old, new))
    assert bool(lines) == (RANK[after] > RANK[before])


def test_what_a_partial_run_leaves_out_is_no_regression() -> None:
    old, new = report("pass", "pass"), report("pass")
    assert failing(new, "regression", changes(old, new)) == ["a s1: pass -> absent (worse)"]
    assert failing(new, "regression", changes(old, new, partial=True)) == []
