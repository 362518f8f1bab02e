"""Jobs: the same answers wherever they run, and nothing but its own job for what goes wrong in one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.base.cores import CoresOfRun, IdleCores
from core.cost.workloads import STANDARD
from core.explore import Limits
from core.run.pool import executor, per_child, run
from core.table.count_jobs import CountJob
from core.table.jobs import VerdictJob
from core.table.rows import plugin_row
from tests.run.jobs import Trouble


@dataclass(frozen=True)
class Looking:
    """A job that says how many cores are idle while it runs."""

    idle: IdleCores
    guest: str = ""

    def run(self) -> str:
        return str(len(self.idle.take(self.idle.number)))  # its process leaves them when it ends

    def failed(self, reason: str) -> str:
        return reason


@dataclass(frozen=True)
class Kindred:
    """A job with kin; it answers with the process that it ran in."""

    kin: str | None
    guest: str = ""

    def run(self) -> int:
        return os.getpid()

    def failed(self, reason: str) -> int:
        return 0


@pytest.mark.parametrize(
    ("kin", "batches"),
    [
        ("aabbb", "aa bbb"),
        ("aabbcccd", "aabb cccd"),
        ("aaaaaab", "aaaa aab"),
        ("------", "---- --"),
        ("-aaa-bbb", "-aaa -bbb"),
        ("abc", "abc"),
    ],
)
def test_kin_share_a_process_where_they_fit(kin: str, batches: str) -> None:
    jobs = [Kindred(None if one == "-" else one) for one in kin]
    with ThreadPoolExecutor(1) as pool:
        processes = list(run(jobs, pool, together=4))
    groups = ["".join(one for one, process in zip(kin, processes, strict=True) if process == p) for p in processes]
    assert list(dict.fromkeys(groups)) == list(dict.fromkeys(batches.split()))
    assert len(set(processes)) == len(batches.split())


def test_few_jobs_are_spread_and_many_share_processes() -> None:
    assert [per_child(jobs, 2) for jobs in (10, 600, 1000, 3000)] == [16, 18, 31, 48]
    assert per_child(3000, 64) == 16


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("hang", "timed out after 3 s"),
        ("die", "its process died with exit status -9"),
        ("eat", "ran out of memory"),
        ("raise", "raised ValueError: no"),
        ("none", "fine"),
    ],
)
def test_trouble_costs_its_own_job(kind: str, answer: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(run([Trouble("none"), Trouble(kind), Trouble("none")], pool, timeout=3))
    assert answers[0] == answers[2] == "fine"
    assert answers[1].startswith(answer)


def test_cores_become_idle_as_jobs_end() -> None:
    cores = CoresOfRun(3, at_once=3, each=1)
    with executor("", 1) as one:
        assert list(run([Looking(cores.idle)] * 3, one, together=1, cores=cores)) == ["0", "1", "2"]
    assert len(cores.idle.take(3)) == 3
    cores.close()


def test_a_plugin_that_hangs_is_counted_no_longer_than_told(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(
        "from arch_plugins.generic import Smp\n"
        "from core.hookspecs import hookimpl\n"
        "class Hangs(Smp):\n"
        "    @hookimpl\n"
        "    async def tlb_flush(self, tlb):\n"
        "        while True: pass\n"
    )
    row = plugin_row(f"{tmp_path}/hangs.py:Hangs")
    assert CountJob(row, tuple(STANDARD.values()), timeout=0.2).run().problem == "timed out after 0.2 s"
    result = VerdictJob(row, "use-after-free", Limits(timeout=0.1)).run()
    assert (result.verdict, "runs on without awaiting an operation" in result.reason) == ("error", True)
