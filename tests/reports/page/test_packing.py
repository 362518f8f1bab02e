"""Models taken apart for the page: equal parts stand once, and nothing is lost."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any

import pytest

from core.conformance import SUITE
from core.table.jobs import VerdictJob
from core.table.recorded_jobs import RecordedJob
from core.table.rows import load
from reports.page.packing import Packing

ROWS = ("smp-6.1", "smp-6.2-fix", "s390")


@pytest.fixture(scope="module")
def models() -> dict[str, str]:
    """A scenario's models by row."""
    rows = [row for row in load(None) if row.name in ROWS]
    return {row.name: RecordedJob(VerdictJob(row, "lost-dirty-dontneed"), whole=True).run().model for row in rows}


def restored(data: dict[str, Any], number: int) -> dict[str, Any]:
    """What `assembled` of stepper.js does."""
    _, numbers = data["cells"][number]
    model: dict[str, Any] = {"rows": {}}
    for name, at in numbers.items():
        part, pool = data["parts"][name][at], data["pools"].get(name)
        if name.startswith("rows."):
            model["rows"][int(name[5:])] = list(rows(part, pool))
        else:
            model[name] = [pool[n] for n in part] if pool is not None else part
    model["rows"] = [model["rows"][agent] for agent in sorted(model["rows"])]
    return model


def rows(columns: list[Any], pool: list[Any]) -> Any:
    *columns, length = columns
    whole = []
    for column in columns:
        sums = accumulate(one or 0 for one in column)
        whole.append([None if one is None else total for one, total in zip(column, sums, strict=True)])
    for local in range(length):
        row = [column[local] for column in whole]
        if not row or row[0] is None:
            yield None
            continue
        reads, relative = pool[row[1]]
        moves = [[values, *([after + local, *rest] for after, *rest in known)] for values, *known in relative]
        yield [row[0], reads, moves, *(one for one in row[2:] if one is not None)]


def test_every_model_comes_back_as_it_was(models: dict[str, str]) -> None:
    assert "lost-dirty-dontneed" in SUITE
    packing = Packing()
    numbers = {name: packing.add("model", text) for name, text in models.items()}
    data = packing.data()
    for name, number in numbers.items():
        assert number is not None
        assert restored(data, number) == json.loads(models[name])


def test_the_same_model_is_one_cell_and_alike_moves_stand_once(models: dict[str, str]) -> None:
    packing = Packing()
    assert packing.add("model", models["smp-6.1"]) == packing.add("model", models["smp-6.1"]) == 0
    alone = len(packing.data()["pools"]["rows.2"])
    assert packing.add("model", models["smp-6.2-fix"]) == 1
    both = len(packing.data()["pools"]["rows.2"])
    assert alone <= both < alone + 5  # writeback is the same thread


@pytest.mark.parametrize("text", ["", "{no json", "3", "[" * 100_000])
def test_what_is_no_object_is_left_out(text: str) -> None:
    packing = Packing()
    assert packing.add("model", text) is None
    assert packing.data()["cells"] == []


@pytest.mark.parametrize("wrong", [3, [3], [[["a", 1, 2]]], [[[0, [0], [[[0], ["x"]]]]]], [{}]])
def test_rows_of_another_shape_do_no_harm(wrong: Any) -> None:
    packing = Packing()
    assert packing.add("model", json.dumps({"rows": wrong})) == 0
    json.dumps(packing.data())
