"""fork() copies entries without write permission: what the child's says of the page, and what the parent may still do.

B-45w, ff1712f953e2, arm64: "dirty" is written into the bit that write protection sets

CPU0 process
store: hardware clears the read-only bit, which means dirty
fork: the child's entry is a copy without write permission: the read-only bit set, which means clean
unmap its own: that the page is dirty is for the child's entry to say
                     whoever reclaims the page has no need to write it
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, dirty_known_at_end, mapcount_is_ptes, shared_read_only, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, raw_stores, returned, store
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import newer_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.syscalls import dup_mmap, madvise_dontneed
from core.plugins.arch import Arch

HERE, CHILD, PAGE = 0, 1, 0
VMA = Vma(HERE, HERE + 1)


def parent(arch: Arch, era: Era, start: Pte) -> World:
    """An anonymous page that has come from swap, so that the disk has it as long as nobody writes."""
    return World(arch, era, {HERE: start, CHILD: None}, frozenset({PAGE}), geometry={"ptes_per_table": 1})


async def store_and_fork(mm: Mm) -> None:
    """Write, fork, and leave the page to the child."""
    if await store(mm, VMA, HERE, [PAGE]):
        await dup_mmap(mm, {HERE: CHILD})
        await madvise_dontneed(mm, VMA, HERE, HERE + 1)


def forked(arch: Arch, era: Era) -> Model:
    """One process, no race: what the child's entry has to know."""
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
    """When it returns the parent's stores are no longer the child's to see."""
    await raw_stores(HERE, [PAGE], 1)(mm)
    await dup_mmap(mm, {HERE: CHILD})
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


SCENARIOS = [
    Scenario("fork-dirty", "a child's entry says that the page is dirty", "ff1712f953e2", forked),
    Scenario(
        "fork-protects",
        "no CPU of the parent writes to what is the child's as well once fork() has returned",
        "Documentation/core-api/cachetlb.rst: flush_tlb_mm() around fork",
        protected,
    ),
]

EXHIBITS = [
    Exhibit(
        "B-45w",
        "ff1712f953e2",
        "arm64's write protection sets the bit whose absence means dirty",
        "fork-dirty",
        plugin="arch_plugins.arm64:Arm64",
        lacks=frozenset({"ff1712f953e2"}),
    ),
]
