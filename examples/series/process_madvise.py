"""process_madvise() under one gather (2025): MADV_DONTNEED of many ranges, one flush at the end.

The series changes no hook: it is a scenario, with two ranges of two VMAs, and two workloads for the numbers.

The discussion: ranges lie apart, and a gather has one range from the first page to the last.  So pages that lie far
apart are more than the ceiling, and x86 flushes everything once instead of each page.  An architecture that does not
merge VMAs (arm64) flushes in tlb_end_vma(), for each range, and saves nothing.  ONE_GATHER against EACH_RANGE has the
numbers.  And what a gather that is kept over several VMAs must not be: one of the whole mm (FULLMM, the oom reaper's
old mistake, 687cb0884a71), which arm64 takes for the end of the mm and does not flush; or finished when the caller has
been told (LATE).

    S=examples/series/process_madvise.py
    python -m core.compare run --scenario $S:MADVISE --arch smp-6.12 --no-costs
    python -m core.compare explain arm64 $S:FULLMM --config arches-all.toml
    python -m core.compare workloads --arch x86 --arch arm64 --config arches-all.toml \
        --workload $S:ONE_GATHER --workload $S:EACH_RANGE
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from core.scenarios import (
    Arch,
    Build,
    Era,
    Model,
    Scenario,
    Turn,
    Turns,
    Workload,
    World,
    all_freed,
    load,
    madvise_dontneed,
    mmap_read_lock,
    mmap_read_unlock,
    returned,
    sometimes,
    tlb_finish_mmu,
    tlb_gather_mmu,
    unmap_page_range,
)
from core.words import Mm, Pte, Vma, pte_cell, tlb_cell

PAGES = (0, 1)
"""Two VMAs of a page each, under tables of their own."""


async def vector_madvise(mm: Mm, ranges: Sequence[tuple[int, int]], fullmm: bool = False) -> None:
    """vector_madvise() with madvise_do_behavior(): one hold of mmap_lock, one gather. `fullmm` is a wrong form."""
    await mmap_read_lock(mm)
    tlb = await tlb_gather_mmu(mm, fullmm=fullmm)
    for start, end in ranges:
        await unmap_page_range(tlb, Vma(start, end), start, end)
    await tlb_finish_mmu(tlb)
    await mmap_read_unlock(mm)


async def told_before(mm: Mm, ranges: Sequence[tuple[int, int]]) -> None:
    """Wrong form: the caller goes on before the gather is finished."""
    await mmap_read_lock(mm)
    tlb = await tlb_gather_mmu(mm)
    for start, end in ranges:
        await unmap_page_range(tlb, Vma(start, end), start, end)
    await mmap_read_unlock(mm)
    await returned(mm, PAGES[1])
    await tlb_finish_mmu(tlb)


async def reads(mm: Mm) -> None:
    """A thread that reads the second page twice."""
    if await load(mm, PAGES[1], [PAGES[1]]):
        await load(mm, PAGES[1], [PAGES[1]])


def advised(name: str, fullmm: bool = False, late: bool = False) -> Build:
    """One thread advises, another reads."""

    def build(arch: Arch, era: Era) -> Model:
        mapped = {page: Pte(page, dirty=True) for page in PAGES}
        world = World(arch, era, mapped, frozenset(PAGES), geometry={"ptes_per_table": 1})
        ranges = [(page, page + 1) for page in PAGES]
        user = world.task("user", reads)

        async def advises(mm: Mm) -> None:
            if late:
                await told_before(mm, ranges)
            else:
                await vector_madvise(mm, ranges, fullmm)
                await returned(mm, PAGES[1])

        world.task("madvise", advises)
        window = sometimes(
            "cleared-and-cached",
            "the second entry is gone, and the reader has it cached",
            (pte_cell(PAGES[1]), tlb_cell(user.cpu, PAGES[1])),
            lambda pte, entry: pte is None and entry is not None,
        )
        return world.model(name, finally_=[all_freed(page, 0) for page in PAGES], sometimes=[window])

    return build


def scenario(name: str, title: str, build: Build) -> Scenario:
    """One of this file; where a page is cleared and flushed in one step there is no window."""
    return Scenario(name, title, "process_madvise() under one gather, 2025", build, requires=("smp", "gather"))


MADVISE = scenario("madvise-ranges", "a gather over several VMAs flushes for each", advised("madvise-ranges"))
FULLMM = scenario("madvise-fullmm", "wrong: the gather is of the whole mm", advised("madvise-fullmm", fullmm=True))
LATE = scenario("madvise-late", "wrong: the caller is told before the flush", advised("madvise-late", late=True))


# ---- numbers -----------------------------------------------------------------------------------------------------

APART = [(at, at + 1) for at in range(0, 1024, 64)]
"""Sixteen pages, one in 64."""


async def each(mm: Mm) -> None:
    """Before the series: a gather for each range."""
    for start, end in APART:
        await madvise_dontneed(mm, Vma(start, end), start, end)


def workload(name: str, title: str, does: object) -> Workload:
    """Four threads, one of which advises."""
    threads = tuple(Turn(cpu, "run") for cpu in range(4))
    faults = tuple(Turn(0, "fault", start, end) for start, end in APART)
    return Workload(name, title, (Turns((*threads, *faults, Turn(0, does)), 1024),))  # type: ignore[arg-type]


ONE_GATHER = workload("one_gather", "16 pages, one in 64, under one gather", partial(vector_madvise, ranges=APART))
EACH_RANGE = workload("each_range", "the same with a gather for each", each)
