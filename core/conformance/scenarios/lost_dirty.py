"""Dirty data is lost: unmap and writeback race on a page that another CPU still writes to (commit 5df397dec7c4).

CPU0 user            CPU1 unmap                    CPU2 writeback
store: dirty, cached
                     clear the entry, PG_dirty
                     page_remove_rmap
                                                   folio_mkclean: not mapped
                                                   write the page, clean it
store through the
stale dirty entry
                     flush
                                                   the page is clean, the last store is lost
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.monitor import report
from core.conformance.properties import (
    dirty_known_at_end,
    mapcount_is_ptes,
    no_lost_dirty,
    sometimes,
    unmapped_at_end,
    vma_as_asked,
)
from core.conformance.scenario import Build, Scenario
from core.conformance.world import Program, World, looking, pick, store
from core.explore.model import Model
from core.machine.op import Op
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import newer_cell, ref_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma, ptl_cell, vma_cell
from core.mm.syscalls import madvise_dontneed, mmap_over, munmap
from core.mm.writeback import write_page
from core.plugins.arch import Arch

ADDR, PAGE, STORES = 0, 0, 2


def race(unmap: Program, name: str, start: Pte, writeback: bool = True, vma_stays: bool = True) -> Build:
    """The model: a user who stores twice to a page mapped by `start`, an unmap, and optionally one round of writeback.

    `vma_stays`: there is a mapping at the end.
    """

    def build(arch: Arch, era: Era) -> Model:
        world = World(arch, era, {ADDR: start})
        world.memory[ref_cell(PAGE)] = 2  # the page cache's and the mapping's
        users: dict[Program, Program] = {map_over: user_of_either, unmap_one: user_of_neither}
        world.task("user", users.get(unmap, user))
        world.task("unmap", unmap)
        if writeback:
            world.kthread("writeback", lambda mm: write_page(mm, PAGE))
        window = sometimes(
            "unmapped-while-newer",
            "the page is unmapped while memory is newer than the disk",
            (pte_cell(ADDR), newer_cell(PAGE)),
            lambda pte, newer: pte is None and newer,
        )
        return world.model(
            name,
            always=[no_lost_dirty(PAGE, [ADDR])],
            finally_=[
                dirty_known_at_end(PAGE, [ADDR]),
                mapcount_is_ptes(PAGE, [ADDR]),
                unmapped_at_end(ADDR),
                vma_as_asked(ADDR, vma_stays),
            ],
            sometimes=[window],
        )

    return build


def crowd(users: int = 2, pages: int = 2) -> Build:
    """The model of several users: each stores twice to a page of its choice; all pages are unmapped and written back.

    The users are equal, so one state represents all that differ only in which user is where.  The pages are not equal:
    unmap and writeback come to them in order.
    """
    vma, names = Vma(0, pages), [f"user {number}" for number in range(users)]

    async def user(mm: Mm) -> None:
        addr = await pick(pages)
        for _ in range(STORES):
            if not await store(mm, vma, addr, [addr]):
                return

    async def writeback(mm: Mm) -> None:
        for page in range(pages):
            await write_page(mm, page)

    def build(arch: Arch, era: Era) -> Model:
        entries = {page: Pte(page, write=False) for page in range(pages)}
        world = World(arch, era, entries, more={"peeks": False})
        for page in range(pages):
            world.memory[ref_cell(page)] = 2  # the page cache's and the mapping's
        for name in names:
            world.task(name, user)
        world.task("unmap", lambda mm: madvise_dontneed(mm, vma, 0, pages))
        world.kthread("writeback", writeback)
        window = sometimes(
            "both-unmapped-while-newer",
            "the first two pages are unmapped while memory is newer than the disk",
            (pte_cell(0), newer_cell(0), pte_cell(1), newer_cell(1)),
            lambda pte, newer, pte1, newer1: pte is None and newer and pte1 is None and newer1,
        )
        ends = (
            prop
            for page in range(pages)
            for prop in (dirty_known_at_end(page, [page]), mapcount_is_ptes(page, [page]), unmapped_at_end(page))
        )
        return world.model(
            "lost-dirty-crowd",
            always=[no_lost_dirty(page, [page]) for page in range(pages)],
            finally_=list(ends),
            sometimes=[window],
            equal=names,
        )

    return build


VMA = Vma(ADDR, ADDR + 1)


async def user(mm: Mm) -> None:
    """Store until done, or until the page is not mapped any more."""
    for _ in range(STORES):
        if not await store(mm, VMA, ADDR, [PAGE]):
            return


async def user_of_either(mm: Mm) -> None:
    """A user while one mapping replaces another: no fault may find no mapping."""

    def look(op: Op, value: bool) -> Op | None:
        return report("mapped-throughout") if op.reads == (vma_cell(VMA),) and not value else None

    await looking(user(mm), look)


async def user_of_neither(mm: Mm) -> None:
    """A user while munmap leaves nothing: a fault that finds the mapping must find its entry too, under its lock."""
    found = locked = False

    def look(op: Op, value: object) -> Op | None:
        nonlocal found, locked
        found = bool(value) if vma_cell(VMA) in op.reads else found
        locked ^= ptl_cell(mm, ADDR) in op.writes
        emptied = op.reads == (pte_cell(ADDR),) and not op.writes and value is None
        return report("fault-into-unmapped") if found and locked and emptied else None

    await looking(user(mm), look)


CLEAN = Pte(PAGE, write=False)
"""As writeback leaves it: the first store faults."""

WRITABLE = Pte(PAGE, write=True)
"""As a read fault on shmem leaves it: writable, and clean until the hardware, or a fault, sets the dirty bit."""


async def dontneed(mm: Mm) -> None:
    """MADV_DONTNEED of the page."""
    await madvise_dontneed(mm, VMA, ADDR, ADDR + 1)


async def unmap_one(mm: Mm) -> None:
    """munmap of the page."""
    await munmap(mm, [VMA])


async def map_over(mm: Mm) -> None:
    """Map something else in its place."""
    await mmap_over(mm, [VMA], VMA)


SCENARIOS = [
    Scenario(
        f"lost-dirty-{how}",
        f"dirty data survives {call} while another CPU cleans the page",
        "5df397dec7c4",
        race(program, f"lost-dirty-{how}", CLEAN, vma_stays=program is not unmap_one),
    )
    for how, call, program in (
        ("dontneed", "MADV_DONTNEED", dontneed),
        ("munmap", "munmap", unmap_one),
        ("mmap-over", "mmap(MAP_FIXED) over the mapping", map_over),
    )
] + [
    Scenario(
        "dirty-bit-in-time",
        "a dirty bit set while the entry is being cleared is not lost",
        "mm/memory.c:zap_pte_range",
        race(dontneed, "dirty-bit-in-time", WRITABLE, writeback=False),
    ),
    Scenario(
        "lost-dirty-crowd",
        "dirty data of two pages survives MADV_DONTNEED while two CPUs store to them and another cleans them",
        "5df397dec7c4",
        crowd(),
        tier="long",
    ),
]

EXHIBITS = [
    Exhibit(
        "B-01",
        "5df397dec7c4",
        "rmap is removed before the flush: writeback cleans the page while another CPU still writes to it",
        "lost-dirty-munmap",
        lacks=frozenset({"5df397dec7c4"}),
    )
]
