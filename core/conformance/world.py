"""A small machine around one address space: which task runs where, what is mapped, and what the hardware does by
itself.

A scenario describes the tasks; the world places them according to the architecture's facts:

    SMP        every task has a CPU of its own
    UP         all tasks share CPU 0 under the scheduler, with the preemption model of the facts
    one_cpu    the tasks of the mm share CPU 0 under the scheduler; kernel threads have CPUs of their own

mm_cpumask has the CPUs of the mm's tasks.  Kernel threads run on borrowed page tables and touch no user page, so their
CPUs are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from core.base.asked import changed
from core.conformance.memory_model import memory_model
from core.conformance.names import told_apart
from core.conformance.properties import SENTENCES, balanced
from core.explore.model import Daemon, Model, Property, Thread
from core.facts import Facts
from core.machine.early_ack import HANDLER, handler_cell, interrupted, outside_handlers
from core.machine.ipi import csd_cell
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome, Tid, doing
from core.machine.order import Order
from core.machine.pte import ProtNone, Pte, pte_cell
from core.machine.runs import one_by_one
from core.machine.sched import scheduled
from core.machine.task import Task
from core.machine.tlb import Entry, tlb_cell, user_load, user_store
from core.mm.era import Era
from core.mm.kthread import active_mm_cell, current_mm_cell, on_mm_cell
from core.mm.memory import handle_write_fault
from core.mm.mm import CPUMASK, Choices, Mm, Vma, pmd_ptl_cell, ptl_cell
from core.mm.sched import switch_in
from core.mm.stand_in import other_texts
from core.mm.swap import Table, table_cell
from core.mm.two_mms import second_cell, second_mm, second_op
from core.plugins.arch import Arch
from core.plugins.own_words import own_words

Program = Callable[[Mm], Coroutine[Op, Any, Any]]


@dataclass
class World:
    """A model under construction.

    mapped      the initial entry of each virtual page; None where something will be mapped later
    anon        the anonymous pages; all others are pages of a shared file
    geometry    facts that are replaced to keep the model small (batch sizes, capabilities), by name
    more        further fields of `Mm`, by name
    reclaims_tables  MADV_DONTNEED frees the page tables that it empties (CONFIG_PT_RECLAIM), whatever the era
    buffers     the memory model under which a row runs that is sequentially consistent otherwise: the scenario is about
                stores that wait
    attached    the CPUs that are on the mm at the start, in a model in which CPUs come and go: mm_cpumask is a cell,
                and the architecture's switch_mm() changes it.  None: it has the CPUs of all tasks, and does not change
    second      the pages of a second mm, on which no CPU is at the start (core.mm.two_mms); `attached` is set
    """

    arch: Arch
    era: Era
    mapped: Mapping[int, Pte | ProtNone | None]
    anon: frozenset[int] = frozenset()
    choices: Choices = Choices()
    memcgs: bool = False
    geometry: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    reclaims_tables: bool = False
    buffers: str = "sc"
    attached: frozenset[Cpu] | None = None
    second: Mapping[int, Pte] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.memory = Memory()
        self.facts = changed(self.arch.facts, **self.geometry)
        self.era = changed(self.era, reclaims_tables=self.reclaims_tables)
        self._tasks: list[tuple[Task, Program, bool]] = []
        for addr, pte in (*self.mapped.items(), *self.second.items()):
            self.memory[pte_cell(addr)] = pte

    @property
    def memory_model(self) -> str:
        """That of the architecture, or `buffers`; one CPU sees its own stores in order."""
        if not self.facts.smp:
            return "sc"
        return self.buffers if self.facts.memory_model == "sc" else self.facts.memory_model

    @property
    def vma(self) -> Vma:
        """A VMA that covers everything that is mapped."""
        return Vma(min(self.mapped), max(self.mapped) + 1)

    def task(self, name: str, program: Program) -> Task:
        """Add a task of the address space."""
        return self._add(name, program, user=True)

    def kthread(self, name: str, program: Program) -> Task:
        """Add a kernel thread. A CPU of its own has no page tables of the mm loaded, unless a cell says otherwise."""
        task = self._add(name, program, user=False)
        if task.cpu not in self.cpus():
            for cell in (current_mm_cell(task.cpu), active_mm_cell(task.cpu)):
                self.memory.setdefault(cell, False)
                if self.second:
                    self.memory.setdefault(second_cell(cell), False)
        return task

    def on_mm(self, cpu: Cpu, lazy: bool = False) -> None:
        """`cpu` is on the page tables of the mm at the start, where mm_cpumask is a cell; `lazy`: it has borrowed them.

        The architecture says what its own words hold there (`ArchSpec.cells_on_mm`).  PluginError if it says no such
        thing.
        """
        self.memory[on_mm_cell(cpu)] = True
        self.memory.update(own_words("cells_on_mm", self.arch.hook.cells_on_mm(mm=self.mm(), cpu=cpu, lazy=lazy)))

    def of_mm(self, *cpus: Cpu) -> None:
        """The mm begins with `cpus` on it: the architecture says what its words of the mm hold (`cells_of_mm`)."""
        self.memory.update(own_words("cells_of_mm", self.arch.hook.cells_of_mm(mm=self.mm(), cpus=frozenset(cpus))))

    def attach(self, *cpus: Cpu) -> None:
        """mm_cpumask is a cell, and `cpus` are on the mm at the start; whether the others join is up to switch_mm()."""
        self.memory[CPUMASK] = frozenset(cpus)
        self.of_mm(*cpus)
        if self.second:
            words = self.arch.hook.cells_of_mm(mm=second_mm(self.mm()), cpus=frozenset())
            self.memory.update({second_cell(cell): value for cell, value in own_words("cells_of_mm", words).items()})
        for cpu in cpus:
            self.on_mm(cpu)

    def _add(self, name: str, program: Program, user: bool) -> Task:
        number = len(self._tasks)
        shares = not self.facts.smp or (self.facts.one_cpu and user)
        task = Task(name, Tid(number + 1), Cpu(0 if shares else number))
        self._tasks.append((task, program, user))
        return task

    def cpus(self) -> list[Cpu]:
        """The CPUs of the mm's tasks."""
        return sorted({task.cpu for task, _, user in self._tasks if user})

    def machine(self) -> list[Cpu]:
        """Every CPU, with those of kernel threads."""
        return sorted({task.cpu for task, _, _ in self._tasks})

    def model(
        self,
        name: str,
        *,
        always: Sequence[Property] = (),
        finally_: Sequence[Property] = (),
        sometimes: Sequence[Property] = (),
        equal: Sequence[str] = (),
        sentences: Mapping[str, str] | None = None,
    ) -> Model:
        """The finished model. The tasks named `equal` are claimed to be interchangeable.

        `sentences` explain, by name, properties that a step of the scenario's own violates (`Outcome.violated`), beside
        those of core.conformance.properties.
        """
        mm = self.mm()
        if self.attached is None:
            self.of_mm(*self.cpus())
        else:
            self.attach(*self.attached)
        daemons = tuple(self._interrupts(mm)) if self.facts.smp else ()
        halts = frozenset(one.cpu for one in daemons if any(cell.array == HANDLER for cell in one.op.writes))
        threads = tuple(self._thread(mm, *entry, halts) for entry in self._tasks)
        always, finally_, sometimes = told_apart(always, (*finally_, self._balanced(mm)), sometimes)
        return Model(
            name,
            threads,
            self.memory,
            daemons,
            always,
            finally_,
            sometimes,
            {**SENTENCES, **sentences} if sentences else SENTENCES,
            (tuple(equal),) if equal else (),
            memory_model(self.memory_model),
        )

    def _balanced(self, mm: Mm) -> Property:
        locks = {lock(mm, addr) for addr in self.mapped for lock in (ptl_cell, pmd_ptl_cell)}
        return balanced(sorted(locks, key=str), [task.tid for task, _, _ in self._tasks if self.choices.alloc_fails])

    def mm(self) -> Mm:
        """The address space, as of no task yet (`Mm.on`)."""
        mappings: dict[int, list[int]] = {}
        for addr, pte in sorted(self.mapped.items()):
            if pte is not None:
                mappings.setdefault(pte.frame, []).append(addr)
        mm = Mm(
            self.facts,
            self.era,
            self.arch.hook,
            Task("nobody", Tid(0), Cpu(0)),
            addrs=tuple(sorted(self.mapped)),
            is_anon=self.anon.__contains__,
            mappings=mappings,
            cpus=None if self.attached is not None else frozenset(self.cpus()),
            online=frozenset(self.cpus() if self.attached is None else self.machine()),
            machine=frozenset(self.machine()),
            memcgs=self.memcgs,
            choices=self.choices,
            early_broadcasts=self.memory_model != "sc",
            second=tuple(sorted(self.second)),
        )
        mm = replace(mm, **self.more)
        return replace(mm, functions=other_texts(self.arch.plugin, mm))

    def _thread(self, nobody: Mm, task: Task, program: Program, user: bool, halts: frozenset[Cpu]) -> Thread:
        """The thread of a task; on a CPU that `halts` it stands still between the steps of a handler."""
        mm = nobody.on(task)
        if "folio" in self.more:
            program = _one_by_one(program)
        shares = not self.facts.smp or (self.facts.one_cpu and user)
        if not shares and "cpu_daemons" in self.arch.own:
            return Thread(task.name, task.cpu, task.tid, lambda: outside_handlers(program(mm), task.cpu))
        if not shares and task.cpu in halts:
            return Thread(task.name, task.cpu, task.tid, lambda: interrupted(program(mm), task.cpu))
        if not shares:
            return Thread(task.name, task.cpu, task.tid, lambda: program(mm))
        switch = (lambda: switch_in(mm)) if self.facts.one_cpu else None
        preemption = self.facts.preemption
        return Thread(task.name, task.cpu, task.tid, lambda: scheduled(program(mm), task, preemption, switch))

    def _interrupts(self, mm: Mm) -> list[Daemon]:
        daemons = []
        for sender, _, _ in self._tasks:
            for cpu in self.machine():
                if cpu != sender.cpu:
                    if mm.second:
                        daemons.append(self._interrupt_of_second(mm, sender, cpu))
                    daemons.append(self.interrupt(mm, sender, cpu))
        both = replace(mm, addrs=(*mm.addrs, *mm.second)) if mm.second else mm
        for cpu in self.machine():
            daemons += [Daemon(f"CPU{cpu} by itself", cpu, op) for op in mm.hook.cpu_daemons(mm=both, cpu=cpu)]
        return daemons

    def interrupt(self, mm: Mm, sender: Task, cpu: Cpu) -> Daemon:
        """The daemon by which `cpu` serves the IPIs of `sender`, as the architecture does."""
        self.memory[csd_cell(sender.tid, cpu)] = None
        serve = mm.hook.flush_tlb_func(mm=mm, sender=sender.tid, cpu=cpu)
        return Daemon(f"IPI from {sender.name}", cpu, serve)

    def _interrupt_of_second(self, mm: Mm, sender: Task, cpu: Cpu) -> Daemon:
        """The same for requests about the second mm."""
        self.memory[second_cell(csd_cell(sender.tid, cpu))] = None
        serve = mm.hook.flush_tlb_func(mm=second_mm(mm), sender=sender.tid, cpu=cpu)
        return Daemon(f"IPI from {sender.name}, mm2", cpu, second_op(serve))


def _one_by_one(program: Program) -> Program:
    """A program in whose model there are large folios: its runs of entries are accessed entry by entry."""
    return lambda mm: one_by_one(program(mm))


async def store(mm: Mm, vma: Vma, addr: int, frames: Sequence[int]) -> bool:
    """One store of user code, with as many page faults as it takes. False if the access is not allowed (SIGSEGV)."""
    while await user_store(mm.task.cpu, addr, frames, mm.facts.hw_dirty) == "fault":
        if not await handle_write_fault(mm, vma, addr):
            return False
    return True


async def load(mm: Mm, addr: int, frames: Sequence[int]) -> bool:
    """One load of user code; False if nothing is mapped (no scenario has read faults)."""
    return bool(await user_load(mm.task.cpu, addr, frames, mm.facts.hw_dirty) == "ok")


def pick(number: int) -> Op:
    """A choice of 0 to `number` - 1 by user code; the number of states grows only in proportion to `number`."""
    return Op(f"pick one of {number}", (), (), lambda: [Outcome(n) for n in range(number)], order=Order.PRIVATE)


def raw_stores(addr: int, frames: Sequence[int], times: int = 2) -> Program:
    """User code that stores `times` times, and ends at a page fault."""

    async def program(mm: Mm) -> None:
        for _ in range(times):
            if await user_store(mm.task.cpu, addr, frames, mm.facts.hw_dirty) == "fault":
                return

    return program


def returned(mm: Mm, addr: int, huge: Cell | None = None) -> Op:
    """A step at the return of a system call that violates stale-after-return if a CPU has a stale translation of
    `addr`.

    A translation that allows more than the page table does is stale too.
    """
    return no_stale(mm, addr, "return to user mode", "stale-after-return", huge)


async def relying(program: Coroutine[Op, Any, Any], mm: Mm, addr: int) -> Any:
    """Run `program`; whenever it finds `addr` not present under the page-table lock, no CPU may have it cached.

    For operations that guarantee nothing about their range when they return, but rely on what the entries say.
    """

    def look(op: Op, value: Any) -> Op | None:
        if op.reads == (pte_cell(addr),) and not op.writes and not isinstance(value, Pte):
            return no_stale(mm, addr, "rely on the empty entry", "empty-but-cached")
        return None

    return await looking(program, look)


async def clears_plainly(mm: Mm, op: Op) -> Any:
    """Await `op`.  If it empties an entry and does nothing else, it promises no more order than a plain store does,
    unless the architecture empties entries by a fully ordered exchange.

    For `core.machine.op.doing`.  An operation that flushes as it clears (s390's IPTE) keeps its order.
    """
    if len(op.writes) == 1 and op.writes[0].array == "pte" and "ordered_clear" not in mm.facts.capabilities:
        op = copy(op)
        op.order = Order.PLAIN
    return await op


async def in_its_table(program: Coroutine[Op, Any, Any], mm: Mm, addr: int, tables: Sequence[int]) -> Any:
    """Run `program`; whenever it reads or writes the entry of `addr`, the table whose lock it holds must be one still.

    It is the program that looks, which sees its own stores: a lock that it has released is not held by it.

    `tables` are the numbers of all that may ever map `addr`.
    """
    locks = tuple(ptl_cell(mm, table * mm.span[0]) for table in tables)
    there = tuple(table_cell(Table("pte", table)) for table in tables)

    def step(*state: Any) -> list[Outcome]:
        owners, exist = state[: len(tables)], state[len(tables) :]
        freed = any(owner == mm.task.tid and not table for owner, table in zip(owners, exist, strict=True))
        return [Outcome(None, (), "entry-in-freed-table" if freed else "")]

    def look(op: Op, value: Any) -> Op | None:
        return (
            Op("is the table one?", (*locks, *there), (), step, order=Order.PLAIN)
            if pte_cell(addr) in (*op.reads, *op.writes)
            else None
        )

    return await looking(program, look)


async def looking(program: Coroutine[Op, Any, Any], look: Callable[[Op, Any], Op | None]) -> Any:
    """Run `program`; after each operation await what `look` returns for it and for the value that it returned."""

    async def do(op: Op) -> Any:
        value = await op
        if then := look(op, value):
            await then
        return value

    return await doing(program, do)


def no_stale(mm: Mm, addr: int, name: str, violated: str, huge: Cell | None = None) -> Op:
    """A step that violates `violated` if a CPU can do more at `addr` than the page table allows, and has no other
    effect.

    `huge` is the cell of the upper-level entry that maps `addr` instead of a PTE.
    """
    cpus = sorted(mm.cpus or ())
    cells = tuple(tlb_cell(cpu, addr) for cpu in cpus)
    handlers = tuple(handler_cell(cpu) for cpu in cpus) if _answers_early(mm.facts) else ()

    def stale(pte: object, entry: Entry | None) -> bool:
        if entry is None:
            return False
        return not isinstance(pte, Pte) or pte.frame != entry.frame or (entry.write and not pte.write)

    def step(pte: object, *state: Any) -> list[Outcome]:
        entries, inside = state[: len(cpus)], state[len(cpus) :]
        usable = [e for e, request in zip_longest(entries, inside) if request is None or not request.covers(addr)]
        return [Outcome(None, (), violated if any(stale(pte, e) for e in usable) else "")]

    return Op(name, (huge or pte_cell(addr), *cells, *handlers), (), step, order=Order.PLAIN)


def _answers_early(facts: Facts) -> bool:
    """Do CPUs answer interrupts before they serve them (core.machine.early_ack)?"""
    return "early_ack" in facts.capabilities
