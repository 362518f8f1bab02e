"""Races that take more than one flush, more than one entry, or more than two CPUs.

switch-twice: a CPU is away while two flushes are made, of which it is sent neither

CPU0 user                    CPU1 MADV_DONTNEED, twice
load: cached
another task runs here
                             clear entry 0, flush, free
                             clear entry 1, flush, free
back again: one flush makes up for both, or for one of them
load through the stale entry

lazy-twice: a CPU on borrowed page tables is told to leave them, and its walker may fill its TLB until it has

CPU0 user, kernel thread     CPU1 fork, MADV_DONTNEED
load: cached
a kernel thread runs here
                             flush the mm: CPU0 leaves the mask
the walker fills the TLB
                             clear the entry, flush the mask, free
back again
load through the stale entry

batch-join: a CPU joins the mm between two entries that reclaim adds to one batch

CPU0 user                    CPU1 kswapd
                             clear entry 0, note who may have it
back again: the bit is set
load 1: cached
                             clear entry 1, note who may have it
                             flush those that were noted, free both
load through the stale entry

batch-several: a batch flushes every entry that was added to it, not the last, nor the first

three-cpus: a flush has to reach two other CPUs, and they may differ in how they are reached
"""

from __future__ import annotations

from dataclasses import replace

from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.task_migration import HERE, on
from core.conformance.world import Program, World, load, pick
from core.explore.model import Daemon, Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell, tlb_cell
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import Era
from core.mm.kthread import lazy_fill
from core.mm.mm import Mm, Vma
from core.mm.reclaim import shrink_folio_list
from core.mm.sched import switch_in, switch_out
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

BOTH = (0, 1)
"""Two pages, each at the address of its number."""


def away_once(lazily: bool, *pages: int) -> Program:
    """A user of one of the pages, whichever, whose CPU does something else in between."""

    async def program(mm: Mm) -> None:
        addr = pages[await pick(len(pages))]
        await switch_in(mm)
        await load(mm, addr, [addr])
        await switch_out(mm, lazily)
        await switch_in(mm, mm if lazily else None)
        await load(mm, addr, [addr])

    return program


async def dontneed(mm: Mm, addr: int) -> None:
    """MADV_DONTNEED of one page."""
    await madvise_dontneed(mm, Vma(addr, addr + 1), addr, addr + 1)


# ---- a CPU that is away --------------------------------------------------------------------------------------


async def unmaps_both(mm: Mm) -> None:
    """Two system calls, each with a flush of its own."""
    await switch_in(mm)
    for addr in BOTH:
        await dontneed(mm, addr)


def twice(arch: Arch, era: Era) -> Model:
    """Two flushes while a CPU may be away."""
    mapped = {addr: Pte(addr, dirty=True) for addr in BOTH}
    world = World(arch, era, mapped, frozenset(BOTH), more=on(2))
    world.task("user", away_once(False, *BOTH))
    world.task("unmap", unmaps_both)
    window = sometimes(
        "first-flushed",
        "the first page is free, and the CPU that comes and goes has the second cached",
        (ref_cell(0), ref_cell(1), tlb_cell(HERE, 1)),
        lambda first, second, entry: first == 0 and second == 1 and entry is not None,
    )
    made = world.model("switch-twice", finally_=[all_freed(page, 0) for page in BOTH], sometimes=[window])
    world.attach()
    return made


async def flushes_and_unmaps(mm: Mm) -> None:
    """fork() ends with a flush of the mm, after which CPUs that were lazy have left it; then MADV_DONTNEED."""
    await switch_in(mm)
    await mm.hook.flush_tlb_mm(mm=mm)
    await dontneed(mm, 0)


def lazy_twice(arch: Arch, era: Era) -> Model:
    """Two flushes while a CPU runs a kernel thread, and its walker goes on while it is on the page tables."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, frozenset({0}), more=on(2))
    world.task("user", away_once(True, 0))
    world.task("fork", flushes_and_unmaps)
    window = sometimes(
        "cached",
        "the CPU that comes and goes has the page cached",
        (tlb_cell(HERE, 0),),
        lambda entry: entry is not None,
    )
    made = world.model("lazy-twice", finally_=[all_freed(0, 0)], sometimes=[window])
    world.attach()
    if arch.facts.walker not in ("caches", "hardware"):
        return made
    fill = Daemon("walker", HERE, lazy_fill(HERE, 0, arch.facts.hw_dirty))
    return replace(made, daemons=(*made.daemons, fill))


# ---- one batch, several entries ------------------------------------------------------------------------------


def reclaiming(arch: Arch, era: Era, pages: tuple[int, ...], more: dict[str, object]) -> World:
    """Clean pages, which kswapd has isolated."""
    mapped = {page: Pte(page, write=False) for page in pages}
    world = World(arch, era, mapped, frozenset(pages), more={"reclaims": True, **more})
    for page in pages:
        world.memory[ref_cell(page)] = 2  # the mapping's, and that of isolation
    return world


def kswapd(*pages: int) -> Program:
    """One batch for all pages."""

    async def program(mm: Mm) -> None:
        await shrink_folio_list(mm, UnmapBatch(), pages)

    return program


def joins(arch: Arch, era: Era) -> Model:
    """A CPU that comes and goes, and a batch of two entries."""
    world = reclaiming(arch, era, BOTH, on(2))
    world.task("user", away_once(False, *BOTH))
    world.kthread("kswapd", kswapd(*BOTH))
    window = sometimes(
        "between-two",
        "one entry is in the batch, the other is not, and is cached",
        (pte_cell(0), pte_cell(1), ref_cell(0), tlb_cell(HERE, 1)),
        lambda first, second, ref, entry: not isinstance(first, Pte) and second and ref and entry is not None,
    )
    made = world.model("batch-join", finally_=[all_freed(page, 0) for page in BOTH], sometimes=[window])
    world.attach()
    return made


THREE = (0, 1, 2)


async def reader(mm: Mm) -> None:
    """Two loads from one of the pages, whichever."""
    addr = await pick(len(THREE))
    for _ in range(2):
        await load(mm, addr, [addr])


def all_cleared(*state: object) -> bool:
    """Of three entries, their references, and the TLB's entries: also where each addition waits for its own flush."""
    ptes, refs, cached = state[:3], state[3:6], state[6:]
    return not any(isinstance(pte, Pte) for pte in ptes) and all(refs) and set(cached) != {None}


def several(arch: Arch, era: Era) -> Model:
    """A user of any page of a batch of three."""
    world = reclaiming(arch, era, THREE, {})
    user = world.task("user", reader)
    world.kthread("kswapd", kswapd(*THREE))
    window = sometimes(
        "all-cleared",
        "all entries are cleared, no page is free, and one is cached",
        (*map(pte_cell, THREE), *map(ref_cell, THREE), *(tlb_cell(user.cpu, page) for page in THREE)),
        all_cleared,
    )
    return world.model("batch-several", finally_=[all_freed(page, 0) for page in THREE], sometimes=[window])


# ---- three CPUs ----------------------------------------------------------------------------------------------


async def reads(mm: Mm) -> None:
    """Two loads."""
    for _ in range(2):
        await load(mm, 0, [0])


def three(arch: Arch, era: Era) -> Model:
    """Two CPUs use a page that a third unmaps."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, frozenset({0}))
    users = [world.task(name, reads) for name in ("user", "other")]
    world.task("unmap", lambda mm: dontneed(mm, 0))
    window = sometimes(
        "cached-twice",
        "two CPUs have the page cached, and it is not free",
        (ref_cell(0), *(tlb_cell(user.cpu, 0) for user in users)),
        lambda ref, *entries: ref == 1 and None not in entries,
    )
    return world.model("three-cpus", finally_=[all_freed(0, 0)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "switch-twice",
        "a CPU that comes back to an mm after two flushes has no entry that either was for",
        "arch/x86/mm/tlb.c:flush_tlb_func",
        twice,
        tier="optional",
        requires=("smp",),
    ),
    Scenario(
        "lazy-twice",
        "a CPU that has been told to leave borrowed page tables has no entry that its walker has filled since",
        "arch/powerpc/mm/book3s64/radix_tlb.c:exit_lazy_flush_tlb",
        lazy_twice,
        tier="optional",
        requires=("smp", "spread"),
    ),
    Scenario(
        "batch-join",
        "a CPU that joins an mm between two entries of one batch has neither when their pages are freed",
        "arch/x86/include/asm/tlbflush.h:arch_tlbbatch_add_pending",
        joins,
        tier="optional",
        requires=("smp", "batched_unmap", "flush_before_free"),
    ),
    Scenario(
        "batch-several",
        "no page of several that reclaim unmaps together is freed while a CPU can use its entry",
        "mm/rmap.c:try_to_unmap_flush",
        several,
        tier="optional",
        requires=("smp", "batched_unmap", "flush_before_free"),
    ),
    Scenario(
        "three-cpus",
        "a flush reaches two other CPUs, also where they are reached in different ways",
        "arch/x86/mm/tlb.c:broadcast_tlb_flush",
        three,
        tier="optional",
        requires=("smp", "several_cpus", "flush_before_free"),
    ),
]
