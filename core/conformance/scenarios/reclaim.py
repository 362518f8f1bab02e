"""Reclaim defers its flushes, and somebody relies on the entries that it has cleared.

B-04, d950c9477d51: I/O starts while a CPU can still write

CPU0 user            CPU1 kswapd
store: dirty, cached
                     clear the entry, PG_dirty, put the flush off
                     pageout: the disk has what memory has
store through the
stale dirty entry
                     flush, free                    the last store is lost

B-14, 3ea277194daa: mprotect finds an empty entry

CPU0 user            CPU1 kswapd                    CPU2 mprotect
store: cached rw
                     clear the entry, put the flush off
                                                    the entry is empty: nothing to flush
                                                    returns: the range is read-only
store through the stale entry
                     flush

B-15, 5ee2fa2f0636: a flag is cleared that another reclaimer has just set

CPU0 user            CPU1 kswapd                    CPU2 MADV_DONTNEED
                     clear entry 0, pending = true
                                                    pending: flush the mm
load 1: cached
                     clear entry 1, pending = true
                                                    pending = false
                                                    entry 1 is empty, nothing is pending: returns
                     flush

B-16, 383c4613c67c: the lock is released and taken again without checking for pending flushes again

CPU0 user            CPU1 kswapd                    CPU2 MADV_FREE
                                                    lock, nothing is pending
                                                    unlock, split a large folio
load 1: cached
                     clear entry 1, put the flush off
                                                    lock, entry 1 is empty: returns
                     flush

B-17, b385d21f27d8: reclaim within reclaim

CPU0 user            CPU1 memcg reclaim
load: cached
                     clear the entry, put the flush off
                     pageout allocates: global reclaim begins with an empty batch, and unmaps nothing
                     nothing to flush, free
load: use after free

B-26, 4b634918384c, on arm64: a barrier completes what its own CPU has issued

CPU0 user            CPU1 kswapd                    CPU2 mprotect
store: cached rw
                     clear the entry
                     TLBI, no DSB: put off
                                                    the entry is empty, a flush is pending
                                                    DSB: completes nothing of CPU1's
                                                    returns: the range is read-only
store through the stale entry

reclaim-mremap: mremap(MREMAP_DONTUNMAP) moves an entry that reclaim has cleared.  Without the flag munmap() of the old
place would look for deferred flushes behind it.  reclaim-flushed: the same while another call, under another lock,
flushes what is pending; only when that flush is done may it say so.

CPU0 user            CPU1 kswapd                    CPU2 truncate, of page 1    CPU3 mremap
load 0: cached
                     clear entry 0, pending = true
                                                    pending: about to flush
                                                                                pending: flush too
                                                                                move entry 0, return
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, contents_known, mapcount_is_ptes, no_lost_dirty, sometimes
from core.conformance.scenario import Build, Scenario
from core.conformance.world import Program, World, load, raw_stores, relying, returned, store
from core.explore.model import Model, Property
from core.machine.op import Op
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.batched_unmap import BATCHED, UnmapBatch
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.mprotect import wrprotect
from core.mm.page import pg_dirty_cell
from core.mm.reclaim import shrink_folio_list, shrink_lruvec
from core.mm.syscalls import madvise_dontneed, madvise_free, mprotect, mremap, truncate_pagecache
from core.plugins.arch import Arch

VMA = Vma(0, 1)
REQUIRES = ("batched_unmap", "smp")
"""Of scenarios in which somebody finds that a flush is pending."""


def kswapd(*pages: int) -> Program:
    """Reclaim `pages`."""

    async def program(mm: Mm) -> None:
        await shrink_lruvec(mm, UnmapBatch(), pages)

    return program


async def memcg_reclaim(mm: Mm) -> None:
    """Reclaim page 0; writing it to swap allocates, and global reclaim finds nothing to unmap."""
    await shrink_lruvec(mm, UnmapBatch(), [0], lambda ubc: shrink_lruvec(mm, ubc, []))


async def writer(mm: Mm) -> None:
    """Store twice."""
    if await store(mm, VMA, 0, [0]):
        await store(mm, VMA, 0, [0])


async def reader_of(page: int, mm: Mm) -> None:
    """Load twice from the virtual page that has the number of its page."""
    if await load(mm, page, [page]):
        await load(mm, page, [page])


def put_off(addr: int) -> Property:
    """The window: a flush is deferred."""
    return sometimes(
        "put-off",
        "the entry is gone and its flush is put off",
        (pte_cell(addr), BATCHED),
        lambda pte, batched: not isinstance(pte, Pte) and batched[0] != batched[1],
    )


def unmapped(arch: Arch, page: int, kept: int) -> Property:
    """The window where reclaim may as well flush at once: a flush is deferred, or the page is gone from its entry.

    The page is mapped at its own number, and not free before it has `kept` references.
    """
    if "batched_unmap" in arch.facts.capabilities:
        return put_off(page)
    return sometimes(
        "unmapped-but-held",
        "the entry is gone, and the page is not free",
        (pte_cell(page), ref_cell(page)),
        lambda pte, ref: not isinstance(pte, Pte) and ref >= kept,
    )


def agree(page: int) -> list[Property]:
    """At the end the reverse map and the page table agree about a page that is mapped at its own number."""
    return [mapcount_is_ptes(page, [page])]


def io_before_flush(arch: Arch, era: Era) -> Model:
    """A user stores to a file page that is being reclaimed."""
    world = World(arch, era, {0: Pte(0)}, more={"reclaims": True})
    world.memory[ref_cell(0)] = 2  # the mapping's and the page cache's
    world.task("user", writer)
    world.kthread("kswapd", kswapd(0))
    return world.model(
        "reclaim-dirty", always=[no_lost_dirty(0, [0])], finally_=agree(0), sometimes=[unmapped(arch, 0, 1)]
    )


def mprotect_of_reclaimed(arch: Arch, era: Era) -> Model:
    """mprotect(PROT_READ) of a page that is being reclaimed."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, anon=frozenset({0}), more={"reclaims": True})
    world.memory[ref_cell(0)] = 2  # the mapping's and the reclaimer's, as for any anonymous page here
    world.task("user", raw_stores(0, [0]))
    world.kthread("kswapd", kswapd(0))

    async def lower(mm: Mm) -> None:
        await mprotect(mm, [Vma(0, 1)], wrprotect)
        await returned(mm, 0)

    world.task("mprotect", lower)
    return world.model("reclaim-mprotect", finally_=[*agree(0), contents_known(0)], sometimes=[unmapped(arch, 0, 1)])


def pending_set_during_flush(arch: Arch, era: Era) -> Model:
    """MADV_DONTNEED over two tables, each with a page that is being reclaimed."""
    mapped = {0: Pte(0), 1: Pte(1)}
    world = World(arch, era, mapped, anon=frozenset({0, 1}), geometry={"ptes_per_table": 1}, more={"reclaims": True})
    world.memory[ref_cell(0)] = world.memory[ref_cell(1)] = 2
    world.task("user", lambda mm: load(mm, 1, [1]))
    world.kthread("kswapd", kswapd(0, 1))

    async def dontneed(mm: Mm) -> None:
        await madvise_dontneed(mm, Vma(0, 2), 0, 2)
        await returned(mm, 1)

    world.task("madvise", dontneed)
    return world.model("reclaim-pending", finally_=[*agree(0), *agree(1)], sometimes=[put_off(1)])


def relocked(arch: Arch, era: Era) -> Model:
    """MADV_FREE has to split a large folio of which only the first page is in its range."""
    small = 5
    mapped = {0: Pte(0), 1: Pte(small)}
    more = {"reclaims": True, "folio": lambda page: (page, 1) if page == small else (0, 2)}
    world = World(arch, era, mapped, anon=frozenset({0, small}), more=more)
    world.memory[ref_cell(small)] = 2
    world.task("user", lambda mm: load(mm, 1, [small]))
    world.kthread("kswapd", kswapd(small))

    async def free(mm: Mm) -> None:
        await relying(madvise_free(mm, Vma(0, 2), 0, 2), mm, 1)

    world.task("madvise", free)
    return world.model("reclaim-relocked", finally_=[mapcount_is_ptes(small, [1])], sometimes=[put_off(1)])


def recursion(arch: Arch, era: Era) -> Model:
    """A clean entry of a dirty page: its flush is still deferred when pageout() allocates."""
    world = World(arch, era, {0: Pte(0)}, anon=frozenset({0}), more={"reclaims": True})
    world.memory[ref_cell(0)] = 2
    world.memory[pg_dirty_cell(0)] = True
    world.task("user", partial(reader_of, 0))
    world.kthread("reclaim", memcg_reclaim)
    return world.model(
        "reclaim-recursion", finally_=[all_freed(0, 0), *agree(0), contents_known(0)], sometimes=[put_off(0)]
    )


def two_spaces(arch: Arch, era: Era) -> Model:
    """One batch with a page of each of two address spaces, which run on one CPU each: page 0 on CPU 0, page 1 on CPU 1.

    The two share some cells although they are two mms (locks, counts of pending flushes); only kswapd uses these.
    kswapd has no mm of its own: what it flushes is in the batch, and its mask is empty.
    """
    world = World(arch, era, {0: Pte(0), 1: Pte(1)}, anon=frozenset({0, 1}), more={"reclaims": True})
    world.memory[ref_cell(0)] = world.memory[ref_cell(1)] = 2
    users = [world.task(f"user of mm{page}", partial(reader_of, page)) for page in (0, 1)]
    owners: dict[int, Mm] = {}

    def reclaims(mm: Mm) -> Coroutine[Op, Any, object]:
        return shrink_folio_list(replace(mm, cpus=frozenset()), UnmapBatch(), [0, 1], owners=owners)

    task = world.kthread("kswapd", reclaims)
    for page, user in enumerate(users):
        owners[page] = replace(world.mm().on(task), cpus=frozenset({user.cpu}))
    both = sometimes(
        "both-put-off",
        "both entries are gone, and no page is free",
        (pte_cell(0), pte_cell(1), ref_cell(0)),
        lambda first, second, ref: not isinstance(first, Pte) and not isinstance(second, Pte) and ref == 1,
    )
    finally_ = [all_freed(0, 0), all_freed(1, 0), *agree(0), *agree(1)]
    return world.model("reclaim-two-mms", finally_=finally_, sometimes=[both])


async def moves_and_keeps(mm: Mm) -> None:
    """mremap(MREMAP_DONTUNMAP) of page 0 to where nothing is mapped."""
    await mremap(mm, VMA, Vma(2, 3), dontunmap=True)
    await returned(mm, 0)


def mremap_of_reclaimed(arch: Arch, era: Era) -> Model:
    """mremap of a page that is being reclaimed: what it moves is no entry that it has to flush."""
    mapped = {0: Pte(0), 2: None}
    more = {"reclaims": True, "mappings": {0: (0, 2)}}
    world = World(arch, era, mapped, frozenset({0}), geometry={"ptes_per_table": 1}, more=more)
    world.memory[ref_cell(0)] = 2
    world.task("user", partial(reader_of, 0))
    world.kthread("kswapd", kswapd(0))
    world.task("mremap", moves_and_keeps)
    return world.model("reclaim-mremap", finally_=[mapcount_is_ptes(0, [0, 2])], sometimes=[put_off(0)])


def flushed_by_another(arch: Arch, era: Era) -> Model:
    """The same; a truncation of page 1, which is a file's, looks for deferred flushes too, and takes no mmap_lock."""
    mapped = {0: Pte(0), 1: Pte(1, write=False), 2: None}
    more = {"reclaims": True, "mappings": {0: (0, 2), 1: (1,)}}
    world = World(arch, era, mapped, frozenset({0}), geometry={"ptes_per_table": 1}, more=more)
    world.memory[ref_cell(0)] = world.memory[ref_cell(1)] = 2
    world.task("user", lambda mm: load(mm, 0, [0]))
    world.kthread("kswapd", kswapd(0))
    world.kthread("truncate", lambda mm: truncate_pagecache(mm, [Vma(1, 2)], [1]))
    world.task("mremap", moves_and_keeps)
    return world.model("reclaim-flushed", finally_=[mapcount_is_ptes(0, [0, 2]), *agree(1)], sometimes=[put_off(0)])


def _scenario(name: str, title: str, origin: str, build: Build, requires: tuple[str, ...] = REQUIRES) -> Scenario:
    return Scenario(name, title, origin, build, tier="optional", requires=requires)


SCENARIOS = [
    _scenario(
        "reclaim-dirty",
        "no I/O of a reclaimed page starts while a CPU can still write to it",
        "d950c9477d51",
        io_before_flush,
        requires=("smp",),
    ),
    _scenario(
        "reclaim-mprotect",
        "mprotect does not return while an entry cleared by reclaim is still cached",
        "3ea277194daa",
        mprotect_of_reclaimed,
        requires=("smp",),
    ),
    _scenario(
        "reclaim-pending",
        "an unmap that becomes pending during a flush stays pending",
        "5ee2fa2f0636",
        pending_set_during_flush,
    ),
    _scenario(
        "reclaim-mremap",
        "mremap does not return while an entry cleared by reclaim is still cached at the old address",
        "3ea277194daa",
        mremap_of_reclaimed,
    ),
    _scenario(
        "reclaim-flushed",
        "a deferred flush is taken for done only when it is done",
        "5ee2fa2f0636",
        flushed_by_another,
    ),
    _scenario(
        "reclaim-relocked",
        "pending unmaps are checked again after the page-table lock was released",
        "383c4613c67c",
        relocked,
    ),
    _scenario(
        "reclaim-recursion",
        "reclaim entered from within reclaim does not lose the deferred flush",
        "b385d21f27d8",
        recursion,
    ),
    Scenario(
        "reclaim-two-mms",
        "a batch that holds pages of several address spaces flushes the CPUs of all of them",
        "mm/rmap.c:set_tlb_ubc_flush_pending",
        two_spaces,
        tier="optional",
        requires=("smp", "spread"),
    ),
]

EXHIBITS = [
    Exhibit(id, commit, wrong, scenario, lacks=frozenset({commit}))
    for scenario, id, commit, wrong in (
        (
            "reclaim-dirty",
            "B-04",
            "d950c9477d51",
            "a reclaimed page is written out while a CPU still writes to it",
        ),
        (
            "reclaim-mprotect",
            "B-14",
            "3ea277194daa",
            "mprotect skips an entry that reclaim has cleared but not flushed",
        ),
        (
            "reclaim-pending",
            "B-15",
            "5ee2fa2f0636",
            "a flush clears the pending flag that a reclaimer has just set again",
        ),
        (
            "reclaim-relocked",
            "B-16",
            "383c4613c67c",
            "madvise releases the page-table lock and does not check for pending unmaps again",
        ),
        (
            "reclaim-recursion",
            "B-17",
            "b385d21f27d8",
            "reclaim within reclaim empties the batch: a page is freed without any flush",
        ),
    )
] + [
    Exhibit(
        "B-26",
        "4b634918384c",
        "arm64 waits for a batched flush with a barrier on a CPU that has not issued it",
        "reclaim-mprotect",
        plugin="arch_plugins.arm64:Arm64",
        lacks=frozenset({"4b634918384c"}),
    ),
]
