"""The large runs, by id: which call, on which layouts, and what must hold behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from core.conformance.large.generate import layouts
from core.conformance.large.layout import KINDS, LargeLayout, LargeVma, PageRun
from core.conformance.large.machine import LargeMachine
from core.conformance.large.run import Call
from core.conformance.scenario import lacking
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import newer_cell, ref_cell
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.mprotect import wrprotect
from core.mm.page import mapcount_cell, pg_dirty_cell
from core.mm.pgtable import upper_entry
from core.mm.reclaim import shrink_folio_list
from core.mm.rmap import folio_remove_rmap_pte
from core.mm.swap import table_cell
from core.mm.syscalls import exit_mmap, madvise_dontneed, mprotect, munmap
from core.plugins.arch import Arch

SEED = 20240229
FEW, MANY = 8, 32
"""Random layouts of each call, and of a thorough one."""

SIZES = (
    *range(1, 10),
    *range(15, 19),
    *range(30, 37),
    *range(63, 67),
    127,
    128,
    129,
    192,
    193,
    255,
    256,
    257,
    511,
    513,
)
"""Numbers of pages that are all tried: where policies of today change their mind."""

MORE_SIZES = (*range(1, 140), *range(189, 196), *range(254, 260), *range(510, 516), 1023, 1024, 1025)
"""The same of a thorough one: a ceiling may be anywhere."""


Layouts = Callable[[int, bool], Iterator[LargeLayout]]
"""By the pages to a table, and whether to be thorough."""


@dataclass(frozen=True, slots=True)
class LargeRun:
    """A scenario of its own kind: `call` is made on each of `layouts`."""

    id: str
    title: str
    origin: str
    call: Call
    layouts: Layouts
    requires: tuple[str, ...] = ()
    tier: str = "large"

    def lacking(self, arch: Arch) -> str:
        """The first capability that `arch` lacks, with what it means, or ''."""
        return lacking(self.requires, arch)


# ---- calls ---------------------------------------------------------------------------------------------------


async def unmap(mm: Mm, machine: LargeMachine) -> None:
    """munmap() of everything, with its page tables."""
    await munmap(mm, machine.mapped.vmas)


async def dontneed(mm: Mm, machine: LargeMachine) -> None:
    """MADV_DONTNEED of each VMA."""
    for vma in machine.mapped.vmas:
        await madvise_dontneed(mm, vma, vma.start, vma.end)


async def teardown(mm: Mm, machine: LargeMachine) -> None:
    """exit_mmap(): the last user is gone, and kernel threads have borrowed the page tables on every CPU."""
    await exit_mmap(mm, machine.mapped.vmas)


async def protect(mm: Mm, machine: LargeMachine) -> None:
    """mprotect(PROT_READ) of all VMAs."""
    await mprotect(mm, machine.mapped.vmas, wrprotect)


async def reclaim(mm: Mm, machine: LargeMachine) -> None:
    """Direct reclaim by a task of the mm: every page of it in one batch."""
    pages = [pte.frame for pte in machine.mapped.ptes.values() if isinstance(pte, Pte)]
    await shrink_folio_list(mm, UnmapBatch(), pages)


async def flush_range(mm: Mm, machine: LargeMachine) -> None:
    """What migration of a range for a device does: the entries of a table go, and one flush_tlb_range() is for all."""
    for vma in machine.mapped.vmas:
        addr = vma.start
        while addr < vma.end:
            end = min(addr - addr % mm.span[0] + mm.span[0], vma.end)
            await _flush_table(mm, addr, end)
            addr = end


async def _flush_table(mm: Mm, start: int, end: int) -> None:
    await pte_lock(mm, start)
    for addr in range(start, end):
        pte: Any = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        await folio_remove_rmap_pte(mm, addr, pte.frame, "early")
    await mm.hook.flush_tlb_range(mm=mm, start=start, end=end, stride=1)
    await pte_unlock(mm, start)


# ---- what must hold behind them ------------------------------------------------------------------------------


def gone(machine: LargeMachine) -> Iterator[tuple[str, str]]:
    """Nothing is mapped, every page has been given back, and that it was dirty has not been lost."""
    for addr, was in machine.mapped.ptes.items():
        if machine.read(pte_cell(addr)) is not None:
            yield "unmapped-at-end", f"page {addr} is mapped"
        if isinstance(was, Pte) and was.frame == addr:
            yield from released(machine, addr)
    for index, huge in machine.mapped.pmds.items():
        if isinstance(machine.read(upper_entry(0, index)), Pte):
            yield "unmapped-at-end", f"the huge page at {huge.frame} is mapped"
        yield from released(machine, huge.frame)


def released(machine: LargeMachine, page: int) -> Iterator[tuple[str, str]]:
    """`page` has been given back and has no mapping, and that it was dirty has not been lost."""
    if machine.read(ref_cell(page)):
        yield "all-freed", f"page {page} has not been given back"
    if machine.read(mapcount_cell(page)):
        yield "mapcount-is-ptes", f"rmap has a mapping of page {page}"
    yield from known(machine, page)


def known(machine: LargeMachine, page: int) -> Iterator[tuple[str, str]]:
    """PG_dirty of the folio says what only an entry said."""
    if machine.read(newer_cell(page)) and not machine.read(pg_dirty_cell(machine.mapped.folio(page)[0])):
        yield "no-lost-dirty", f"page {page} was dirty"


def tables_too(machine: LargeMachine) -> Iterator[tuple[str, str]]:
    """As `gone`; and every table that nothing points to any more has been given back."""
    yield from gone(machine)
    for table in sorted(machine.tables):
        level = ("pte", "pmd", "pud").index(table.level)
        if machine.read(upper_entry(level, table.index)) is None and machine.read(table_cell(table)):
            yield "all-freed", f"{table.level} table {table.index} has not been given back"


def protected(machine: LargeMachine) -> Iterator[tuple[str, str]]:
    """Nothing can be written to, and what was dirty is."""
    for addr, was in machine.mapped.ptes.items():
        now = machine.read(pte_cell(addr))
        if isinstance(was, Pte) and (not isinstance(now, Pte) or now.write or now.dirty < was.dirty):
            yield "unmapped-at-end", f"page {addr} is {now}"


def reclaimed(machine: LargeMachine) -> Iterator[tuple[str, str]]:
    """Every page has been given back and written, and anonymous ones say where they are."""
    for addr, was in machine.mapped.ptes.items():
        if isinstance(was, Pte):
            if machine.read(ref_cell(addr)):
                yield "all-freed", f"page {addr} has not been given back"
            if machine.read(mapcount_cell(addr)):
                yield "mapcount-is-ptes", f"rmap has a mapping of page {addr}"


def unhooked(machine: LargeMachine) -> Iterator[tuple[str, str]]:
    """Nothing is mapped."""
    for addr in machine.mapped.ptes:
        if machine.read(pte_cell(addr)) is not None:
            yield "unmapped-at-end", f"page {addr} is mapped"


# ---- layouts -------------------------------------------------------------------------------------------------


def _sizes(starts: tuple[int, ...], thorough: bool) -> Iterator[LargeLayout]:
    """One VMA of each size, on two CPUs; and few pages on many CPUs, of which masks may have lost some."""
    for number in MORE_SIZES if thorough else SIZES:
        yield LargeLayout((LargeVma(starts[number % len(starts)], (PageRun("anon", number),)),), 2, number % 2)
    for cpus in (3, 5, 9, 33, 65, 129):
        yield LargeLayout((LargeVma(0, (PageRun("anon", 2),)),), cpus, cpus // 2)


EVERY_KIND = LargeLayout((LargeVma(1, tuple(PageRun(kind, 2 - KINDS[kind].huge) for kind in KINDS)),))
"""One VMA with something of each kind."""

REFUSED = tuple(LargeLayout((LargeVma(0, (PageRun("anon", pages),)),), 2, 0, frozenset({1})) for pages in (9, 600))
"""The first batch cannot be allocated."""


def anything(seed: int) -> Layouts:
    """A little of everything, then random layouts."""

    def made(span: int, thorough: bool) -> Iterator[LargeLayout]:
        yield from (EVERY_KIND, *REFUSED)
        yield from layouts(SEED + seed, MANY if thorough else FEW, span)

    return made


def small(seed: int) -> Layouts:
    """Random layouts of small pages without holes, for calls that take them one by one."""
    kinds = ("anon", "file", "file-dirty", "file-writable")
    return lambda span, thorough: layouts(SEED + seed, MANY if thorough else FEW, span, False, kinds, 300)


def sized(random: Layouts) -> Layouts:
    """One VMA of each size, and then `random`."""

    def made(span: int, thorough: bool) -> Iterator[LargeLayout]:
        yield from _sizes((0, 1, span - 3, 5), thorough)
        yield from random(span, thorough)

    return made


def sparse(random: Layouts) -> Layouts:
    """Before `random`, two pages at the ends of ranges so long that only range instructions go through them."""

    def made(span: int, thorough: bool) -> Iterator[LargeLayout]:
        for long in (4 * span, 1 << 21):
            for pages in (long - 1, long, long + 1):
                yield LargeLayout((LargeVma(0, (PageRun("anon", 1), PageRun("empty", pages - 2), PageRun("anon", 1))),))
        yield from random(span, thorough)

    return made


LARGE = {
    run.id: run
    for run in (
        LargeRun(
            "large-munmap",
            "munmap of any layout: no page and no table goes back before every CPU has forgotten it",
            "include/asm-generic/tlb.h",
            Call(unmap, tables_too, zaps=True),
            sized(sparse(anything(0))),
            ("flush_before_free",),
        ),
        LargeRun(
            "large-dontneed",
            "the same of MADV_DONTNEED, which keeps the tables",
            "mm/madvise.c:madvise_dontneed_single_vma",
            Call(dontneed, gone, zaps=True),
            anything(1),
            ("flush_before_free",),
        ),
        LargeRun(
            "large-exit",
            "the last user exits: nothing is lost, and no table goes back that hardware still walks on borrowed tables",
            "mm/mmap.c:exit_mmap",
            Call(teardown, tables_too, exits=True),
            anything(2),
        ),
        LargeRun(
            "large-protect",
            "mprotect of any range: no CPU can write when it returns",
            "mm/mprotect.c:change_protection",
            Call(protect, protected),
            small(3),
        ),
        LargeRun(
            "large-reclaim",
            "reclaim of hundreds of pages in one batch: none is freed while a CPU can still use it",
            "mm/vmscan.c:shrink_folio_list",
            Call(reclaim, reclaimed, refs=2, more=(("reclaims", True),)),
            small(4),
            ("flush_before_free",),
        ),
        LargeRun(
            "large-range",
            "flush_tlb_range() of any range leaves out none of its pages",
            "Documentation/core-api/cachetlb.rst",
            Call(flush_range, unhooked),
            sized(small(5)),
            ("flush_before_free",),
        ),
    )
}
