"""Cells that are known from another row: only where that row answers the same, and with the same result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.conformance import SUITE, judge
from core.conformance.verdict import Result
from core.mm.era import ERAS, Era
from core.plugins.arch import Arch
from core.table import jobs
from core.table.jobs import VerdictJob, kindred
from core.table.row import Row
from core.table.rows import load
from core.table.shared import KnownCells

ROWS = {row.name: row for row in load(None)}
SMP = [row for row in ROWS.values() if row.plugin == "arch_plugins.generic:Smp"]
SCENARIOS = ("lost-dirty-munmap", "batch-limit", "huge-emptied", "delayed-in-last-batch", "switch-tso", "run-values")


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rows of the cells that are searched, in their order; no cell is known at first."""
    names: list[str] = []

    def noted(arch: Arch, *given: object, **more: object) -> Result:
        names.append(arch.name)
        return judge(arch, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "judge", noted)
    monkeypatch.setattr(jobs, "_cells", KnownCells())
    return names


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_cell_that_is_known_is_as_if_it_had_been_searched(scenario: str, searched: list[str]) -> None:
    for row in SMP:
        alone = judge(row.arch(), row.era, SUITE[scenario])
        assert replace(VerdictJob(replace(row, expect={}), scenario).run(), seconds=0) == alone
    assert 1 <= len(searched) < len(SMP)


def test_rows_that_answer_otherwise_are_searched(searched: list[str]) -> None:
    found = {row.name: VerdictJob(row, "lost-dirty-munmap").run() for row in SMP}
    assert {"smp-6.1", "smp-5df397dec7", "smp-6.12"} < set(searched)
    assert not {"smp-6.2-fix", "bundle-8"} & set(searched)
    assert found["smp-6.1"].verdict == "xfail"
    assert found["smp-6.2-fix"].states == found["bundle-32"].states == found["64k-pages"].states


def test_each_size_of_batch_is_searched_where_it_is_what_matters(searched: list[str]) -> None:
    rows = [replace(ROWS["bundle-8"], name=str(n), facts={"bundle": n}) for n in (2, 4, 9)]
    found = [VerdictJob(row, "delay-ends").run() for row in rows]
    assert len({one.states for one in found}) == len(searched)


def test_only_the_last_kind_of_cells_is_kept(searched: list[str]) -> None:
    for scenario in ("freed-once", "use-after-free", "freed-once"):
        VerdictJob(ROWS["up"], scenario).run()
        VerdictJob(replace(ROWS["up"], name="again"), scenario).run()
    assert searched == ["up"] * 3


def test_what_is_asked_of_a_row_as_it_is_changed_later(searched: list[str]) -> None:
    """As --memory changes it, after it was set up."""
    row = ROWS["s390"]
    tso, sc = (VerdictJob(replace(row, facts={"memory_model": kind}), "use-after-free").run() for kind in ("tso", "sc"))
    assert (len(searched), tso.states == sc.states) == (2, False)


def test_facts_that_no_architecture_has_are_an_error(searched: list[str]) -> None:
    found = VerdictJob(replace(ROWS["up"], facts={"bundle": -1}), "freed-once").run()
    assert (found.verdict, searched) == ("error", [])
    assert "facts.bundle: expected a number of at least 0" in found.reason


def test_of_two_plugins_nothing_is_shared(searched: list[str]) -> None:
    for name in ("smp-6.2-fix", "s390", "up", "up-voluntary"):
        VerdictJob(ROWS[name], "freed-once").run()
    assert searched == ["smp-6.2-fix", "s390", "up", "up-voluntary"]


def test_an_error_is_not_shared() -> None:
    calls = []

    def fails(arch: Arch, era: Era) -> Result:
        calls.append(arch.name)
        return Result(arch.name, "x", "required", "error", "raised")

    cells, arch = KnownCells(), ROWS["bundle-8"].arch()
    for name in ("one", "two"):
        assert cells.result("x", replace(arch, name=name), ERAS["6.12"], fails).architecture == name
    assert calls == ["one", "two"]


def test_a_guest_has_no_kin() -> None:
    theirs = Row("own", "own.py:Own", ERAS["6.12"])
    assert VerdictJob(theirs, "freed-once").kin is None
    assert VerdictJob(ROWS["up"], "freed-once").kin == VerdictJob(ROWS["up-preempt"], "freed-once").kin is not None


def test_kin_run_one_after_another() -> None:
    cells = [VerdictJob(ROWS[name], scenario) for name in ("up", "s390", "up-preempt") for scenario in SCENARIOS[:2]]
    order = [(cells[n].row.name, cells[n].scenario) for n in kindred(cells)]
    first, second = SCENARIOS[:2]
    assert order == [
        ("up", first),
        ("up-preempt", first),
        ("up", second),
        ("up-preempt", second),
        ("s390", first),
        ("s390", second),
    ]
