"""A page is copied while a CPU can still write to it through a stale entry.

B-23, 29a951dfb3c3: soft-dirty tracking write-protects under mmap_lock for reading

CPU0 user            CPU1 clear_refs                CPU2 write fault
store: cached rw
                     write-protect, flush later
                                                    the entry is read-only: copy the page
store to the old page
                                                    map the copy: the store is lost
                     flush

B-23u, 6ce64428d62a: userfaultfd does, and must, and another thread takes the protection back

CPU0 user            CPU1 write-protect             CPU2 un-protect, CPU3 write fault
store: cached rw
                     write-protect, flush later
                                                    CPU2 clears the mark, not the protection
                                                    CPU3 the entry is read-only: copy the page
store to the old page
                                                    CPU3 map the copy: the store is lost
                     flush

A page is copied, or kept because nobody else has it, for an entry that was seen before the page-table lock was taken

CPU0 store: the entry is read-only    CPU1 MADV_DONTNEED            CPU2 another holder of the page
read the entry
                                      clear it, flush, drop the page
                                                                    drop the page: free
lock the table, map the page again

and the old page is given back while another thread can still read it

CPU0 store                            CPU1 load: cached ro          CPU2 another holder of the page
                                                                    drop the page
copy it, map the copy, no flush
drop the old page: free
                                      load from the old page

or the copy is written to by a third thread, which says so to the reader

CPU0 store                            CPU1 load: cached ro          CPU2 store
map the copy, flush later
                                                                    store to the copy, tell CPU1
                                      load from the old page
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import (
    held_by_mappings,
    mapcount_is_ptes,
    sometimes,
    store_after_copy,
    unlocked_at_end,
)
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, no_stale, raw_stores, store
from core.explore.model import Model, Property
from core.machine.op import Cpu
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import Entry, ref_cell, tlb_cell, user_store
from core.mm.era import Era
from core.mm.madvise import madvise_dontneed
from core.mm.mm import PENDING, Mm, Vma
from core.mm.page import mapcount_cell, put_page
from core.mm.task_mmu import clear_refs_write
from core.mm.userfaultfd import mwriteprotect_range
from core.plugins.arch import Arch

OLD, NEW = 0, 1
VMA = Vma(0, 1)
UFFD_VMA = Vma(0, 1, uffd_wp=True)


def shared_page(arch: Arch, era: Era, stores: int = 2) -> World:
    """An anonymous page to which somebody else holds a reference, so that a write fault copies it."""
    world = World(arch, era, {0: Pte(OLD, dirty=True)}, frozenset({OLD, NEW}), more={"copies": {OLD: NEW}})
    world.memory[ref_cell(OLD)] = 2
    world.memory[ref_cell(NEW)] = world.memory[mapcount_cell(NEW)] = 0
    world.task("user", raw_stores(0, [OLD, NEW], stores))
    return world


def pending(allowed: bool) -> Property:
    """The window: the entry is read-only and a flush is owed (`allowed`), or the copy is mapped at the end."""
    if allowed:
        return sometimes(
            "read-only-while-pending",
            "the entry is read-only and its flush is still to come",
            (pte_cell(0), PENDING),
            lambda pte, n: isinstance(pte, Pte) and not pte.write and n > 0,
        )
    return sometimes(
        "copied",
        "the copy is mapped",
        (pte_cell(0),),
        lambda pte: isinstance(pte, Pte) and pte.frame == NEW,
    )


def accounted() -> list[Property]:
    """At the end the reverse map agrees with the page table about both pages."""
    return [mapcount_is_ptes(OLD, [0]), mapcount_is_ptes(NEW, [0])]


def let_go_of() -> list[Property]:
    """At the end, too, nobody but its mappings holds a page, or has it locked."""
    return [*accounted(), held_by_mappings(OLD), held_by_mappings(NEW), unlocked_at_end(OLD)]


def soft_dirty(arch: Arch, era: Era) -> Model:
    """clear_refs against a write fault in another thread."""
    world = shared_page(arch, era)
    world.task("clear_refs", lambda mm: clear_refs_write(mm, 0, 1))
    world.task("fault", lambda mm: store(mm, VMA, 0, [OLD, NEW]))
    window = [pending(True), pending(False)]
    return world.model(
        "copy-soft-dirty", always=[store_after_copy(OLD, NEW, 0)], finally_=accounted(), sometimes=window
    )


def uffd(arch: Arch, era: Era) -> Model:
    """UFFDIO_WRITEPROTECT set and resolved, against a write fault."""
    world = shared_page(arch, era, stores=1)
    world.memory[tlb_cell(Cpu(0), 0)] = Entry(OLD, True, True)  # the user has stored before
    world.task("protect", lambda mm: mwriteprotect_range(mm, UFFD_VMA, True))
    world.task("unprotect", lambda mm: mwriteprotect_range(mm, UFFD_VMA, False))
    world.task("fault", lambda mm: store(mm, UFFD_VMA, 0, [OLD, NEW]))
    window = [pending(True), pending(False)]
    return world.model("copy-uffd-wp", always=[store_after_copy(OLD, NEW, 0)], finally_=accounted(), sometimes=window)


async def let_go(mm: Mm) -> None:
    """Whoever else holds the page does so no more: an exit of a child, a read of a device that ends."""
    await put_page(OLD)


def write_protected(arch: Arch, era: Era) -> World:
    """An anonymous page that is mapped read-only, which a user stores to; another holder lets go of it at any time."""
    world = World(arch, era, {0: Pte(OLD, write=False)}, frozenset({OLD, NEW}), more={"copies": {OLD: NEW}})
    world.memory[ref_cell(OLD)] = 2
    world.memory[ref_cell(NEW)] = world.memory[mapcount_cell(NEW)] = 0
    world.task("user", lambda mm: store(mm, VMA, 0, [OLD, NEW]))
    world.kthread("holder", let_go)
    return world


def dontneed(arch: Arch, era: Era) -> Model:
    """MADV_DONTNEED next to the fault."""
    world = write_protected(arch, era)
    world.task("unmap", lambda mm: madvise_dontneed(mm, VMA, 0, 1))
    kept = sometimes("kept", "the page is writable", (pte_cell(0),), lambda pte: pte == Pte(OLD, dirty=True))
    return world.model("copy-dontneed", finally_=let_go_of(), sometimes=[pending(False), kept])


async def reads(mm: Mm) -> None:
    """A thread that loads twice: from its TLB, then from wherever that leads."""
    await load(mm, 0, [OLD, NEW])
    await load(mm, 0, [OLD, NEW])


async def tells(mm: Mm) -> None:
    """A thread that stores, unless that faults, and tells the others: none of them may read what was there before."""
    if await user_store(mm.task.cpu, 0, [OLD, NEW], mm.facts.hw_dirty) == "ok":
        await no_stale(mm, 0, "tell what was stored", "reads-old-page")


def read(arch: Arch, era: Era) -> Model:
    """Another thread that reads the page, and one that stores to it."""
    world = write_protected(arch, era)
    world.task("reader", reads)
    world.task("writer", tells)
    said = {"reads-old-page": "A thread reads the old page, and knows of a store to the copy."}
    gone = sometimes("gone", "nobody has the old page", (ref_cell(OLD),), lambda refs: refs == 0)
    return world.model("copy-read", finally_=let_go_of(), sometimes=[pending(False), gone], sentences=said)


SCENARIOS = [
    Scenario(
        "copy-dontneed",
        "a store to a page that is mapped read-only maps nothing that MADV_DONTNEED has unmapped meanwhile",
        "mm/memory.c:wp_page_copy",
        dontneed,
        tier="optional",
    ),
    Scenario(
        "copy-read",
        "a page that was copied on write is given back, and its copy written to, only when no other thread can read it",
        "mm/memory.c:wp_page_copy",
        read,
        tier="optional",
    ),
    Scenario(
        "copy-soft-dirty",
        "no page is copied on write while a CPU can still write to it: soft-dirty tracking",
        "29a951dfb3c3",
        soft_dirty,
    ),
    Scenario(
        "copy-uffd-wp",
        "no page is copied on write while a CPU can still write to it: userfaultfd",
        "6ce64428d62a",
        uffd,
        tier="long",
    ),
]

EXHIBITS = [
    Exhibit(
        "B-23",
        "29a951dfb3c3",
        "clear_refs write-protects concurrently with page faults: a page is copied while a CPU still writes to it",
        "copy-soft-dirty",
        lacks=frozenset({"29a951dfb3c3"}),
    ),
    Exhibit(
        "B-23u",
        "6ce64428d62a",
        "userfaultfd's write protection is not flushed yet when a fault copies the page",
        "copy-uffd-wp",
        lacks=frozenset({"6ce64428d62a"}),
    ),
]
