"""The cells and operations of the ladder (benchmarks/ladder.py), for each policy."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

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
