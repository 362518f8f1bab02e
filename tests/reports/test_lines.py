"""The report as JSON Lines and as comma-separated values: nothing is lost, and what is cut off is noticed."""

from __future__ import annotations

import csv
import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from core.compare import main
from reports.difference import ReportError, read
from reports.lines import CutOff, from_lines, to_lines
from reports.separated import costs, verdicts


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("run")
    rows = ["--arch", "smp-6.1", "--arch", "smp-6.2-fix", "--scenario", "lost-dirty-munmap"]
    assert main(["run", *rows, "--output", str(directory)]) == 0
    whole: dict[str, Any] = json.loads((directory / "report.json").read_text())
    return whole


def test_a_report_comes_back_from_its_lines(report: dict[str, Any]) -> None:
    text = to_lines(report)
    assert from_lines(text) == report
    schema = json.loads(files("reports").joinpath("lines.schema.json").read_text())
    for line in text.splitlines():
        jsonschema.validate(json.loads(line), schema)


def test_lines_that_are_cut_off_are_noticed_wherever(report: dict[str, Any], tmp_path: Path) -> None:
    text = to_lines(report)
    file = tmp_path / "cut.jsonl"
    for at in (100, len(text) // 2, len(text) - 3):
        file.write_text(text[:at])
        with pytest.raises(ReportError, match=r"cut\.jsonl: expected a JSON report"):
            read(file)
    lines = text.splitlines(keepends=True)
    with pytest.raises(CutOff, match="cut off: there is no end"):
        from_lines("".join(lines[:-1]))
    with pytest.raises(CutOff, match="it says that there are"):
        from_lines("".join(lines[:3] + lines[4:]))


def test_either_form_can_be_the_baseline(report: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "report.jsonl"
    file.write_text(to_lines(report))
    assert read(file) == report


def test_a_report_of_another_version_is_refused(report: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report | {"schema": {"name": "shootdown-run", "version": "2.0"}}))
    with pytest.raises(ReportError, match=r"schema\.version: expected 1\.1, got '2\.0'"):
        read(file)


def test_a_table_has_a_line_per_cell_and_no_formula(report: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(verdicts(report))))
    assert [(row["architecture"], row["verdict"], row["steps"]) for row in rows] == [
        ("smp-6.1", "xfail", "33"),
        ("smp-6.2-fix", "pass", "0"),
    ]
    priced = list(csv.DictReader(io.StringIO(costs(report))))
    assert len(priced) == len(report["costs"])
    assert int(priced[0]["flushes"]) == report["costs"][0]["counts"]["flushes"]
    report = report | {"results": [report["results"][0] | {"architecture": "=cmd()"}]}
    assert verdicts(report).splitlines()[1].startswith("'=cmd(),")
