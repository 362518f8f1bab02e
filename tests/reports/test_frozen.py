"""Reports of each version of the schema, kept as they were written: later versions read them, and take nothing away.

`frozen/run-VERSION.json` is `run --arch smp-6.1 --arch s390 --scenario lost-dirty-dontneed --scenario batch-limit
--max-states 2000 --format json` as it was.  A new key is a new minor version, with a file of its own here; no file is
ever changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from core.compare import main
from reports.difference import changes, read
from reports.document import SCHEMA, schema

FROZEN = sorted((Path(__file__).parent / "frozen").glob("run-*.json*"))
RUN = ["--arch", "smp-6.1", "--arch", "s390", "--scenario", "lost-dirty-dontneed", "--scenario", "batch-limit"]


def paths(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every key of a report, by its way from the top, and the kind of its value."""
    kinds = {bool: "bool", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    yield at, kinds.get(type(value), "null")
    if isinstance(value, dict):
        for key, one in value.items():
            yield from paths(one, f"{at}.{'*' if at.endswith(('.counts', '.facts')) else key}")
    if isinstance(value, list):
        for one in value:
            yield from paths(one, f"{at}[]")


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("run")
    main([*RUN, "--max-states", "3000", "--output", str(directory)])
    return read(directory / "report.json")


def test_there_is_a_frozen_report_of_this_version() -> None:
    assert f"run-{SCHEMA['version']}.json" in [file.name for file in FROZEN]


@pytest.mark.parametrize("file", FROZEN, ids=lambda file: file.name)
def test_what_was_written_is_still_read_and_still_what_the_schema_says(file: Path, today: dict[str, Any]) -> None:
    report = read(file)
    jsonschema.validate(report, schema())
    assert changes(report, report) == []
    assert {"smp-6.1 lost-dirty-dontneed", "s390 batch-limit"} <= {
        f"{r['architecture']} {r['scenario']}" for r in report["results"]
    }


@pytest.mark.parametrize("file", FROZEN, ids=lambda file: file.name)
def test_no_key_is_taken_away_and_none_changes_its_kind(file: Path, today: dict[str, Any]) -> None:
    assert set(paths(read(file))) - set(paths(today)) == set()


def test_a_new_key_is_a_new_version(today: dict[str, Any]) -> None:
    (file,) = (file for file in FROZEN if file.name == f"run-{SCHEMA['version']}.json")
    assert set(paths(today)) - set(paths(json.loads(file.read_text()))) == set()
