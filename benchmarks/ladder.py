"""The race of Linux commit 5df397dec7c4 as a fixed benchmark: writers, a zapper and a cleaner.

The model is small, exact and independent of the project's mm core, so that other tools can count the same states
(`rmap_race.pml` beside it is the same model for SPIN).  One operation here is one atomic transition there.

Data types
    Size      writers, pages, stores of each writer, rounds of the cleaner
    Pte       None (not present) or (writable, dirty)
    Words     the operations, for one policy
    POLICIES  when the rmap is removed, and who flushes
        EARLY     rmap at the clear, flush before the page-table lock is released
        DELAYED   rmap after that flush
        NOFLUSH   EARLY, but nothing is flushed until the pages are freed
        UP        one CPU, one TLB: while the page-table lock is held only its holder runs
        S390      the clear itself flushes on all CPUs

EARLY loses data.  The shortest paths to that have depth 22, 28, 31 and 42 at (1,1,2,1), (2,1,2,2), (2,2,2,1) and
(3,2,3,2), as SPIN and `Verdict.depth` count: the steps before the one that loses the data.  The trace has one line
more.

There are only stores, so a TLB entry that is not dirty behaves like none, and a TLB is the set of pages cached dirty.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from benchmarks.ladder_operations import (
    CLEANED,
    POLICIES,
    PTL,
    Pte,
    Size,
    Words,
    clean_ipi,
    disk,
    folio_lock,
    freed,
    mapcount,
    mem,
    pg_dirty,
    pte,
    take_clean,
    take_zap,
    tlb,
    zap_ipi,
)
from core.explore import Daemon, Model, Property, Thread
from core.machine.op import Cell, Cpu, Page, Tid


async def writer(do: Words, cpu: int) -> None:
    """User code: stores until it is done, or until a page is not mapped any more."""
    done = 0
    while done < do.size.stores:
        said = await do.stores(cpu)
        if said == "stored":
            done += 1
        elif said == "gone" or not await fault(do, said):
            return
        del said


async def fault(do: Words, page: int) -> bool:
    """The write fault on a shared mapping. Returns False if the page is not mapped any more."""
    await do.lock(f"lock folio {page}", folio_lock(page))
    await do.ptl_lock()
    present = await do.present_or_unlock(page)
    if present:
        await do.ptl_unlock()
        await do.put(f"set PG_dirty {page}", pg_dirty(page), True)
    await do.put(f"unlock folio {page}", folio_lock(page), False)
    return bool(present)


@dataclass
class Gather:
    """The zapper's state: was any PTE dirty, and the pages whose rmap removal is delayed."""

    any_dirty: bool = False
    delayed: list[int] = field(default_factory=list)


async def zapper(do: Words) -> None:
    """zap_pte_range(), and the freeing of the pages."""
    early = do.policy not in ("NOFLUSH", "S390")
    await do.ptl_lock()
    await zap_and_unlock(do, early)
    for page in range(do.size.pages):
        await do.put(f"free page {page}", freed(page), True)
    if do.policy == "NOFLUSH":
        await flush_all(do)


async def zap_and_unlock(do: Words, flush: bool) -> None:
    """Clear all PTEs and release the lock; with `flush`, flush before that if any PTE was dirty, else after it."""
    gather = Gather()
    for page in range(do.size.pages):
        await zap_page(do, gather, page)
    if not gather.any_dirty:
        await do.ptl_unlock()
    if flush:
        await flush_all(do)
    if gather.any_dirty:
        while gather.delayed:
            await do.put(f"remove rmap {gather.delayed[0]}", mapcount(gather.delayed[0]), False)
            gather.delayed.pop(0)
        await do.ptl_unlock()


async def flush_all(do: Words) -> None:
    """Flush every TLB."""
    if do.up:
        await do.flush_local()
    else:
        await do.ipi_all("send IPIs", zap_ipi)
        await do.ipi_wait("IPIs done?", zap_ipi)


async def zap_page(do: Words, gather: Gather, page: int) -> None:
    """Clear the PTE and remove the rmap, unless the PTE was dirty and the policy delays that."""
    dirty = await do.ptep_get_and_clear(page)
    if dirty:
        await do.put(f"set PG_dirty {page}", pg_dirty(page), True)
        if do.policy in ("EARLY", "DELAYED", "UP"):
            gather.any_dirty = True
        if do.policy == "DELAYED":
            gather.delayed.append(page)
            return
    await do.put(f"remove rmap {page}", mapcount(page), False)


async def cleaner(do: Words) -> None:
    """Writeback: clear_page_dirty_for_io() and the write, page by page."""
    for _ in range(do.size.rounds):
        for page in range(do.size.pages):
            await do.lock(f"lock folio {page}", folio_lock(page))
            if await do.is_mapped(page):
                await mkclean(do, page)
            if await do.test_clear_dirty(page):
                await do.write_out(page)
            await do.put(f"unlock folio {page}", folio_lock(page), False)


async def mkclean(do: Words, page: int) -> None:
    """folio_mkclean(): write-protect and clean the PTE, flush, and transfer the dirty bit to PG_dirty."""
    await do.ptl_lock()
    dirty = await do.mkclean_or_unlock(page)
    if dirty is None:
        return
    if do.ipis:
        await do.ipi_all("send IPIs", clean_ipi, (CLEANED, Page(page)))
        await do.ipi_wait("IPIs done?", clean_ipi, (CLEANED, Page(0)))
    await do.ptl_unlock()
    if dirty:
        await do.put(f"set PG_dirty {page}", pg_dirty(page), True)


def ladder(policy: str, size: Size) -> Model:
    """The model. ValueError for an unknown policy."""
    if policy not in POLICIES:
        raise ValueError(f"policy {policy!r}, expected one of {', '.join(POLICIES)}")
    threads = [_writer(size, policy, cpu) for cpu in range(size.cpus)]
    zap = Words(size, policy, Tid(size.cpus + 1))
    clean = Words(size, policy, Tid(size.cpus + 2))
    threads.append(Thread("zapper", zap.cpu(size.cpus), zap.me, lambda: zapper(zap)))
    threads.append(Thread("cleaner", clean.cpu(size.cpus + 1), clean.me, lambda: cleaner(clean)))
    return Model(
        name=f"ladder {policy} {tuple(size)}",
        threads=tuple(threads),
        initial=_initial(size),
        daemons=tuple(_daemons(size)) if zap.ipis else (),
        finally_=tuple(_saved(page) for page in range(size.pages)),
        sentences={"use-after-free": "A store through a stale translation hits a freed page."},
        symmetric=(tuple(f"writer {cpu}" for cpu in range(size.cpus)),) if size.cpus > 1 else (),
    )


def _writer(size: Size, policy: str, cpu: int) -> Thread:
    words = Words(size, policy, Tid(cpu + 1))
    return Thread(f"writer {cpu}", words.cpu(cpu), words.me, lambda: writer(words, cpu))


def _daemons(size: Size) -> list[Daemon]:
    return [
        Daemon(f"interrupt {cpu}", Cpu(cpu), take(cpu, size.pages))
        for cpu in range(size.cpus)
        for take in (take_zap, take_clean)
    ]


def _initial(size: Size) -> dict[Cell, Hashable]:
    cells: dict[Cell, Hashable] = {PTL: None, CLEANED: Page(0)}
    for page in range(size.pages):
        cells |= {pte(page): Pte(False, False), mapcount(page): True, mem(page): 0, disk(page): 0}
        cells |= dict.fromkeys((pg_dirty(page), freed(page), folio_lock(page)), False)
    for cpu in range(size.cpus):
        cells |= dict.fromkeys((zap_ipi(cpu), clean_ipi(cpu)), False)
        cells |= {tlb(cpu, page): False for page in range(size.pages)}
    return cells


def _saved(page: int) -> Property:
    return Property(
        f"saved {page}",
        f"At the end page {page} has data that is not on the disk, and no dirty bit is set.",
        (mem(page), disk(page), pg_dirty(page), pte(page)),
        lambda memory, stored, dirty, entry: memory == stored or dirty or (entry is not None and entry.dirty),
    )


LADDER: dict[str, dict[Size, tuple[int, int]]] = {
    "EARLY": {
        Size(1, 1, 2, 1): (846, 1664),
        Size(1, 2, 2, 1): (11612, 27186),
        Size(2, 1, 2, 2): (22652, 56049),
        Size(1, 3, 2, 1): (82784, 207019),
        Size(3, 1, 2, 1): (92653, 275568),
        Size(2, 2, 2, 1): (323079, 948520),
    },
    "DELAYED": {
        Size(1, 1, 2, 1): (786, 1539),
        Size(1, 2, 2, 1): (10698, 25076),
        Size(2, 1, 2, 2): (19650, 47993),
        Size(1, 3, 2, 1): (76948, 192829),
        Size(3, 1, 2, 1): (84209, 248618),
        Size(2, 2, 2, 1): (292256, 857729),
    },
    "NOFLUSH": {
        Size(1, 1, 2, 1): (810, 1608),
        Size(1, 2, 2, 1): (12056, 28704),
        Size(2, 1, 2, 2): (22544, 56751),
        Size(1, 3, 2, 1): (88792, 226539),
        Size(3, 1, 2, 1): (103596, 318747),
        Size(2, 2, 2, 1): (384328, 1172657),
    },
    "UP": {
        Size(1, 1, 2, 1): (523, 762),
        Size(1, 2, 2, 1): (8038, 12436),
        Size(2, 1, 2, 2): (9995, 16727),
        Size(1, 3, 2, 1): (62501, 98274),
        Size(3, 1, 2, 1): (30260, 54569),
        Size(2, 2, 2, 1): (180174, 323010),
    },
    "S390": {
        Size(1, 1, 2, 1): (501, 946),
        Size(1, 2, 2, 1): (7967, 18471),
        Size(2, 1, 2, 2): (10235, 23278),
        Size(1, 3, 2, 1): (62496, 156514),
        Size(3, 1, 2, 1): (33562, 85211),
        Size(2, 2, 2, 1): (193513, 553720),
    },
}
"""States and edges of the whole state space without reductions, as counted by three other tools."""

LARGER: dict[Size, int] = {
    Size(2, 2, 3, 2): 3249728,
    Size(2, 3, 2, 1): 4173553,
    Size(3, 2, 2, 1): 7212444,
    Size(3, 2, 2, 2): 22527613,
    Size(3, 2, 3, 1): 40377437,
}
"""States of DELAYED at larger sizes."""
