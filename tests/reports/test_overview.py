"""The default view: what it says first, what it folds, and that no line is wider than the terminal."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reports.overview import text
from reports.tables import SIGNS

SUITE = {"version": "1.0", "python": "3.11.7", "searcher": "auto", "memory_model": "sc", "bounds": "none", "seed": 1}
AREAS = ("dirty", "gather", "prot", "evict", "move", "exit", "switch", "tables", "huge")


def result(
    arch: str, scenario: str, verdict: str, area: str = "dirty", reason: str = "", steps: int = 0
) -> dict[str, Any]:
    return {
        "architecture": arch,
        "scenario": scenario,
        "area": area,
        "tier": "required",
        "verdict": verdict,
        "reason": reason,
        "violated": "no-lost-dirty" if steps else "",
        "sentence": "The data is lost." if steps else "",
        "exhaustive": verdict == "pass",
        "states": 7,
        "trace": [{}] * steps or None,
    }


def report(results: list[dict[str, Any]], prices: dict[str, int] | None = None) -> dict[str, Any]:
    names = dict.fromkeys(r["architecture"] for r in results)
    costs = [
        {"architecture": name, "workload": "w", "counts": {}, "price": {"low": us * 1000, "high": 9000, "unpriced": []}}
        for name, us in (prices or {}).items()
    ]
    return {"suite": SUITE, "architectures": [{"name": n} for n in names], "results": results, "costs": costs}


def test_failures_with_one_declared_reason_are_told_once_with_the_shortest_trace() -> None:
    shown = text(
        report(
            [
                result("a", "one", "xfail", reason="the rmap goes first", steps=30),
                result("a", "two", "xfail", reason="the rmap goes first", steps=28),
                result("b", "one", "xfail", reason="the rmap goes first", steps=31),
                result("b", "two", "xfail", reason="the rmap goes first", steps=29),
                result("c", "one", "pass"),
                result("c", "two", "pass"),
            ]
        ),
        80,
    )
    assert shown.startswith("3 architectures, 2 scenarios: 2 proved, 4 fail, all as declared.\nNothing unexpected")
    assert shown.count("the rmap goes first") == 1
    assert "    a, b: one, two\n    > explain a two   (28 steps)\n" in shown


def test_what_is_not_as_declared_comes_first_with_its_sentence() -> None:
    shown = text(
        report(
            [
                result("a", "one", "xfail", reason="declared", steps=30),
                result("a", "two", "pass"),
                result("b", "one", "fail", reason="no-lost-dirty", steps=12),
                result("b", "two", "error", reason="raised ValueError"),
            ]
        ),
        80,
    )
    assert "2 not as declared" in shown.splitlines()[1]
    assert shown.index("fail: no-lost-dirty: The data is lost.") < shown.index("error: raised ValueError")
    assert shown.index("error: raised ValueError") < shown.index("  declared\n")


def test_a_bounded_verdict_is_never_called_proved() -> None:
    shown = text(report([result("a", "one", "bounded"), result("a", "two", "pass")]), 80)
    assert "1 proved, 1 bounded." in shown
    assert "what is bounded is not proved" in shown
    assert "nothing unfinished" not in shown


def test_rows_with_the_same_verdicts_are_one_row_of_areas() -> None:
    many = [result(arch, f"s{n}", "pass", AREAS[n % 9]) for arch in ("a", "b", "c") for n in range(13)]
    many[0]["verdict"] = "fail"
    lines = text(report(many), 80).splitlines()
    head = next(n for n, line in enumerate(lines) if line.split()[:2] == ["dirty", "gather"])
    assert lines[head + 1].split() == ["a", "1F", *["ok"] * 8, "12", "0"]
    assert lines[head + 2].split() == ["b", *["ok"] * 9, "13", "0"]
    assert lines[head + 3] == "  the same: c"


def test_a_row_that_fails_has_no_price_and_equal_prices_share_a_line() -> None:
    shown = text(
        report(
            [result("bad", "one", "fail", steps=3), *(result(n, "one", "pass") for n in ("a", "b", "c"))],
            {"bad": 1, "a": 5, "b": 5, "c": 6},
        ),
        80,
    )
    prices = shown[shown.index("Price in microseconds") :].splitlines()
    assert [line.split() for line in prices[2:5]] == [
        ["a", "5", "to", "9"],
        ["the", "same:", "b"],
        ["c", "6", "to", "9"],
    ]
    assert "no price, because they fail: bad" in shown


words = st.text(st.sampled_from("abc -"), min_size=1, max_size=30).map(str.strip).filter(bool)


@given(
    st.lists(words, min_size=1, max_size=6, unique=True),
    st.lists(st.tuples(words, st.sampled_from(AREAS), words), min_size=1, max_size=15, unique_by=lambda cell: cell[0]),
    st.data(),
    st.integers(60, 200),
)
def test_no_line_is_wider_than_the_terminal(
    rows: list[str], scenarios: list[tuple[str, str, str]], data: st.DataObject, width: int
) -> None:
    verdict = st.sampled_from(sorted(SIGNS))
    results = [result(row[:20], name, data.draw(verdict), area, why) for row in rows for name, area, why in scenarios]
    shown = text(report(results, {row[:20]: 3 for row in rows}), width)
    assert max(map(len, shown.splitlines())) <= width
