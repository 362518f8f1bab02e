"""Operations of a recorded program, run on the model: their pages laid out, the kernel's programs run over them.

What unmaps goes over run-length page tables like the accountant's, so that a stretch of equal pages is one step; what
changes entries in place (mprotect, a move, a copy on write) meets few pages, which are cells of their own.

Data types
    Flush       one flush that x86 makes
    Runner      runs operations on x86 6.18 and on the rows asked for
"""

from __future__ import annotations

from collections.abc import Callable, Container, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.cost.counts import Counts
from core.cost.layout import KINDS
from core.cost.run_memory import RunMemory
from core.machine.ipi import take_ipi
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.pte import Entry, Present, ProtNone, Pte, pte_cell
from core.machine.schedule import Emit, run
from core.machine.task import Task
from core.mm.era import ERAS, Era
from core.mm.huge_memory import pmd_lock, pmd_unlock, pmdp_huge_clear_flush
from core.mm.kthread import MM_USERS, current_mm_cell
from core.mm.madvise import Range
from core.mm.memory import wp_page_copy, zap_page_range_single
from core.mm.mm import Mm, Vma, log
from core.mm.mprotect import accessible, protnone
from core.mm.page import get_page
from core.mm.pgtable import LEVELS, pmd_populate, upper_entry
from core.mm.syscalls import (
    dup_mmap,
    exit_mmap,
    mmap_over,
    mprotect,
    mremap,
    munmap,
    process_madvise_cold,
    process_madvise_dontneed,
    process_madvise_free,
    setup_arg_pages,
)
from core.plugins.arch import Arch, load_object, set_up
from core.plugins.own_words import own_words
from core.truth.recorded.huge_pages import BLOCK
from core.truth.recorded.page_tables import PageTables, geometry_of
from core.truth.recorded.setup import ALIKE, COPIES, COPIES_HUGE, UNMAPS, Setup, View
from core.truth.recorded.spaces import PROT_EXEC

HERE = Cpu(0)
X86 = "arch_plugins.x86_618:X86618"
CEILING: int = load_object("arch_plugins.x86_618:TLB_SINGLE_PAGE_FLUSH_CEILING")
FLUSH_EVENT = "flush_tlb_mm_range"


@dataclass(frozen=True, slots=True)
class Flush:
    """A flush that x86 makes, as its tracepoints have it: strides done and pages sent, -1 for everything.

    `locked`: under a page-table lock. `freed_tables`: all CPUs of the mask are asked, lazy or not. `extent`: strides
    before the ceiling made it everything.
    """

    strides: int
    pages: int
    locked: bool
    freed_tables: bool
    extent: int


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

        def emit(event: tuple[Any, ...]) -> None:
            nonlocal locked
            locked += {"lock": 1, "unlock": -1}.get(event[0], 0)
            if event[0] == FLUSH_EVENT:
                info = event[1]
                found.append(Flush(info.strides, info.pages, locked > 0, info.freed_tables, info.extent))

        run_on(setup, self.x86, ERAS["6.18"], 0, emit)
        if name in ALIKE:
            self._predicted[name] = tuple(found)
        return tuple(found)

    def count(self, setup: Setup, others: int) -> Mapping[str, Mapping[str, int]]:
        """The counts of each row; `others` CPUs are in mm_cpumask besides this one."""
        return {name: self._count(setup, name, others) for name in self.archs}

    def _count(self, setup: Setup, name: str, others: int) -> Mapping[str, int]:
        arch, era = self.archs[name]
        heard, view = Counts(), setup.view(geometry_of(arch.facts, era))
        key = (setup.operation.name, name, others) if view.vmas else ("", name, 0)
        if key in self._alike:
            return self._alike[key]
        run_on(setup, arch, era, others, heard.emit)
        if setup.operation.name in ALIKE:
            self._alike[key] = heard.result()
        return heard.result()


def run_on(
    setup: Setup,
    arch: Arch,
    era: Era,
    others: int,
    emit: Emit,
    *,
    long_runs: bool = True,
) -> None:
    """Run an operation on one architecture with `others` more CPUs in mm_cpumask.

    `emit` hears every event.  `long_runs` off goes page by page, to compare.
    """
    geometry = geometry_of(arch.facts, era)
    view, tables, exits = setup.view(geometry), setup.tables(geometry), setup.operation.name == "exit"
    if not view.vmas:
        return
    alone = not arch.facts.smp or arch.facts.one_cpu
    cpus = frozenset(Cpu(n) for n in range(1 if alone else 1 + others))
    in_runs = long_runs and setup.operation.name in UNMAPS
    page_kind = _kind_by_address(view) if in_runs else _kind_by_number(view)
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
        run=_run_length(view) if in_runs else lambda addr, max_nr, span: 1,
    )
    huge = view.huge.whole - setup.splits if geometry.huge else frozenset()
    splits = sorted(view.huge.parts) if geometry.huge else []
    cells: _RunCells | _PageCells
    if in_runs:
        cells = _RunCells(view.layout)
        cells.tables, cells.huge = tables, huge
    else:
        cells = _PageCells()
        cells.tables = tables
        cells.lay_out(setup, view, mm.span, huge)
    cells.update({upper_entry(0, block): Pte(block * BLOCK, True, True) for block in splits})
    cells.update(own_words("cells_of_mm", mm.hook.cells_of_mm(mm=mm, cpus=cpus)))
    cells[MM_USERS] = 0 if exits else len(cpus)
    cells[current_mm_cell(HERE)] = not exits
    environment = [take_ipi(Tid(1), cpu, ()) for cpu in sorted(cpus - {HERE})]
    run(_split_first(mm, splits, _program(mm, setup, view)), cells, _first, emit, environment)
    upper = [(cell, value) for cell, value in cells.items() if cell.array in LEVELS]
    setup.written[geometry] = [(cell, value) for cell, value in upper if not isinstance(value, Pte | ProtNone)]


def _program(mm: Mm, setup: Setup, view: View) -> Coroutine[Op, Any, None]:
    """The kernel's text of the operation; munmap() is also what a shrinking brk() or mremap() does."""
    whole, vmas, (floor, ceiling) = Vma(view.start, view.end), view.vmas, view.bounds
    to, ranges = Vma(view.to, view.to + view.end - view.start), [(vma, vma.start, vma.end) for vma in vmas]
    programs: dict[str, Callable[[], Coroutine[Op, Any, None]]] = {
        **dict.fromkeys(COPIES, lambda: _copy_on_write(mm, view.start)),
        "exit": lambda: exit_mmap(mm, vmas),
        "fork": lambda: dup_mmap(mm, [], {}),  # the flush is the same whatever is copied
        "mprotect": lambda: mprotect(mm, vmas, _protect(view, setup.operation.prot)),
        "free": lambda: process_madvise_free(mm, ranges),
        "cold": lambda: process_madvise_cold(mm, ranges),
        "pageout": _nothing,
        "collapse": lambda: _collapse(mm, view, setup.space.huge),
        COPIES_HUGE: lambda: _copy_huge_zero(mm, view.start),
        "remove": lambda: zap_page_range_single(mm, whole, view.start, view.end),
        "guard": lambda: _install_guards(mm, ranges),
        "dontneed": lambda: process_madvise_dontneed(mm, ranges),
        "mmap over": lambda: mmap_over(mm, vmas, whole, floor, ceiling),
        "exec": lambda: setup_arg_pages(mm, whole, to),
        "move": lambda: mremap(mm, whole, to, floor, ceiling),
        "move and keep": lambda: mremap(mm, whole, to, dontunmap=True),
    }
    return programs.get(setup.operation.name, lambda: munmap(mm, vmas, floor, ceiling))()


def _protect(view: View, prot: int) -> Callable[[Present], Entry]:
    """pte_modify(), and can_change_pte_writable()."""

    def change(pte: Present) -> Entry:
        if not prot:
            return protnone(pte)
        return accessible(pte)._replace(write=view.allowed[pte.frame], nx=not prot & PROT_EXEC)

    return change


def _kind_by_address(view: View) -> Callable[[int], str]:
    """Pages of runs are named by their addresses."""
    return lambda addr: view.layout.run_at(addr).kind


def _kind_by_number(view: View) -> Callable[[int], str]:
    """Other pages are named by their numbers; the copy of a page is anonymous."""
    return lambda page: view.kinds[page] if page < len(view.kinds) else "anon_dirty"


def _run_length(view: View) -> Callable[[int, int, int], int]:
    return lambda addr, max_nr, span: min(max_nr, view.layout.run_at(addr).end - addr) if span == 1 else 1


class _RunCells(RunMemory):
    """The accountant's cells; which tables stand is `tables`'s to say, but for what the run itself has written, and for
    entries that map `huge` pages."""

    tables: PageTables
    huge: frozenset[int]

    def _upper(self, cell: Cell) -> int | Pte | None:
        if cell.array == LEVELS[0] and cell.index in self.huge and cell not in self:
            return Pte(cell.index * BLOCK, True, True)
        return _table(self, self.tables, cell)


class _PageCells(Memory):
    """Cells page by page; which tables stand is `tables`'s to say, but for what the run itself has written."""

    tables: PageTables

    def __missing__(self, cell: Cell) -> Hashable:
        return _table(self, self.tables, cell) if cell.array in LEVELS else super().__missing__(cell)

    def lay_out(self, setup: Setup, view: View, spans: tuple[int, int, int], huge: frozenset[int]) -> None:
        """Write the entries of the pages that are there, one for each of the `huge` pages. Those of exec and of a copy
        on write are in tables that cover `spans` pages, which nothing recorded has made."""
        for number, page in enumerate(view.pages):
            if page // BLOCK not in huge:
                self[pte_cell(page)] = _entry(view, number)
            elif page % BLOCK == 0:
                self[upper_entry(0, page // BLOCK)] = _entry(view, number)
            if setup.operation.name == "exec":
                for level, span in enumerate(spans):
                    self[upper_entry(level, page // span)] = page // span
        if setup.operation.name in COPIES:
            self[pte_cell(view.start)] = SHARED
            self[upper_entry(0, view.start // spans[0])] = view.start // spans[0]


def _entry(view: View, number: int) -> Entry:
    """An entry as mprotect() finds it; nobody else asks what a mapping allows besides stores."""
    prot = view.prots[number] if view.prots else PROT_EXEC
    write, dirty = view.writable[number], view.kinds[number].endswith("dirty")
    return Pte(number, write, dirty, nx=not prot & PROT_EXEC) if prot else ProtNone(number, write, dirty)


def _table(cells: dict[Cell, Hashable], tables: PageTables, cell: Cell) -> int | None:
    """The number of the table that an upper entry points to: its index."""
    standing = cell.index in tables.entries[LEVELS.index(cell.array)]
    return cells.get(cell, cell.index if standing else None)  # type: ignore[return-value]


SHARED = Pte(0, False, False)
"""The entry of a page that is not this mm's alone."""


async def _copy_on_write(mm: Mm, addr: int) -> None:
    """A store to a present entry that does not allow it, of a page that is not this mm's alone."""
    await get_page(SHARED.frame)
    await wp_page_copy(mm, addr, SHARED)
    await log("clean_flush", addr, addr + 1, ("range", "ptes"))


async def _install_guards(mm: Mm, ranges: Sequence[Range]) -> None:
    """MADV_GUARD_INSTALL zaps what is there, and leaves its table for the guards. madvise_guard_install()."""
    for vma, start, end in ranges:
        await zap_page_range_single(mm, vma, start, end)


async def _nothing() -> None:
    """MADV_PAGEOUT: what reclaim can take, and so what it flushes, is not recorded."""


async def _collapse(mm: Mm, view: View, huge: Container[int]) -> None:
    """MADV_COLLAPSE: what collapse_huge_page() does to the TLBs, for each huge page in the range that has pages.

    Not for what is huge already (SCAN_PMD_MAPPED).
    """
    span = mm.span[0]
    for start in sorted({page // span * span for page in view.pages}):
        if view.start <= start and start + span <= view.end and (span != BLOCK or start // span not in huge):
            await pmd_lock(mm, start)
            await mm.hook.pmdp_collapse_flush(mm=mm, addr=start)
            await log("flush", start, start + span, ("range", "ptes"))
            await pmd_unlock(mm, start)


async def _copy_huge_zero(mm: Mm, addr: int) -> None:
    """do_huge_zero_wp_pmd(): the huge zero page goes, another one comes."""
    await pmd_lock(mm, addr)
    await pmdp_huge_clear_flush(mm, addr)
    await _log_flush(addr)
    await pmd_unlock(mm, addr)


def _log_flush(addr: int) -> Op:
    """For the counts: a flush that no gather has made, of a huge page."""
    return log("flush", addr, addr + BLOCK, ("range", "ptes"))


async def _split_first(mm: Mm, blocks: Sequence[int], program: Coroutine[Op, Any, None]) -> None:
    """What split_huge_anon_pmd() does to the TLBs, for huge pages of which the program is about a part; then that.

    munmap() and mprotect() split them with their VMA (vma_adjust_trans_huge()), a zap as it meets them.
    """
    for block in blocks:
        addr = block * BLOCK
        await pmd_lock(mm, addr)
        await mm.hook.pmdp_invalidate(mm=mm, addr=addr)
        await _log_flush(addr)
        await pmd_populate(mm, addr, block)
        await pmd_unlock(mm, addr)
    await program


def _first(op: Op, outcomes: Sequence[Outcome]) -> Outcome:
    return outcomes[0]
