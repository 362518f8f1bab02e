"""Cores that are idle are those that no job of the run is about to need, and each is used by one search."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from core.base.cores import CoresOfRun, IdleCores, cores_of_run


@pytest.fixture
def run() -> Iterator[CoresOfRun]:
    cores = CoresOfRun(5, at_once=2, each=2)
    yield cores
    cores.close()


def idle(cores: IdleCores) -> int:
    taken = cores.take(cores.number)
    for one in taken:
        os.close(one)
    return len(taken)


def test_cores_become_idle_as_fewer_jobs_are_left(run: CoresOfRun) -> None:
    assert idle(run.idle) == 0
    run.begin(4)
    found = [idle(run.idle)]
    for _ in range(4):
        run.done()
        found.append(idle(run.idle))
    assert found == [1, 1, 1, 3, 5]


def test_a_core_is_used_once_and_no_more_are_taken_than_asked_for(run: CoresOfRun) -> None:
    run.begin(1)
    first, second = run.idle.take(2), run.idle.take(2)
    assert (len(first), len(second)) == (2, 1)
    for core in first:
        os.close(core)
    assert len(run.idle.take(0)) == 0
    assert idle(run.idle) == 2
    os.close(second[0])


def test_a_process_that_dies_leaves_its_cores(run: CoresOfRun) -> None:
    run.begin(1)
    taking = (
        "import os, sys; from core.base.cores import IdleCores; "
        "print(len(IdleCores(sys.argv[1], 5).take(5)), flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", taking, run.idle.place], stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.stdout == "3\n"
    assert idle(run.idle) == 3


def test_a_run_without_temporary_files_has_no_idle_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **more: object) -> None:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr("tempfile.mkdtemp", refused)
    assert cores_of_run(4, 2, 1) is None


def test_none_is_idle_once_the_run_has_ended(run: CoresOfRun) -> None:
    run.close()
    assert not os.path.exists(run.idle.place)
    assert run.idle.take(5) == []
