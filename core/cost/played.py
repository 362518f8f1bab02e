"""Turns as a machine, and its counts: CPUs that come and go, with the architecture's own switches and handlers.

The same `Stage` is counted by one schedule (`play`) and can be explored: its programs are those of core/mm, and while
one CPU has its turn the others do nothing but take interrupts.  So the counts do not depend on the schedule, which
tests/cost/test_turns.py proves with the explorer.
"""

from __future__ import annotations

from collections.abc import Coroutine, Hashable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from core.cost.counts import Counts
from core.cost.flush_calls import FlushCalls, telling
from core.cost.turns import SWITCHES, USING, Turn, Turns, of_kthread, program
from core.machine.ipi import CSD, csd_cell
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome, Tid, doing
from core.machine.rcu import sync_cell, take_sync_ipi
from core.machine.runs import one_by_one
from core.machine.schedule import run
from core.machine.task import Task
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.kthread import MM_USERS, active_mm_cell, current_mm_cell
from core.mm.mm import Mm
from core.mm.page import mapcount_cell
from core.mm.pgtable import upper_entry
from core.mm.stand_in import counted_texts
from core.plugins.arch import Arch
from core.plugins.own_words import own_words


class MappedPages(Mapping[int, tuple[int, ...]]):
    """`Mm.mappings`: page n, and its copy n + `pages`, are mapped at address n."""

    def __init__(self, pages: int) -> None:
        self.pages = pages

    def __getitem__(self, page: int) -> tuple[int, ...]:
        return (page % self.pages,)

    def __iter__(self) -> Iterator[int]:
        return iter(range(2 * self.pages))

    def __len__(self) -> int:
        return 2 * self.pages


class Stage:
    """The machine of a step: memory as it is before the first turn, the mm, and what the hardware does by itself.

    `tlbs`: CPUs cache translations; counting needs none.  A CPU has a thread of the process and a kernel thread.  Where
    an architecture has one CPU, or lets an mm run on one only, all threads of the process are on CPU 0.
    """

    def __init__(self, arch: Arch, era: Era, step: Turns, tlbs: bool = False) -> None:
        self.arch, self.step, facts = arch, step, arch.facts
        self.cpus = sorted({self.cpu(turn) for turn in step.turns})
        pages, online = step.pages, frozenset(self.cpus)
        self.mm = Mm(
            facts,
            replace(era, reclaims_tables=False),
            arch.hook,
            Task("nobody", Tid(0), Cpu(0)),
            addrs=tuple(range(pages)) if tlbs else (),
            is_anon=lambda page: step.kind != "file",
            lazyfree=frozenset(range(pages) if step.kind == "lazyfree" else ()),
            mappings=MappedPages(pages),
            copies={page: (page + pages) % (2 * pages) for page in range(2 * pages)},
            folio=lambda page: (page - page % step.folio, step.folio),
            cpus=None,
            online=online,
            nohz_full=frozenset(self.cpu(turn) for turn in step.turns if turn.does == "isolate"),
            readers=online if facts.rcu_table_free and facts.smp else frozenset(),
            tables=True,
            spares_tables=True,
            reclaims=True,
        )
        self.mm = replace(self.mm, functions=counted_texts(arch.plugin, self.mm))
        self.memory = Memory(self._cells())

    def cpu(self, turn: Turn) -> Cpu:
        """The CPU on which it happens."""
        facts = self.arch.facts
        return Cpu(0 if not facts.smp or (facts.one_cpu and not of_kthread(turn)) else turn.cpu)

    def task(self, turn: Turn) -> Task:
        """The task that does it."""
        tid = Tid(2 * turn.cpu + (2 if of_kthread(turn) else 1))
        return Task(f"{'kthread' if of_kthread(turn) else 'user'}{turn.cpu}", tid, self.cpu(turn))

    @cached_property
    def tasks(self) -> dict[Tid, Task]:
        """All tasks by their numbers."""
        return {task.tid: task for task in map(self.task, self.step.turns)}

    @cached_property
    def views(self) -> dict[Tid, Mm]:
        """The mm as each task sees it: one object each, because an Mm is compared by identity."""
        return {tid: self.mm.on(task) for tid, task in self.tasks.items()}

    @cached_property
    def turns(self) -> list[Turn]:
        """The turns that happen.

        Where threads share a CPU, it comes to the mm with the first of them and leaves with the last.
        """
        kept, there = [], dict[Cpu, set[int]]()
        for turn in self.step.turns:
            threads = there.setdefault(self.cpu(turn), set())
            others = threads - {turn.cpu}
            if turn.does in SWITCHES:
                (threads.add if SWITCHES[str(turn.does)] in USING else threads.discard)(turn.cpu)
            if turn.does not in SWITCHES or not others:
                kept.append(turn)
        return kept

    def program(self, turn: Turn) -> Coroutine[Op, Any, None]:
        """What the task does in its turn."""
        does = program(turn, self.views[self.task(turn).tid])
        return one_by_one(does) if self.step.folio > 1 else does

    def _cells(self) -> dict[Cell, Hashable]:
        said = self.arch.hook.cells_of_mm(mm=self.mm, cpus=frozenset())
        cells: dict[Cell, Hashable] = dict(own_words("cells_of_mm", said))
        users = {turn.cpu for turn in self.step.turns if not of_kthread(turn)}
        cells[MM_USERS] = len(users)
        for page in range(self.step.pages, 2 * self.step.pages):
            cells[ref_cell(page)] = cells[mapcount_cell(page)] = 0
        for level, span in enumerate(self.mm.span):
            for index in range(-(-self.step.pages // span)):
                cells[upper_entry(level, index)] = index
        for cpu in self.cpus:
            cells[current_mm_cell(cpu)] = cells[active_mm_cell(cpu)] = False
            for tid in self.tasks:
                cells[csd_cell(tid, cpu)], cells[sync_cell(tid, cpu)] = None, False
        return cells

    def handlers(self) -> Iterator[tuple[Cpu, Op]]:
        """Each (CPU, step) by which a CPU takes interrupts, or moves by itself, as the architecture has it."""
        if not self.arch.facts.smp:
            return
        for cpu in self.cpus:
            for tid, task in self.tasks.items():
                if task.cpu != cpu:
                    yield cpu, self.arch.hook.flush_tlb_func(mm=self.mm, sender=tid, cpu=cpu)
                    if self.mm.readers:
                        yield cpu, take_sync_ipi(tid, cpu)
            for step in self.arch.hook.cpu_daemons(mm=self.mm, cpu=cpu):
                yield cpu, step


class Tally:
    """Counts the events of turns; `now` says what each CPU is, and so what was interrupted."""

    def __init__(self, stage: Stage, counts: Counts) -> None:
        self.stage, self.counts = stage, counts
        self.counts.others = len(stage.cpus) - 1
        self.now: dict[Cpu, str] = {}
        self._calls = FlushCalls(counts, stage.mm)

    def emit(self, event: tuple[Any, ...]) -> None:
        """Count one event."""
        if event[0] not in ("ipi", "ipi_sync"):
            self._calls.emit(event)

    def interrupted(self, op: Op) -> None:
        """Count the interrupts that `op` has just sent."""
        if op.event is None or op.event[0] not in ("ipi", "ipi_sync"):
            return
        targets = [cell.index[1] for cell in op.writes if cell.array == CSD and self.stage.memory[cell] is not None]  # type: ignore[index]
        if op.event[0] == "ipi_sync":
            targets = [cell.index[1] for cell in op.writes if cell.array == "sync"]  # type: ignore[index]
            self.counts.sums["sync_ipis"] += len(targets)
        else:
            self.counts.sums["ipis"] += op.event[1]
        for cpu in targets:
            self.counts.sums[f"ipis_{self.now.get(cpu, 'away')}"] += 1


def play(arch: Arch, era: Era, step: Turns, counts: Counts) -> None:
    """Play one round of `step` and count it. ScheduleError if the architecture's code cannot go on."""
    stage = Stage(telling(arch), era, step)
    tally = Tally(stage, counts)
    environment = [op for _, op in stage.handlers()]

    async def watched(op: Op) -> Any:
        value = await op
        tally.interrupted(op)
        return value

    for turn in stage.turns:
        tally.counts.here = stage.cpu(turn)
        run(doing(stage.program(turn), watched), stage.memory, _first, tally.emit, environment)
        if turn.does in SWITCHES:
            tally.now[stage.cpu(turn)] = SWITCHES[str(turn.does)]


def _first(op: Op, outcomes: Any) -> Outcome:
    """What the machine chooses is its first outcome: an allocation succeeds, no second has passed."""
    chosen: Outcome = outcomes[0]
    return chosen
