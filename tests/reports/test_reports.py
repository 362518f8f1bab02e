"""Reports made of reports: differences, and JUnit XML."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from core.base import files
from core.compare import main
from reports import tables
from reports.document import AS_FAILURE, to_json
from reports.junit import junit


def report(**verdicts: str) -> dict[str, Any]:
    """One architecture with a result per keyword and one count."""
    results = [
        {
            "architecture": "smp",
            "scenario": name,
            "tier": "required",
            "verdict": verdict,
            "reason": "why",
            "sentence": "",
            "bounds": "1000 states",
            "trace": None,
        }
        for name, verdict in verdicts.items()
    ]
    costs = [{"architecture": "smp", "workload": "w", "counts": {"flushes": len(verdicts)}, "price": None}]
    schema = {"name": "shootdown-run", "version": "1.0"}
    return {
        "schema": schema,
        "suite": {"version": "1.0"},
        "architectures": [{"name": "smp"}],
        "results": results,
        "costs": costs,
    }


def written(path: Path, content: object) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def test_equal_reports_do_not_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = written(tmp_path / "one", report(a="pass"))
    assert main(["diff", one, one]) == 0
    assert capsys.readouterr().out == "0 changed\n"


def test_a_changed_a_new_and_a_lost_cell_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failing = report(a="fail", c="pass")
    failing["results"][0]["trace"] = [{}] * 28
    old, new = written(tmp_path / "old", report(a="pass", b="pass", z="pass")), written(tmp_path / "new", failing)
    assert main(["diff", old, new]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "smp a: pass -> fail(28) (worse)",
        "smp c: absent -> pass (better)",
        "smp b: pass -> absent (worse)",
        "smp z: pass -> absent (worse)",
        "smp w flushes: 3 -> 2",
        "5 changed, 3 worse",
    ]


def test_a_failure_that_passes_now_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = written(tmp_path / "old", report(a="fail")), written(tmp_path / "new", report(a="pass"))
    assert main(["diff", old, new]) == 0
    assert capsys.readouterr().out == "smp a: fail -> pass (better)\n1 changed\n"


def test_runs_with_and_without_costs_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = written(tmp_path / "old", report(a="pass")), written(tmp_path / "new", report(a="pass") | {"costs": []})
    assert main(["diff", old, new]) == 0
    assert main(["diff", new, old]) == 0
    assert capsys.readouterr().out == "0 changed\n" * 2


@pytest.mark.parametrize(
    ("flushes", "threshold", "told", "status"),
    [
        (103, [], ["smp w flushes: 100 -> 103"], 0),
        (103, ["--cost-threshold", "5"], [], 0),
        (106, ["--cost-threshold", "5%"], ["smp w flushes: 100 -> 106 (worse)"], 1),
        (90, ["--cost-threshold", "5"], ["smp w flushes: 100 -> 90 (better)"], 0),
    ],
)
def test_a_count_beyond_the_threshold_is_told_and_one_that_rose_is_worse(
    flushes: int, threshold: list[str], told: list[str], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = report(a="pass"), report(a="pass")
    before["costs"][0]["counts"]["flushes"], after["costs"][0]["counts"]["flushes"] = 100, flushes
    old, new = written(tmp_path / "old", before), written(tmp_path / "new", after)
    assert main(["diff", old, new, *threshold]) == status
    assert capsys.readouterr().out.splitlines()[:-1] == told


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected a JSON report of `run`"),
        ("[]", "schema.name: expected 'shootdown-run'"),
        ('{"schema": {"name": "other"}}', "schema.name: expected 'shootdown-run'"),
        ('{"schema": {"name": "shootdown-run"}}', "results: expected a list"),
        ('{"schema": {"name": "shootdown-run"}, "results": [{}], "costs": []}', "expected results and costs as"),
    ],
)
def test_what_is_no_report_is_one_line_and_status_2(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    assert main(["diff", str(path), str(path)]) == 2
    err = capsys.readouterr().err
    assert f"{path}: " in err
    assert message in err
    assert err.count("\n") == 1


def test_junit_counts_what_is_not_as_declared() -> None:
    root = ElementTree.fromstring(junit(report(a="pass", b="fail", c="error", d="xfail", e="unsupported", f="xpass")))
    (suite,) = root
    assert suite.attrib == {"name": "smp", "tests": "6", "failures": "2", "errors": "1", "skipped": "2"}
    assert [[element.tag for element in case] for case in suite.iter("testcase")] == [
        [],
        ["failure"],
        ["error"],
        ["skipped"],
        ["skipped"],
        ["failure"],
    ]


def test_junit_has_sentence_and_trace_of_a_failure_and_skips_what_is_unfinished() -> None:
    told = report(a="fail", b="bounded")
    step = {"cpu": 1, "thread": "unmap", "step": "ptep_get(0)", "changes": []}
    told["results"][0] |= {"sentence": "The data is lost.", "trace": [step]}
    failure, skipped = (case[0] for case in ElementTree.fromstring(junit(told)).iter("testcase"))
    assert failure.text == "The data is lost.\n1 CPU1 unmap: ptep_get(0)"
    assert (skipped.tag, skipped.get("message")) == ("skipped", "bounded: 1000 states")


def test_junit_shows_what_is_unfinished_as_a_failure_on_request() -> None:
    (suite,) = ElementTree.fromstring(junit(report(a="pass", b="bounded") | {AS_FAILURE: True}))
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "0")
    assert suite[-1][0].get("message") == "bounded: 1000 states"
    assert AS_FAILURE not in to_json(report(a="bounded") | {AS_FAILURE: True})


def test_junit_has_the_time_of_each_case_and_the_versions() -> None:
    told = report(a="pass", b="fail")
    told["timing"] = {"seconds": 2.0, "cells": [{"architecture": "smp", "scenario": "a", "seconds": 0.25}]}
    told["architectures"][0] |= {"plugin": "mine.py:Mine", "distribution": "mine 1.0"}
    (suite,) = ElementTree.fromstring(junit(told))
    assert suite.get("time") == "0.250"
    assert [case.get("time") for case in suite.iter("testcase")] == ["0.250", None]
    assert {p.get("name"): p.get("value") for p in suite.iter("property")}["distribution"] == "mine 1.0"


def test_junit_survives_control_characters() -> None:
    broken = report(a="error")
    broken["results"][0]["reason"] = "beep \x07 <&>"
    (case,) = ElementTree.fromstring(junit(broken)).iter("error")
    assert case.get("message") == "error: beep ? <&>"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    files.write_atomically(path, "old")
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, most[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            files.write_atomically(path, "new" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_an_architecture_that_errs_alike_everywhere_is_told_once() -> None:
    names = [f"s{number}" for number in range(9)]
    broken = [{"architecture": "a", "scenario": n, "verdict": "error", "reason": "no such file"} for n in names]
    fails = [{"architecture": "b", "scenario": n, "verdict": "fail", "reason": "use-after-free"} for n in names]
    lines = tables.problems({"results": [*broken, *fails]}).splitlines()
    assert lines[0] == "a s0 and 8 others: error: no such file"
    assert lines[1:] == [f"b {name}: fail: use-after-free" for name in names]
