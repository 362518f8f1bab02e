"""CPUs that come and go: what is counted by one schedule is what the explorer proves of every schedule."""

from __future__ import annotations

import re
from collections.abc import Coroutine
from copy import copy
from pathlib import Path
from typing import Any

import pytest

from arch_plugins.generic import Smp, flush_cpus_by_ipi
from core.compare import main
from core.cost.counts import Counts
from core.cost.flush_calls import telling
from core.cost.played import Stage, play
from core.cost.turn_workloads import (
    TURN_WORKLOADS,
    collapse,
    isolated,
    left_behind,
    migrate,
    pageout,
    reclaim,
    reclaim_file,
    reclaim_lazyfree,
    switching,
)
from core.cost.turns import Turn, Turns, wrong
from core.cost.workload_counts import account
from core.explore import check
from core.explore.model import Daemon, Model, Property, Thread, Verdict
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest, csd_cell, irqs_off_cell
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid, doing
from core.mm.era import ERAS
from core.mm.mm import Mm, mm_cpumask
from core.plugins.arch import Arch, load_object, set_up
from core.table.rows import load

TURN = Cell(declare("test.turn", 0))
TOLD = Cell(declare("test.told", (0, 0, 0, 0, "")))
"""Flushes, IPIs, sync IPIs, how deep in a flush, and its outermost hook."""

PLUGINS = {
    "smp": ("arch_plugins.generic:Smp", "6.12"),
    "x86": ("arch_plugins.x86:X86", "6.12"),
    "x86-6.18": ("arch_plugins.x86_618:X86618", "6.18"),
    "riscv": ("arch_plugins.riscv:Riscv", "6.12"),
    "arm64": ("arch_plugins.arm64:Arm64", "6.12"),
    "s390": ("arch_plugins.s390:S390", "6.12"),
    "mips": ("arch_plugins.mips:Mips", "6.12"),
    "sparc64": ("arch_plugins.sparc64:Sparc64", "6.12"),
}

COMES_AND_GOES = Turns(
    (
        Turn(0, "run"),
        Turn(1, "run"),
        Turn(2, "isolate"),
        Turn(0, "fault", 0, 2),
        Turn(1, "idle"),
        Turn(0, "dontneed", 0, 1),
        Turn(1, "run"),
        Turn(0, "fault", 0, 2),
        Turn(2, "leave"),
        Turn(3, "migrate", 0, 2),
        Turn(0, "mprotect", 0, 2),
        Turn(3, "reclaim", 0, 1),
        Turn(0, "munmap", 0, 2),
    ),
    pages=2,
)


def arch_of(name: str) -> Arch:
    plugin, _ = PLUGINS[name]
    return set_up(name, load_object(plugin), plugin)


def counted(plugin: object, step: Turns, era: str = "6.12") -> dict[str, int]:
    counts = Counts()
    play(set_up("mine", plugin, "test"), ERAS[era], step, counts)
    return counts.result()


# ---- the second way --------------------------------------------------------------------------------------------


def told(event: tuple[Any, ...], now: Any) -> Any:
    """What an event adds to TOLD."""
    flushes, ipis, syncs, deep, outermost = now
    if event[0] == "flush_call":
        flushes += deep == 0 and event[1] != "tlb_flush"
        return flushes, ipis, syncs, deep + 1, event[1] if deep == 0 else outermost
    if event[0] == "flush_return":
        return flushes, ipis, syncs, deep - 1, outermost
    if event[0] == "flush":
        return flushes + (outermost == "tlb_flush" and event[3][0] != "lazy_noop"), ipis, syncs, deep, outermost
    return flushes, ipis + event[1], syncs, deep, outermost


async def telling_all(program: Coroutine[Op, Any, Any]) -> None:
    """`program`, whose events are summed up in a cell as they happen."""

    async def do(op: Op) -> Any:
        if op.event is None or op.event[0] not in ("flush_call", "flush_return", "flush", "ipi"):
            return await op
        event, step, noted = op.event, op.step, copy(op)
        noted.reads, noted.writes = (*op.reads, TOLD), (*op.writes, TOLD)
        noted.step = lambda *v: [o._replace(written=(*o.written, told(event, v[-1]))) for o in step(*v[:-1])]
        return await noted

    await doing(program, do)


def explored(name: str, step: Turns, flushes: int, ipis: int) -> Verdict:
    """Every interleaving of the turns with what the hardware does; in the end so much has been counted."""
    stage = Stage(telling(arch_of(name)), ERAS[PLUGINS[name][1]], step, tlbs=True)

    def thread(tid: Tid) -> Any:
        async def program() -> None:
            for number, turn in enumerate(stage.turns):
                if stage.task(turn).tid == tid:
                    await Op("my turn", (TURN,), (), lambda now, n=number: [Outcome(None)] if now == n else [])
                    await telling_all(stage.program(turn))
                    await Op("next", (), (TURN,), lambda n=number: [Outcome(None, (n + 1,))])

        return program

    right = Property(
        "counted", "The counts are those of the one schedule.", (TOLD,), lambda t: t[:2] == (flushes, ipis)
    )
    model = Model(
        name,
        tuple(Thread(task.name, task.cpu, tid, thread(tid)) for tid, task in stage.tasks.items()),
        stage.memory,
        tuple(Daemon("interrupt", cpu, op) for cpu, op in stage.handlers()),
        finally_=(right,),
    )
    return check(model)


@pytest.mark.parametrize("name", PLUGINS)
def test_what_is_counted_is_what_every_schedule_does(name: str) -> None:
    counts = Counts()
    play(arch_of(name), ERAS[PLUGINS[name][1]], COMES_AND_GOES, counts)
    verdict = explored(name, COMES_AND_GOES, counts.sums["flushes"], counts.sums["ipis"])
    assert (verdict.violated, verdict.exhaustive, verdict.unreached) == ("", True, ())
    assert explored(name, COMES_AND_GOES, counts.sums["flushes"], counts.sums["ipis"] + 1).violated == "counted"


# ---- what is counted -------------------------------------------------------------------------------------------


class AskedOnce(Smp):
    """A CPU that has served one request is asked no more: its handler says so."""

    DONE = declare("test.done", False)

    def done_cell(self, cpu: Cpu) -> Cell:
        return Cell(self.DONE, cpu)

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        cpus = await mm_cpumask(mm)
        served = {cpu for cpu in cpus if cpu != mm.task.cpu and await self.read(cpu)}
        await flush_cpus_by_ipi(mm, cpus - served, FlushRequest())

    def read(self, cpu: Cpu) -> Op:
        cell = self.done_cell(cpu)
        return Op("done?", (cell,), (), lambda done: [Outcome(done)])

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        csd, off, done = csd_cell(sender, cpu), irqs_off_cell(cpu), self.done_cell(cpu)

        def step(request: object, irqs_off: bool) -> list[Outcome]:
            return [] if request is None or irqs_off else [Outcome(None, (None, True))]

        return Op("serve", (csd, off), (csd, done), step)


def test_the_plugins_own_handler_is_what_is_counted() -> None:
    threads = (Turn(0, "run"), Turn(1, "run"), Turn(2, "run"))
    step = Turns((*threads, Turn(0, "fault", 0, 2), Turn(0, cleans), Turn(0, cleans)), 2)
    assert counted(AskedOnce(), step)["ipis"] == 2
    assert counted(Smp(), step)["ipis"] == 4


async def cleans(mm: Mm) -> None:
    """A program of one's own."""
    await mm.hook.flush_tlb_page(mm=mm, addr=0)


def test_a_cpu_that_is_lazy_or_away_is_what_it_is_when_it_is_interrupted() -> None:
    smp, x86 = (account(arch_of(name), ERAS["6.12"], switching(rounds=4, threads=4)) for name in ("smp", "x86"))
    assert (smp["ipis_running"], smp["ipis_lazy"]) == (6, 6)
    assert (x86["ipis_running"], x86["ipis_lazy"]) == (6, 0)  # a lazy CPU is not interrupted: no table was freed
    assert smp["ipis"] == 12


@pytest.mark.parametrize(("name", "away"), [("smp", 48), ("x86", 0), ("x86-6.18", 0), ("riscv", 48), ("arm64", 0)])
def test_who_has_left_is_interrupted_only_if_the_mask_has_not_been_told(name: str, away: int) -> None:
    counts = account(arch_of(name), ERAS[PLUGINS[name][1]], left_behind())
    assert (counts["ipis_away"], counts["ipis_running"]) == (away, 0)


def test_an_isolated_cpu_is_interrupted_like_any_that_runs_the_process() -> None:
    counts = account(arch_of("x86"), ERAS["6.12"], isolated(rounds=3))
    assert (counts["ipis"], counts["ipis_isolated"], counts["ipis_lazy"]) == (3, 3, 0)


def test_batching_migration_saves_all_flushes_but_one() -> None:
    """Of 512 pages, 99.8 %: the patches measured 99.1 % fewer IPIs (7e12beb8ca2a)."""
    before, after = (account(arch_of("smp"), ERAS[era], migrate()) for era in ("6.2-fix", "6.12"))
    assert (before["flushes"], before["ipis"]) == (512, 4 * 512)
    assert (after["flushes"], after["ipis"]) == (1, 4)


def test_each_dirty_page_is_flushed_before_it_is_written() -> None:
    for load_ in (reclaim(pages=8), pageout(pages=8)):
        assert account(arch_of("smp"), ERAS["6.12"], load_)["flushes"] == 8


def test_reclaim_is_counted_by_the_size_of_folios() -> None:
    small, large = (account(arch_of("smp"), ERAS["6.12"], reclaim(pages=64, folio=n)) for n in (1, 16))
    assert (small["flushes"], large["flushes"]) == (64, 4)  # each folio is flushed before it is written
    for folio in (1, 16):
        assert account(arch_of("smp"), ERAS["7.0"], reclaim_lazyfree(pages=64, folio=folio))["flushes"] == 1


def test_what_was_read_only_is_not_flushed_by_luf_before_it_is_used_again() -> None:
    luf = set_up("luf", load_object("arch_plugins.research.luf:Luf"), "test")
    assert account(arch_of("smp"), ERAS["6.12"], reclaim_file())["ipis"] == 4
    assert account(luf, ERAS["6.12"], reclaim_file())["ipis"] == 0


def test_sync_ipis_are_counted_where_tables_are_freed_by_rcu() -> None:
    counts = {name: account(arch_of(name), ERAS["6.12"], collapse()) for name in ("smp", "x86", "arm64")}
    assert {name: (one["ipis"], one["sync_ipis"]) for name, one in counts.items()} == {
        "smp": (4, 0),
        "x86": (4, 4),
        "arm64": (0, 4),
    }
    assert counts["x86"]["ipis_running"] == 8


def test_instructions_are_counted_where_the_mask_changes_too() -> None:
    counts = account(arch_of("x86"), ERAS["6.12"], switching(rounds=4))
    assert counts["insn:INVLPG"] == counts["flush_insns"] == 16
    arm64 = account(arch_of("arm64"), ERAS["6.12"], reclaim(pages=8))
    assert (arm64["flush_insns"], arm64["full_flushes"]) == (8, 0)  # its batch flush is a barrier


WRONG = {
    "pages: expected a number from 1": Turns((Turn(0, "run"),), 0),
    "folio: expected a number of pages that divides 4": Turns((Turn(0, "run"),), 4, folio=3),
    "kind: expected one of anon, lazyfree, file, got 'hugetlb'": Turns((Turn(0, "run"),), 4, kind="hugetlb"),
    "times: expected": Turns((Turn(0, "run"),), 4, times=0),
    "turns: expected a tuple of Turn": Turns((), 4),
    r"turns\[0\]: there is no word 'fly'": Turns((Turn(0, "fly"),), 4),
    r"turns\[0\]: expected a CPU from 0 to 63": Turns((Turn(64, "run"),), 4),
    r"turns\[0\]: CPU0 is away, and runs no thread": Turns((Turn(0, "munmap", 0, 1),), 4),
    r"turns\[1\]: munmap: expected pages from 0 to 4": Turns((Turn(0, "run"), Turn(0, "munmap", 0, 5)), 4),
    r"turns\[1\]: CPU0 is running: it cannot run": Turns((Turn(0, "run"), Turn(0, "run")), 4),
    r"turns\[0\]: CPU0 is away: it cannot idle": Turns((Turn(0, "idle"),), 4),
}


@pytest.mark.parametrize("problem", WRONG)
def test_wrong_turns_are_told_in_one_line(problem: str) -> None:
    assert re.match(problem, wrong(WRONG[problem]))


def test_turns_in_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = '[[arch]]\nname = "smp"\nplugin = "arch_plugins.generic:Smp"\n'
    turns = 'turns = [[0, "run"], [1, "run"], [0, "fault", 0, 2], [0, "munmap", 0, 2]]'
    mine = f'{row}[[workload]]\nname = "mine"\n'
    (tmp_path / "a.toml").write_text(f"{mine}steps = [{{ pages = 2, times = 5, {turns} }}]\n")
    command = ["workloads", "--config", str(tmp_path / "a.toml"), "--arch", "smp", "--workload", "mine"]
    assert main(command) == 0
    line = capsys.readouterr().out.splitlines()[3]
    assert line.split()[:3] == ["mine", "5", "5"]
    assert "5 running" in line
    (tmp_path / "a.toml").write_text(f"{mine}steps = [{{ pages = 1, {turns} }}]\n")
    assert main(command) == 2
    assert "workload[0].steps[0].turns[2]: fault: expected pages from 0 to 1, got 0 to 2" in capsys.readouterr().err


@pytest.mark.slow
def test_every_row_plays_every_workload() -> None:
    for row in load(Path("arches-all.toml"), None):
        arch = row.arch()
        for build in TURN_WORKLOADS:
            counts = account(arch, row.era, build())
            assert counts["flushes"] + counts["pte_flushes"] > 0, (row.name, build.__name__)
            assert sum(n for name, n in counts.items() if name.startswith("ipis_")) == (
                counts["ipis"] + counts["sync_ipis"]
            ), (row.name, build.__name__)
