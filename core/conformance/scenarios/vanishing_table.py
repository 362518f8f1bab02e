"""Whoever works on the entries of a page table may find that the table has gone: pte_offset_map_lock() fails.

Under mmap_lock for reading, the lock of a VMA or the lock of a page, next to MADV_DONTNEED that frees what it has
emptied (CONFIG_PT_RECLAIM):

CPU0 MADV_COLD               CPU1 MADV_DONTNEED
read the pmd
                             empty the table, clear the pmd
                             flush, free the table
lock the table: freed
read and write its entries

Under mmap_lock for writing, next to the collapse of a file's pages, which does not take mmap_lock: the same with
mprotect() and mremap().  Since 0d940a9b270b the pmd is looked at again under the lock, and None is what each walker has
to deal with: advice passes the table over, mprotect() and mremap() look at the pmd once more, a walk of the reverse map
starts again, a fault lets the access be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.conformance.properties import all_freed, mapcount_is_ptes, sometimes, tables_freed
from core.conformance.scenario import Build, Scenario
from core.conformance.scenarios.table_reclaim import PMD, VMA, cells, checked, dontneed, small
from core.conformance.world import Program, World, pick
from core.explore.model import Model, Property
from core.machine.lock import MMAP_LOCK
from core.machine.op import Tid
from core.machine.pte import ProtNone, Pte
from core.machine.tlb import ref_cell
from core.mm.aging import folio_referenced_one
from core.mm.era import Era
from core.mm.khugepaged import retract_page_tables
from core.mm.ksm import try_to_merge_one_page
from core.mm.memory import handle_numa_fault, handle_write_fault
from core.mm.migrate import migrate_pages, migrate_vma
from core.mm.mm import Mm, Vma
from core.mm.mmap_lock import VMA_LOCKS
from core.mm.mprotect import change_prot_numa, wrprotect
from core.mm.page import lock_page, mapcount_cell, pg_locked_cell, unlock_page
from core.mm.pgtable import upper_entry
from core.mm.swap import Table, table_cell
from core.mm.syscalls import madvise_cold, madvise_free, mprotect, mremap
from core.mm.userfaultfd import mwriteprotect_range
from core.mm.writeback import write_page
from core.plugins.arch import Arch

PAGE, OTHER = 0, 1


@dataclass(frozen=True, slots=True)
class Walkers:
    """Programs of which one runs next to MADV_DONTNEED.

    mapped     the entry at the start
    refs       references to the page at the start, the mapping's and others
    left       those that are left at the end, when the page is not mapped any more
    anon       is the page anonymous, or one of a file?
    others     references to OTHER, which may be mapped instead
    user       do they run in the address space, or in a kernel thread?
    """

    programs: Sequence[Program]
    mapped: Pte | ProtNone = Pte(PAGE)
    refs: int = 1
    left: int = 0
    anon: bool = True
    others: int = 0
    user: bool = True


def next_to_dontneed(name: str, walkers: Walkers, inside: Callable[[Tid], Property]) -> Build:
    """One of the programs next to MADV_DONTNEED; `inside`, given the walker's thread, says that it is at work."""

    async def walker(mm: Mm) -> None:
        chosen = await pick(len(walkers.programs)) if len(walkers.programs) > 1 else 0
        await walkers.programs[chosen](mm)

    def build(arch: Arch, era: Era) -> Model:
        world = small(arch, era, walkers.mapped, (0,))
        world.anon = frozenset({PAGE, OTHER}) if walkers.anon else frozenset()
        world.more = {**world.more, "mappings": {PAGE: (0,), OTHER: ()}, "copies": {PAGE: OTHER}}
        world.memory[ref_cell(PAGE)] = walkers.refs
        world.memory[ref_cell(OTHER)] = walkers.others
        world.memory[mapcount_cell(OTHER)] = 0
        task = (world.task if walkers.user else world.kthread)("walker", checked(walker, (0,)))
        world.task("dontneed", checked(dontneed, (0,)))
        ends = [all_freed(PAGE, walkers.left), all_freed(OTHER, walkers.others)]
        ends += [mapcount_is_ptes(page, [0]) for page in (PAGE, OTHER)]
        return world.model(name, finally_=[*ends, tables_freed(PMD, cells((0,)))], sometimes=[inside(task.tid)])

    return build


def in_a_call(tid: Tid) -> Property:
    """The window: the table has been unhooked, and the walker holds mmap_lock for reading."""
    return sometimes(
        "table-gone",
        "the pmd is clear, and the walker is in its call",
        (PMD, MMAP_LOCK),
        lambda pmd, holders: pmd is None and isinstance(holders, frozenset) and tid in holders,
    )


def in_a_fault(tid: Tid) -> Property:
    """The same in a page fault, which holds mmap_lock or the lock of its VMA."""

    def holds(pmd: object, holders: object, locks: tuple[frozenset[tuple[int, Tid]], object]) -> bool:
        inside = isinstance(holders, frozenset) and tid in holders
        return pmd is None and (inside or any(reader == tid for _, reader in locks[0]))

    return sometimes(
        "table-gone", "the pmd is clear, and the walker is in its fault", (PMD, MMAP_LOCK, VMA_LOCKS), holds
    )


def with_the_page_locked(tid: Tid) -> Property:
    """The same with the page locked instead."""
    return sometimes(
        "table-gone",
        "the pmd is clear, and the walker has the page locked",
        (PMD, pg_locked_cell(PAGE)),
        lambda pmd, owner: pmd is None and owner == tid,
    )


# ---- the walkers ---------------------------------------------------------------------------------------------


async def cold(mm: Mm) -> None:
    """MADV_COLD."""
    await madvise_cold(mm, VMA, VMA.start, VMA.end)


async def free(mm: Mm) -> None:
    """MADV_FREE."""
    await madvise_free(mm, VMA, VMA.start, VMA.end)


async def hint(mm: Mm) -> None:
    """NUMA balancing: the next access is to fault."""
    await change_prot_numa(mm, VMA)


async def protect(mm: Mm) -> None:
    """UFFDIO_WRITEPROTECT."""
    await mwriteprotect_range(mm, VMA, True)


async def collect(mm: Mm) -> None:
    """Migration to a device, which takes nothing."""
    await migrate_vma(mm, VMA.start, VMA.end)


async def move(mm: Mm) -> None:
    """Migration to another node, by somebody who has isolated the page."""
    await migrate_pages(mm, [PAGE])


async def merge(mm: Mm) -> None:
    """KSM."""
    await try_to_merge_one_page(mm, 0, PAGE, OTHER)


async def write_back(mm: Mm) -> None:
    """Writeback of a file's page."""
    await write_page(mm, PAGE)


async def age(mm: Mm) -> None:
    """Reclaim asks for the accessed bit, with the page locked."""
    await lock_page(mm, PAGE)
    await folio_referenced_one(mm, PAGE, 0)
    await unlock_page(mm, PAGE)


async def write_fault(mm: Mm) -> None:
    """A store to a page that is mapped read-only."""
    await handle_write_fault(mm, VMA, 0)


async def numa_fault(mm: Mm) -> None:
    """An access to a page with a NUMA hint."""
    await handle_numa_fault(mm, VMA, 0)


# ---- mmap_lock held for writing ------------------------------------------------------------------------------

SPAN = 2
FILE, MOVED = Vma(0, SPAN, shared=True), Vma(2 * SPAN - 1, 3 * SPAN - 1)
"""A VMA of one whole table, and a place that lies in two tables: the entries are moved one by one."""


async def protect_file(mm: Mm) -> None:
    """mprotect() of a mapping of a file."""
    await mprotect(mm, [FILE], wrprotect)


async def move_file(mm: Mm) -> None:
    """mremap() of it."""
    await mremap(mm, FILE, MOVED, ceiling=SPAN)


def next_to_collapse(name: str, changes: Sequence[Program]) -> Build:
    """One of `changes` to a mapping of a file whose pages are collapsed in another process; nothing is mapped."""

    async def change(mm: Mm) -> None:
        await changes[await pick(len(changes)) if len(changes) > 1 else 0](mm)

    def build(arch: Arch, era: Era) -> Model:
        geometry = {"rcu_table_free": True, "ptes_per_table": SPAN}
        more = {"tables": True, "collapses": True, "walked": True}
        world = World(arch, era, dict.fromkeys(range(3 * SPAN)), geometry=geometry, more=more)
        for level in (1, 2):
            world.memory[upper_entry(level, 0)] = 0
        for table in range(3):
            world.memory[upper_entry(0, table)] = table
            world.memory[table_cell(Table("pte", table))] = True
        task = world.task("change", checked(change, (0,)))
        world.kthread("collapse", lambda mm: retract_page_tables(mm, FILE))
        window = sometimes(
            "table-gone",
            "the pmd is clear, and the caller has mmap_lock",
            (PMD, MMAP_LOCK),
            lambda pmd, holder: pmd is None and holder == task.tid,
        )
        return world.model(name, finally_=[tables_freed(PMD, cells((0,)))], sometimes=[window])

    return build


MEETINGS: dict[str, tuple[str, Walkers, Callable[[Tid], Property]]] = {
    "advice": ("MADV_COLD and MADV_FREE pass over a table that has gone", Walkers([cold, free]), in_a_call),
    "protect": (
        "NUMA hints and userfaultfd's write protection are set in no table that has gone",
        Walkers([hint, protect], Pte(PAGE, dirty=True)),
        in_a_call,
    ),
    "copy": (
        "copy on write maps the copy in no table that has gone",
        Walkers([write_fault], Pte(PAGE, write=False), refs=2, left=1),
        in_a_fault,
    ),
    "mkwrite": (
        "a fault on a file's page makes no entry writable in a table that has gone",
        Walkers([write_fault], Pte(PAGE, write=False), refs=2, left=1, anon=False),
        in_a_fault,
    ),
    "numa": (
        "a fault on a NUMA hint maps the page's new place in no table that has gone",
        Walkers([numa_fault], ProtNone(PAGE, True, False)),
        in_a_fault,
    ),
    "collect": (
        "migration to a device collects no page from a table that has gone",
        Walkers([collect]),
        in_a_call,
    ),
    "ksm": (
        "KSM maps the common page in no table that has gone",
        Walkers([merge], refs=2, left=1, others=1, user=False),
        in_a_call,
    ),
    "migrate": (
        "migration puts its entries, and the page's new place, in no table that has gone",
        Walkers([move], refs=2, user=False),
        with_the_page_locked,
    ),
    "rmap": (
        "writeback and reclaim change no entry in a table that has gone",
        Walkers([write_back, age], refs=2, left=1, anon=False, user=False),
        with_the_page_locked,
    ),
}
"""By the end of the scenario's id: its title, who walks, and the window."""


def scenario(name: str, title: str, build: Build, *requires: str) -> Scenario:
    """One of the scenarios of this module."""
    return Scenario(name, title, "0d940a9b270b", build, tier="optional", requires=requires)


SCENARIOS = [
    *(
        scenario(
            f"table-reclaim-{what}", title, next_to_dontneed(f"table-reclaim-{what}", walkers, inside), "queues_tables"
        )
        for what, (title, walkers, inside) in MEETINGS.items()
    ),
    scenario(
        "table-collapse-change",
        "mprotect() and mremap() change no entry in a table that the collapse of a file has freed",
        next_to_collapse("table-collapse-change", [protect_file, move_file]),
        "thp",
    ),
]
