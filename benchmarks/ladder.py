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

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.explore import Daemon, Model, Property, Thread
from core.machine.op import Cell, Cpu, Op, Outcome, Page, Tid

POLICIES = ("EARLY", "DELAYED", "NOFLUSH", "UP", "S390")
MODULUS = 4
"""The versions of memory and disk are counted modulo this."""


class Size(NamedTuple):
    """The size of the model."""

    cpus: int
    pages: int
    stores: int
    rounds: int


class Pte(NamedTuple):
    """A present entry."""

    writable: bool
    dirty: bool


PTL = Cell("ptl")
CLEANED = Cell("clean_page")


def pte(page: int) -> Cell:
    """The page-table entry."""
    return Cell("pte", Page(page))


def mapcount(page: int) -> Cell:
    """Does the page have an rmap?"""
    return Cell("mapcount", Page(page))


def pg_dirty(page: int) -> Cell:
    """PG_dirty."""
    return Cell("PG_dirty", Page(page))


def freed(page: int) -> Cell:
    """Has the page been freed?"""
    return Cell("freed", Page(page))


def folio_lock(page: int) -> Cell:
    """PG_locked."""
    return Cell("folio_lock", Page(page))


def mem(page: int) -> Cell:
    """The version of the page in memory."""
    return Cell("mem", Page(page))


def disk(page: int) -> Cell:
    """The version of the page on disk."""
    return Cell("disk", Page(page))


def zap_ipi(cpu: int) -> Cell:
    """Is an IPI of the zapper pending?"""
    return Cell("zap_ipi", Cpu(cpu))


def clean_ipi(cpu: int) -> Cell:
    """Is an IPI of the cleaner pending?"""
    return Cell("clean_ipi", Cpu(cpu))


def tlb(cpu: int, page: int) -> Cell:
    """Is the page cached dirty in the TLB?"""
    return Cell("tlb", (Cpu(cpu), Page(page)))


class Words:
    """The operations of thread `me` under `policy`. On UP all are blocked while another holds the page-table lock."""

    __shootdown_entity__ = True

    def __init__(self, size: Size, policy: str, me: Tid) -> None:
        self.size, self.policy, self.me = size, policy, me
        self.up = policy == "UP"
        self.ipis = policy not in ("UP", "S390")
        self.tlbs = range(1 if self.up else size.cpus)
        self.held: Hashable = me if self.up else True

    def cpu(self, number: int) -> Cpu:
        """The CPU of the thread that runs on CPU `number` on SMP."""
        return Cpu(0 if self.up else number)

    def op(self, name: str, reads: Sequence[Cell], writes: Sequence[Cell], step: Callable[..., list[Outcome]]) -> Op:
        """An operation; on UP it is blocked while another thread holds the page-table lock."""
        if not self.up or PTL in reads:
            return Op(name, tuple(reads), tuple(writes), step)
        me = self.me

        def gated(owner: Hashable, *values: Any) -> list[Outcome]:
            return step(*values) if owner in (None, me) else []

        return Op(name, (PTL, *reads), tuple(writes), gated)

    def put(self, name: str, cell: Cell, value: Hashable) -> Op:
        """Write `value` to a cell."""
        return self.op(name, (), (cell,), lambda: [Outcome(None, (value,))])

    def lock(self, name: str, cell: Cell, held: Hashable = True) -> Op:
        """Take a lock, whose cell holds `held` then."""
        return self.op(name, (cell,), (cell,), lambda owner: [] if owner else [Outcome(None, (held,))])

    def ptl_lock(self) -> Op:
        """Take the page-table lock."""
        return self.lock("lock PTL", PTL, self.held)

    def ptl_unlock(self) -> Op:
        """Release the page-table lock."""
        held = self.held
        return self.op("unlock PTL", (PTL,), (PTL,), lambda owner: [Outcome(None, (None,))] if owner == held else [])

    def ipi_all(self, name: str, cell: Callable[[int], Cell], *also: tuple[Cell, Hashable]) -> Op:
        """Send an IPI to all CPUs and write the cells in `also`."""
        cells = [cell(cpu) for cpu in range(self.size.cpus)]
        written = (*[True for _ in cells], *[value for _, value in also])
        return self.op(name, (), (*cells, *[cell for cell, _ in also]), lambda: [Outcome(None, written)])

    def ipi_wait(self, name: str, cell: Callable[[int], Cell], *also: tuple[Cell, Hashable]) -> Op:
        """Wait until all CPUs have served the IPI, and write the cells in `also`."""
        cells = [cell(cpu) for cpu in range(self.size.cpus)]
        written = tuple(value for _, value in also)
        return self.op(
            name,
            cells,
            tuple(cell for cell, _ in also),
            lambda *pending: [] if any(pending) else [Outcome(None, written)],
        )

    def stores(self, cpu: int) -> Op:
        """One store to any page. Returns 'stored', 'gone' (not present), or the page whose fault it is."""
        cpu, pages = self.cpu(cpu), range(self.size.pages)
        cells = [cell(p) for p in pages for cell in (pte, lambda p: tlb(cpu, p), mem, freed)]
        writes = [cell(p) for p in pages for cell in (pte, lambda p: tlb(cpu, p), mem)]

        def step(*values: Any) -> list[Outcome]:
            return [_store(page, values) for page in pages]

        return self.op("store", cells, writes, step)

    def present_or_unlock(self, page: int) -> Op:
        """The page fault under its locks: make the PTE writable and dirty, or release the page-table lock if there is
        none.

        Returns whether the PTE was present.
        """

        def step(entry: Pte | None, owner: Hashable) -> list[Outcome]:
            if entry is None:
                return [Outcome(False, (None, None))]
            return [Outcome(True, (Pte(True, True), owner))]

        return self.op(f"fault: set PTE {page}", (pte(page), PTL), (pte(page), PTL), step)

    def invalidated(self, page: int) -> list[Cell]:
        """The TLB entries that are invalidated when PTE `page` is cleared."""
        return [tlb(cpu, page) for cpu in self.tlbs]

    def ptep_get_and_clear(self, page: int) -> Op:
        """Clear the PTE. Returns whether it was dirty."""
        gone = self.invalidated(page) if self.policy == "S390" else []
        off = (False,) * len(gone)
        return self.op(
            f"clear PTE {page}",
            (pte(page),),
            (pte(page), *gone),
            lambda entry: [Outcome(entry is not None and entry.dirty, (None, *off))],
        )

    def mkclean_or_unlock(self, page: int) -> Op:
        """Write-protect and clean the PTE. Returns whether it was dirty.

        If there is nothing to clean it releases the page-table lock and returns None.
        """
        gone = [] if self.ipis else self.invalidated(page)

        def step(entry: Pte | None, owner: Hashable, *cached: bool) -> list[Outcome]:
            if entry is None or not any(entry):
                return [Outcome(None, (entry, None, *cached))]
            return [Outcome(entry.dirty, (Pte(False, False), owner, *[False for _ in cached]))]

        cells = (pte(page), PTL, *gone)
        return self.op(f"mkclean PTE {page}", cells, cells, step)

    def flush_local(self) -> Op:
        """Flush the only TLB (UP)."""
        cells = [tlb(0, page) for page in range(self.size.pages)]
        return self.op("flush", (), cells, lambda: [Outcome(None, (False,) * len(cells))])

    def is_mapped(self, page: int) -> Op:
        """Does the page have an rmap?"""
        return self.op(f"page {page} mapped?", (mapcount(page),), (), lambda mapped: [Outcome(mapped)])

    def test_clear_dirty(self, page: int) -> Op:
        """Test and clear PG_dirty."""
        cell = pg_dirty(page)
        return self.op(f"test and clear PG_dirty {page}", (cell,), (cell,), lambda d: [Outcome(d, (False,))])

    def write_out(self, page: int) -> Op:
        """Write the page to the disk."""
        return self.op(f"write page {page}", (mem(page),), (disk(page),), lambda v: [Outcome(None, (v,))])


def _store(page: int, values: Sequence[Any]) -> Outcome:
    """A store to `page`: through the TLB, by a walk that sets the dirty bit, or a fault."""
    entries, cached, memory, is_freed = values[0::4], values[1::4], values[2::4], values[3::4]
    written = [item for trio in zip(entries, cached, memory, strict=True) for item in trio]
    entry = entries[page]
    if not cached[page]:
        if entry is None:
            return Outcome("gone", tuple(written))
        if not entry.writable:
            return Outcome(page, tuple(written))
        written[3 * page] = Pte(True, True)
        written[3 * page + 1] = True
    written[3 * page + 2] = (memory[page] + 1) % MODULUS
    return Outcome("stored", tuple(written), "use-after-free" if is_freed[page] else "")


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


def take_zap(cpu: int, pages: int) -> Op:
    """Daemon: the zapper's IPI is served; it flushes the whole TLB."""
    cells = (zap_ipi(cpu), *[tlb(cpu, page) for page in range(pages)])
    off = (False,) * len(cells)
    return Op("take zap IPI", (zap_ipi(cpu),), cells, lambda pending: [Outcome(None, off)] if pending else [])


def take_clean(cpu: int, pages: int) -> Op:
    """Daemon: the cleaner's IPI is served; it flushes the page that is being cleaned."""
    cells = (clean_ipi(cpu), *[tlb(cpu, page) for page in range(pages)])

    def step(pending: bool, *rest: Any) -> list[Outcome]:
        if not pending:
            return []
        cached, cleaned = list(rest[:-1]), rest[-1]
        cached[cleaned] = False
        return [Outcome(None, (False, *cached))]

    return Op("take clean IPI", (*cells, CLEANED), cells, step)


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
