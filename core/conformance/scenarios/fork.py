"""fork() copies entries without write permission: what the child's entry says about the page, and who can still write.

B-45w, ff1712f953e2, arm64: "dirty" is written into the bit that write protection sets

CPU0 process
store: hardware clears the read-only bit, which means dirty
fork: the child's entry is a copy without write permission: the read-only bit set, which means clean
unmap its own: that the page is dirty is for the child's entry to say
                     whoever reclaims the page has no need to write it

fork-migrate: a page is migrated meanwhile; a walk of its reverse map comes to the child after the parent

CPU0 fork                    CPU1 kcompactd
                             migration entry in the parent
copy it, read-only
                             map the copy in both

B-48, fb49c455323f, where a fault takes the lock of its VMA alone

CPU0 user            CPU1 fork                      CPU2 write fault
store: cached rw
                     mmap_lock for writing
                     write-protect, flush later
                                                    lock the VMA
                                                    the entry is read-only: copy the page
store to the old page
                                                    map the copy: the store is lost
                     flush
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import (
    all_freed,
    dirty_known_at_end,
    held_by_mappings,
    mapcount_is_ptes,
    mapped_at_end,
    places_are_entries,
    shared_read_only,
    sometimes,
    store_after_copy,
)
from core.conformance.scenario import Scenario
from core.conformance.world import World, raw_stores, returned, store
from core.explore.model import Model
from core.machine.pte import Migration, Pte, Swap, pte_cell
from core.machine.tlb import newer_cell, ref_cell
from core.mm.era import Era
from core.mm.migrate import migrate_pages
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.swapfile import swap_map_cell
from core.mm.syscalls import dup_mmap, madvise_dontneed
from core.plugins.arch import Arch

HERE, CHILD, PAGE, COPY, MOVED = 0, 1, 0, 1, 2
VMA = Vma(HERE, HERE + 1)


def parent(arch: Arch, era: Era, start: Pte) -> World:
    """An anonymous page from swap: the disk has its data as long as nobody writes to it."""
    return World(arch, era, {HERE: start, CHILD: None}, frozenset({PAGE}), geometry={"ptes_per_table": 1})


async def store_and_fork(mm: Mm) -> None:
    """Write, fork, and leave the page to the child."""
    if await store(mm, VMA, HERE, [PAGE]):
        await dup_mmap(mm, [VMA], {HERE: CHILD})
        await madvise_dontneed(mm, VMA, HERE, HERE + 1)


def forked(arch: Arch, era: Era) -> Model:
    """One process, without a race: what the child's entry has to record."""
    world = parent(arch, era, Pte(PAGE))
    world.task("process", store_and_fork)
    window = sometimes(
        "child's-alone",
        "the page has been written to, and only the child maps it",
        (newer_cell(PAGE), pte_cell(HERE), pte_cell(CHILD)),
        lambda newer, pte, child: newer and pte is None and child is not None,
    )
    kept = [dirty_known_at_end(PAGE, [HERE, CHILD]), mapcount_is_ptes(PAGE, [HERE, CHILD]), all_freed(PAGE, 1)]
    return world.model("fork-dirty", finally_=kept, sometimes=[window])


async def fork(mm: Mm) -> None:
    """fork(); when it returns, the child must not see later stores of the parent."""
    await raw_stores(HERE, [PAGE], 1)(mm)
    await dup_mmap(mm, [VMA], {HERE: CHILD})
    await returned(mm, HERE)


def protected(arch: Arch, era: Era) -> Model:
    """fork() while another thread of the parent writes."""
    world = parent(arch, era, Pte(PAGE, dirty=True))
    world.task("user", raw_stores(HERE, [PAGE]))
    world.task("fork", fork)
    window = sometimes(
        "written-and-shared",
        "the page has been written to, and is the child's as well",
        (newer_cell(PAGE), pte_cell(CHILD)),
        lambda newer, child: newer and child is not None,
    )
    both = [HERE, CHILD]
    kept = [dirty_known_at_end(PAGE, both), mapcount_is_ptes(PAGE, both), all_freed(PAGE, 2)]
    return world.model("fork-protects", finally_=[*kept, shared_read_only(PAGE, both)], sometimes=[window])


async def fork_and_walk(mm: Mm) -> None:
    """The next store walks anew: it must not find the entry as it was while the new one waits in a store buffer."""
    await fork(mm)
    await raw_stores(HERE, [PAGE], 1)(mm)
    await returned(mm, HERE)


def own(arch: Arch, era: Era) -> Model:
    """fork() of a process with one thread, which no other CPU has: what is stale is its own."""
    world = parent(arch, era, Pte(PAGE, dirty=True))
    world.task("process", fork_and_walk)
    window = sometimes(
        "written-and-shared",
        "the page has been written to, and is the child's as well",
        (newer_cell(PAGE), pte_cell(CHILD)),
        lambda newer, child: newer and child is not None,
    )
    both = [HERE, CHILD]
    return world.model("own-fork", finally_=[all_freed(PAGE, 2), shared_read_only(PAGE, both)], sometimes=[window])


def faulted(arch: Arch, era: Era) -> Model:
    """fork() while one thread of the parent writes through a cached entry and another one faults."""
    world = World(
        arch,
        era,
        {HERE: Pte(PAGE, dirty=True), CHILD: None},
        frozenset({PAGE, COPY}),
        geometry={"ptes_per_table": 1},
        more={"copies": {PAGE: COPY}},
    )
    world.memory[ref_cell(COPY)] = world.memory[mapcount_cell(COPY)] = 0
    world.task("user", raw_stores(HERE, [PAGE, COPY]))
    world.task("fork", lambda mm: dup_mmap(mm, [VMA], {HERE: CHILD}))
    world.task("fault", lambda mm: store(mm, VMA, HERE, [PAGE, COPY]))
    window = sometimes(
        "copied",
        "the parent has a copy of what the child has",
        (pte_cell(HERE), pte_cell(CHILD)),
        lambda pte, child: isinstance(pte, Pte) and pte.frame == COPY and child is not None,
    )
    always = [store_after_copy(PAGE, COPY, HERE)]
    return world.model("fork-fault", always=always, finally_=[mapcount_is_ptes(COPY, [HERE])], sometimes=[window])


async def fork_and_exit(mm: Mm) -> None:
    """fork(), and the child exits at once: whether the page is dirty is for the parent's entry to say."""
    await dup_mmap(mm, [VMA], {HERE: CHILD})
    await madvise_dontneed(mm, Vma(CHILD, CHILD + 1), CHILD, CHILD + 1)


def raced(arch: Arch, era: Era) -> Model:
    """fork() of a page that the disk has, while another thread writes to it for the first time."""
    world = parent(arch, era, Pte(PAGE))
    world.task("user", raw_stores(HERE, [PAGE], 1))
    world.task("fork", fork_and_exit)
    window = sometimes(
        "written-and-shared",
        "the page has been written to, and is the child's as well",
        (newer_cell(PAGE), pte_cell(CHILD)),
        lambda newer, child: newer and child is not None,
    )
    kept = [dirty_known_at_end(PAGE, [HERE]), mapcount_is_ptes(PAGE, [HERE, CHILD]), all_freed(PAGE, 1)]
    return world.model("fork-parent-dirty", finally_=kept, sometimes=[window])


def migrated(arch: Arch, era: Era) -> Model:
    """fork() of a page that kcompactd moves."""
    more = {"mappings": {PAGE: (HERE, CHILD)}, "copies": {PAGE: MOVED}}
    mapped = {HERE: Pte(PAGE), CHILD: None}
    world = World(arch, era, mapped, frozenset({PAGE, MOVED}), geometry={"ptes_per_table": 1}, more=more)
    world.memory[ref_cell(PAGE)] = 2  # the mapping's, and that of isolation
    world.memory[ref_cell(MOVED)] = world.memory[mapcount_cell(MOVED)] = 0
    world.task("fork", lambda mm: dup_mmap(mm, [VMA], {HERE: CHILD}))
    world.kthread("kcompactd", lambda mm: migrate_pages(mm, [PAGE]))
    both = (HERE, CHILD)
    window = sometimes(
        "entry-copied",
        "both have the migration entry",
        tuple(map(pte_cell, both)),
        lambda *ptes: all(isinstance(pte, Migration) for pte in ptes),
    )
    ends = [
        *(check for page in (PAGE, MOVED) for check in (mapcount_is_ptes(page, both), held_by_mappings(page))),
        shared_read_only(MOVED, both),
        *(mapped_at_end(addr, MOVED) for addr in both),
    ]
    return world.model("fork-migrate", finally_=ends, sometimes=[window])


def swapped(arch: Arch, era: Era) -> Model:
    """fork() of an entry whose contents are in swap: the place is the child's as well."""
    more = {"swaps": frozenset({PAGE})}
    world = World(arch, era, {HERE: None, CHILD: None}, frozenset({PAGE}), geometry={"ptes_per_table": 1}, more=more)
    world.memory[ref_cell(PAGE)] = world.memory[mapcount_cell(PAGE)] = 0
    world.memory[pte_cell(HERE)], world.memory[swap_map_cell(PAGE)] = Swap(PAGE), 1
    world.task("fork", lambda mm: dup_mmap(mm, [VMA], {HERE: CHILD}))
    window = sometimes("copied", "the child has the entry", (pte_cell(CHILD),), lambda pte: isinstance(pte, Swap))
    return world.model("fork-swap", finally_=[places_are_entries(PAGE, (HERE, CHILD))], sometimes=[window])


SCENARIOS = [
    Scenario("fork-dirty", "a child's entry says that the page is dirty", "ff1712f953e2", forked),
    Scenario(
        "fork-protects",
        "no CPU of the parent writes to a page shared with the child once fork() has returned",
        "Documentation/core-api/cachetlb.rst: flush_tlb_mm() around fork",
        protected,
    ),
    Scenario(
        "own-fork",
        "the only CPU of a process cannot write to a page shared with the child once fork() has returned",
        "Documentation/core-api/cachetlb.rst: flush_tlb_mm() around fork",
        own,
        tier="optional",
    ),
    Scenario(
        "fork-fault",
        "no fault copies a page that fork() has write-protected while a CPU can still write to it",
        "fb49c455323f",
        faulted,
    ),
    Scenario(
        "fork-parent-dirty",
        "write protection keeps the dirty bit of the parent's entry, also one that hardware sets meanwhile",
        "include/linux/pgtable.h:ptep_set_wrprotect",
        raced,
        requires=("hardware_dirty",),
    ),
    Scenario(
        "fork-migrate",
        "a page that is migrated during fork() is mapped by both in the end, and neither may write to it",
        "mm/memory.c:copy_nonpresent_pte",
        migrated,
        tier="optional",
    ),
    Scenario(
        "fork-swap",
        "a place in swap is kept as long as a child's entry has it",
        "mm/memory.c:copy_nonpresent_pte",
        swapped,
        tier="optional",
    ),
]

EXHIBITS = [
    Exhibit(
        "B-48",
        "fb49c455323f",
        "a fault under its VMA's lock copies a page during fork(), while another CPU still writes to it",
        "fork-fault",
        era="6.12",
        lacks=frozenset({"fb49c455323f"}),
    ),
    Exhibit(
        "B-45w",
        "ff1712f953e2",
        "arm64's write protection sets the bit whose absence means dirty",
        "fork-dirty",
        plugin="arch_plugins.arm64:Arm64",
        lacks=frozenset({"ff1712f953e2"}),
    ),
]
