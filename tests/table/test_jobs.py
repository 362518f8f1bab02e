"""How often a job's architecture is set up."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from core.mm.era import ERAS
from core.plugins.arch import Arch
from core.run.child import answer
from core.table import row as rows
from core.table.jobs import VerdictJob
from core.table.row import Row

SCENARIOS = ("lost-dirty-munmap", "freed-once", "batch-limit")


def set_ups(row: Row, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a batch of jobs of `row`, sent to a child process, sets up its architecture."""
    calls: list[str] = []
    arch = Row.arch

    def counted(self: Row) -> Arch:
        calls.append(self.name)
        return arch(self)

    monkeypatch.setattr(Row, "arch", counted)
    batch: tuple[VerdictJob, ...] = pickle.loads(pickle.dumps(tuple(VerdictJob(row, name) for name in SCENARIOS)))
    assert [answer(job).verdict for job in batch] == ["pass"] * len(SCENARIOS)
    return len(calls)


def test_a_shipped_row_is_set_up_once_for_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_shipped", {})
    row = Row("smp", "arch_plugins.generic:Smp", ERAS["6.2-fix"])
    assert set_ups(row, monkeypatch) == 1
    assert set_ups(replace(row, name="another", facts={"bundle": 2}), monkeypatch) == 0


def test_a_third_party_s_plugin_is_set_up_for_each_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("from arch_plugins.generic import Smp\n\n\nclass Own(Smp):\n    pass\n")
    theirs = Row("own", f"{tmp_path / 'own.py'}:Own", ERAS["6.2-fix"])
    assert set_ups(theirs, monkeypatch) == len(SCENARIOS)


def test_the_number_of_workers_is_not_in_the_name_of_a_kept_result() -> None:
    row = Row("smp", "arch_plugins.generic:Smp", ERAS["6.2-fix"])
    one, two = (VerdictJob(row, "use-after-free", workers=workers) for workers in (1, 2))
    assert repr(one) == repr(two)
    assert pickle.loads(pickle.dumps(two)).workers == 2
