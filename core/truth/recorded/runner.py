"""An operation of a recorded program, run on the model: its pages laid out, the kernel's programs run over them.

What unmaps goes over run-length page tables like the accountant's, so that a stretch of equal pages is one step; what
changes entries in place (mprotect, a move, a copy on write) meets few pages, which are cells of their own.

Data types
    Operation   what a program asks of the kernel: a system call, a fault, fork or exit, and the pages it is about
    Flush       one flush that x86 makes
    Setup       an operation with the pages it finds, ready to run on any architecture
    Runner      runs operations on x86 6.18 and on the rows asked for
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.cost.counts import Counts
from core.cost.layout import KINDS, Layout
from core.cost.run_memory import RunMemory
from core.machine.ipi import take_ipi
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.schedule import Emit, run
from core.machine.task import Task
from core.mm.era import ERAS, Era
from core.mm.kthread import MM_USERS, current_mm_cell
from core.mm.memory import upper_entry, wp_page_copy
from core.mm.mm import Mm, Vma, log, pte_lock
from core.mm.mmu_gather import ALL_ONES, MmuGather
from core.mm.mremap import move_normal_pmd, move_ptes
from core.mm.syscalls import Mapping as Range
from core.mm.syscalls import change_protection, dontneed, exit_mmap, madvise_free, munmap
from core.plugins.arch import Arch, load_object, set_up
from core.truth.recorded.spaces import Space

HERE = Cpu(0)
X86 = "arch_plugins.x86_618:X86618"
FREES_TABLES = frozenset({"munmap", "mmap over", "brk", "mremap", "move"})
UNMAPS = (FREES_TABLES | {"dontneed", "exit"}) - {"move"}
ANONYMOUS = ("anon_dirty", "zero")
ALIKE = frozenset({"copy on write", "fork"})
"""What costs the same whatever the pages: done once."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`name` is done to pages `start` to `end`; of a move, `to` is where, of a shrinking brk() or mremap() the tail, of
    mprotect() `prot` what is allowed from then on."""

    name: str
    start: int
    end: int
    to: int = 0
    prot: int = 0


@dataclass(frozen=True, slots=True)
class Flush:
    """A flush that x86 makes: its pages (strides, -1 is everything), under the page-table lock, of freed tables too."""

    strides: int
    locked: bool
    freed_tables: bool


class Runner:
    """Performs operations on x86 6.18 and on each of `archs`."""

    def __init__(self, archs: Mapping[str, tuple[Arch, Era]]) -> None:
        self.archs = archs
        self.x86 = set_up("x86-6.18", load_object(X86), X86)
        self._alike: dict[tuple[str, str, int], Mapping[str, int]] = {}
        self._predicted: dict[str, tuple[Flush, ...]] = {}

    def predict(self, setup: Setup) -> tuple[Flush, ...]:
        """The flushes that x86 6.18 makes."""
        name = setup.operation.name
        if name in self._predicted:
            return self._predicted[name]
        found: list[Flush] = []
        locked = 0

        def watch(event: tuple[Any, ...]) -> None:
            nonlocal locked
            locked += {"lock": 1, "unlock": -1}.get(event[0], 0)
            if event[0] == "flush_tlb_mm_range":
                found.append(Flush(event[1].strides, locked > 0, event[1].freed_tables))

        setup.on(self.x86, ERAS["6.18"], 0, watch)
        if name in ALIKE:
            self._predicted[name] = tuple(found)
        return tuple(found)

    def count(self, setup: Setup, others: int) -> Mapping[str, Mapping[str, int]]:
        """The counts of each row; `others` CPUs are in mm_cpumask besides this one."""
        return {name: self._count(setup, name, others) for name in self.archs}

    def _count(self, setup: Setup, name: str, others: int) -> Mapping[str, int]:
        key = (setup.operation.name, name, others)
        if key in self._alike:
            return self._alike[key]
        heard = Counts()
        arch, era = self.archs[name]
        setup.on(arch, era, others, heard.emit, heard.watch)
        if setup.operation.name in ALIKE:
            self._alike[key] = heard.result()
        return heard.result()


class Setup:
    """An operation with what it finds, ready to be done on any architecture."""

    def __init__(self, operation: Operation, space: Space) -> None:
        self.operation = operation
        name, start, end = operation.name, operation.start, operation.end
        areas = space.areas() if name == "exit" else [(start, end)]
        if name in FREES_TABLES:
            areas = space.areas(start, end) or areas
        self.areas = [Vma(*area) for area in areas]
        self.pages = [] if name in ALIKE else [p for vma in self.areas for p in space.resident(vma.start, vma.end)]
        self.kinds = [space.pages[page].kind for page in self.pages]
        self.writable = [space.writable(page) for page in self.pages]
        changed = self.pages if operation.name == "mprotect" else []
        self.changes = {page: space.after_mprotect(page, operation.prot) for page in changed}
        self.bounds = space.neighbours(operation.start, operation.end) if operation.name in FREES_TABLES else (0, 0)
        self._standing: dict[tuple[int, int, int], dict[Cell, int]] = {}
        self.layout = Layout(_runs(self.pages, self.kinds) if operation.name in UNMAPS else ())

    def on(
        self,
        arch: Arch,
        era: Era,
        others: int,
        emit: Emit,
        watch: Callable[[MmuGather], None] = lambda tlb: None,
        *,
        long_runs: bool = True,
    ) -> None:
        """Do it; `emit` hears every event, `watch` gets the gather. `long_runs` off goes page by page, to compare."""
        alone = not arch.facts.smp or arch.facts.one_cpu
        cpus = frozenset(Cpu(n) for n in range(1 if alone else 1 + others))
        in_runs = long_runs and self.operation.name in UNMAPS
        page_kind = self._kind_at if in_runs else self._kind
        mm = Mm(
            arch.facts,
            era,
            arch.hook,
            Task("replayed", Tid(1), HERE),
            is_anon=lambda page: KINDS[page_kind(page)][1],
            special=lambda page: page_kind(page) == "zero",
            copies={0: 1},
            tables=True,
            cpus=cpus,
            long_runs=in_runs,
            run=self._run if in_runs else lambda addr, max_nr: 1,
        )
        cells = self._cells_of_runs(mm) if in_runs else self._cells(mm)
        cells[Cell("cpu_attach_mask")] = cpus
        cells[MM_USERS] = 0 if self.operation.name == "exit" else len(cpus)
        cells[current_mm_cell(HERE)] = self.operation.name != "exit"
        environment = [take_ipi(Tid(1), cpu, ()) for cpu in sorted(cpus - {HERE})]
        run(self._program(mm, watch), cells, _first, emit, environment)

    async def _program(self, mm: Mm, watch: Callable[[MmuGather], None]) -> None:
        operation = self.operation
        if operation.name == "copy on write":
            await _copy_on_write(mm, operation.start)
        elif operation.name == "exit":
            if self.areas:
                await exit_mmap(mm, Range(self.areas[-1], tuple(self.areas[:-1])), watch)
        elif operation.name == "fork":
            await mm.hook.flush_tlb_mm(mm=mm)
            await log("flush", 0, ALL_ONES, ("mm",))
        elif operation.name == "mprotect":
            await change_protection(mm, Range(self.areas[0]), self._protect)
        elif operation.name == "free":
            await madvise_free(mm, Range(self.areas[0]))
        elif operation.name == "dontneed":
            await dontneed(mm, Range(self.areas[0]), watch)
        else:
            if operation.name == "move":
                await self._move(mm)
            await munmap(mm, Range(self.areas[-1], tuple(self.areas[:-1]), *self.bounds), watch)

    async def _move(self, mm: Mm) -> None:
        """mm/mremap.c:move_page_tables(): table by table, as far as both places go; a whole table at once."""
        operation, span = self.operation, mm.span[0]
        end, offset = operation.start, operation.to - operation.start
        for page in self.pages:
            if page < end:
                continue
            addr = max(operation.start, page - page % span, page - (page + offset) % span)
            end = min(page - page % span, page - (page + offset) % span) + span
            end = min(end if end > page else end + span, operation.end)
            if "move_pmd" in mm.facts.capabilities and end - addr == span:
                await move_normal_pmd(mm, addr, addr + offset)
            else:
                await move_ptes(mm, addr, end, addr + offset)
            await log("clean_flush", addr, end, ("range", "ptes"))

    def _protect(self, addr: int, pte: Pte) -> tuple[Pte, bool]:
        write, flush = self.changes[addr]
        return pte._replace(write=write), flush

    def _kind_at(self, addr: int) -> str:
        """Pages of runs are named by their addresses, others by their numbers."""
        return self.layout.run_at(addr).kind

    def _kind(self, page: int) -> str:
        """The copy of a page is anonymous."""
        return self.kinds[page] if page < len(self.kinds) else "anon_dirty"

    def _run(self, addr: int, max_nr: int) -> int:
        return min(max_nr, self.layout.run_at(addr).end - addr)

    def _cells_of_runs(self, mm: Mm) -> Memory:
        if mm.span not in self._standing:
            self._standing[mm.span] = {
                upper_entry(level, index): index
                for level in range(3)
                for index in {page // mm.span[level] for page in self.pages}
            }
        cells = _Cells(self.layout)
        cells.spans, cells.standing = mm.span, self._standing[mm.span]
        return cells

    def _cells(self, mm: Mm) -> Memory:
        cells, touched = Memory(), set()
        for number, page in enumerate(self.pages):
            cells[pte_cell(page)] = Pte(number, self.writable[number], self.kinds[number].endswith("dirty"))
            touched.add(page // mm.span[0])
        if self.operation.name == "copy on write":
            cells[pte_cell(self.operation.start)] = SHARED
            touched.add(self.operation.start // mm.span[0])
        for level in range(3):
            for number, index in enumerate(sorted(touched)):
                cells[upper_entry(level, index)] = number
            touched = {index // mm.facts.upper_entries for index in touched}
        return cells


class _Cells(RunMemory):
    """The accountant's cells; which tables are `standing` is found once for a geometry, not looked for at each."""

    standing: Mapping[Cell, int]

    def _upper(self, cell: Cell) -> int | None:
        return self.standing.get(cell)


BEYOND = 2**53
"""Pages: nothing is mapped from here on."""

SHARED = Pte(0, False, False)
"""The entry of a page that is not this mm's alone."""


def _runs(pages: Sequence[int], kinds: Sequence[str]) -> list[tuple[str, int]]:
    """Pages in ascending order as runs from page 0, and nothing behind them."""
    runs: list[tuple[str, int]] = []
    at = 0
    for page, kind in zip(pages, kinds, strict=True):
        if page > at:
            runs.append(("none", page - at))
        if page == at and runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1] + 1)
        else:
            runs.append((kind, 1))
        at = page + 1
    return [*runs, ("none", BEYOND - at)]


async def _copy_on_write(mm: Mm, addr: int) -> None:
    """A store to a present entry that does not allow it, of a page that is not this mm's alone."""
    await pte_lock(mm, addr)
    await wp_page_copy(mm, addr, SHARED)
    await log("clean_flush", addr, addr + 1, ("range", "ptes"))


def _first(op: Op, outcomes: Sequence[Outcome]) -> Outcome:
    return outcomes[0]
