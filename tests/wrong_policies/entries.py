"""Mistakes in hooks of several entries, in reads, in what mprotect() and faults change, and in waits."""

from __future__ import annotations

from typing import Any

from arch_plugins.generic import Smp, flush_by_ipi, flush_cpus_by_ipi
from core.hookspecs import hookimpl
from core.machine.accessed import test_and_clear_young
from core.machine.ipi import FlushRequest, flush_here, irqs_off_cell
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.pte import Entry, Present, Pte, ptep_get, set_pte, wrprotect_pte, xchg_pte
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm, mm_cpumask
from core.mm.pgtable import (
    clear_young_dirty_ptes,
    get_and_clear_full_ptes,
    get_and_clear_pmd,
    set_pte_at,
    set_ptes,
    wrprotect_ptes,
)


def clean(pte: Any) -> Any:
    """The entry without its dirty bit, if it is present."""
    return pte._replace(dirty=False) if isinstance(pte, Pte) else pte


# ---- several entries -----------------------------------------------------------------------------------------


class Backwards(Smp):
    """Right: every run from its last entry to its first."""

    @hookimpl
    async def set_ptes(self, mm: Mm, addr: int, pte: Entry, nr: int) -> None:
        for at in reversed(range(1, nr)):
            await set_pte(addr + at, pte._replace(frame=pte.frame + at))  # type: ignore[union-attr]
        await set_pte(addr, pte)

    @hookimpl
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> Pte:
        dirty, pte = False, None
        for at in reversed(range(nr)):
            pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr + at, nr=1, full=full)
            dirty |= pte.dirty  # type: ignore[union-attr]
        return pte._replace(dirty=dirty)  # type: ignore[union-attr,return-value]

    @hookimpl
    async def wrprotect_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        for at in reversed(range(nr)):
            await wrprotect_pte(addr + at)

    @hookimpl
    async def clear_young_dirty_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        for at in reversed(range(nr)):
            pte = await xchg_pte(addr + at, 1)
            await set_pte(addr + at, pte._replace(dirty=False))

    @hookimpl
    async def clear_flush_young_ptes(self, mm: Mm, addr: int, nr: int) -> bool:
        answers = [await mm.hook.ptep_clear_flush_young(mm=mm, addr=addr + at) for at in reversed(range(nr))]
        return any(answers)


class SetsOne(Smp):
    """set_ptes() sets the first entry, whatever `nr`."""

    @hookimpl
    async def set_ptes(self, mm: Mm, addr: int, pte: Entry, nr: int) -> None:
        await set_ptes(addr, pte, 1)


class SetsTheSame(Smp):
    """All entries of a run get the page of the first."""

    @hookimpl
    async def set_ptes(self, mm: Mm, addr: int, pte: Entry, nr: int) -> None:
        for at in range(nr):
            await set_pte(addr + at, pte)


class SetsClean(Smp):
    """A new entry is clean: the first store will say so."""

    @hookimpl
    async def set_ptes(self, mm: Mm, addr: int, pte: Entry, nr: int) -> None:
        await set_ptes(addr, clean(pte), nr)


class FullClearsOne(Smp):
    """get_and_clear_full_ptes() clears the first entry."""

    @hookimpl
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> Pte:
        return await get_and_clear_full_ptes(mm, addr, 1, full)


class FullClearsAllButOne(Smp):
    """The last of several stays."""

    @hookimpl
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> Pte:
        return await get_and_clear_full_ptes(mm, addr, max(1, nr - 1), full)


class FullClearsOneMore(Smp):
    """Runs are taken for pairs: of three, four are cleared."""

    @hookimpl
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> Pte:
        return await get_and_clear_full_ptes(mm, addr, nr + nr % 2 if nr > 1 else 1, full)


class DirtyIfTheFirstIs(Smp):
    """What the other entries of a run say of being dirty is not asked."""

    @hookimpl
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        first = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=full)
        for at in range(addr + 1, addr + nr):
            await mm.hook.ptep_get_and_clear(mm=mm, addr=at, nr=1, full=full)
        return first


class WrprotectsOne(Smp):
    """wrprotect_ptes() protects the first entry."""

    @hookimpl
    async def wrprotect_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        await wrprotect_ptes(mm, addr, 1)


class WrprotectsAndCleans(Smp):
    """One atomic step for each entry, which takes the dirty bit too."""

    @hookimpl
    async def wrprotect_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        for at in range(addr, addr + nr):
            pte = await xchg_pte(at, 1)
            await set_pte(at, pte._replace(write=False, dirty=False))


class WrprotectsTorn(Smp):
    """Each entry is read, and written back read-only: a dirty bit of hardware's in between is lost."""

    @hookimpl
    async def wrprotect_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        for at in range(addr, addr + nr):
            pte = await ptep_get(at)
            await set_pte(at, pte._replace(write=False))


class YoungDirtyOne(Smp):
    """clear_young_dirty_ptes() cleans the first entry: the others look as if they had been written again."""

    @hookimpl
    async def clear_young_dirty_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        await clear_young_dirty_ptes(mm, addr, 1)


class YoungDirtyEmpties(Smp):
    """The entries are cleared, to be faulted in again."""

    @hookimpl
    async def clear_young_dirty_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        for at in range(addr, addr + nr):
            await xchg_pte(at, 1)


class YoungOne(Smp):
    """clear_flush_young_ptes() looks at the first entry."""

    @hookimpl
    async def clear_flush_young_ptes(self, mm: Mm, addr: int, nr: int) -> bool:
        return await mm.hook.ptep_clear_flush_young(mm=mm, addr=addr)


class YoungUntilOneIs(Smp):
    """It stops at the first entry that was young: the answer is known."""

    @hookimpl
    async def clear_flush_young_ptes(self, mm: Mm, addr: int, nr: int) -> bool:
        for at in range(addr, addr + nr):
            if await mm.hook.ptep_clear_flush_young(mm=mm, addr=at):
                return True
        return False


# ---- one entry -----------------------------------------------------------------------------------------------


class GetsClean(Smp):
    """ptep_get() masks what it takes for flags of the page."""

    @hookimpl
    async def ptep_get(self, mm: Mm, addr: int) -> Entry:
        entry: Entry = clean(await ptep_get(addr))
        return entry


class GetsHalves(Smp):
    """ptep_get_lockless() reads the low half, then the high half, and does not look at the low half again."""

    @hookimpl
    async def ptep_get_lockless(self, mm: Mm, addr: int) -> Entry:
        low: Entry = await ptep_get(addr, lockless=True)
        high: Entry = await ptep_get(addr, lockless=True)
        both = isinstance(low, Pte) and isinstance(high, Pte)
        return low._replace(frame=high.frame) if both else low  # type: ignore[union-attr]


class GetsHalvesAgain(Smp):
    """Right: until the low half is the same again, as 32-bit x86 has it."""

    @hookimpl
    async def ptep_get_lockless(self, mm: Mm, addr: int) -> Entry:
        while True:
            low: Entry = await ptep_get(addr, lockless=True)
            high: Entry = await ptep_get(addr, lockless=True)
            if low == high:
                return low


class AccessFlagsIgnored(Smp):
    """ptep_set_access_flags() is empty: hardware sets flags."""

    @hookimpl
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        return None


class AccessFlagsClean(Smp):
    """A fault makes the entry writable, and the first store dirty: that the page is dirty already is dropped."""

    @hookimpl
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        await set_pte_at(mm, addr, entry._replace(dirty=False))


class ProtStartReads(Smp):
    """ptep_modify_prot_start() reads the entry, where hardware sets dirty bits."""

    @hookimpl
    async def ptep_modify_prot_start(self, mm: Mm, addr: int) -> Present:
        entry: Present = await ptep_get(addr)
        return entry


class ProtStartTakes(Smp):
    """Right: takes it out in one step."""

    @hookimpl
    async def ptep_modify_prot_start(self, mm: Mm, addr: int) -> Present:
        entry: Present = await xchg_pte(addr, 1, ("clear", addr, 1))
        return entry


class ProtStartClean(Smp):
    """It comes back clean."""

    @hookimpl
    async def ptep_modify_prot_start(self, mm: Mm, addr: int) -> Present:
        entry: Present = clean(await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False))
        return entry


class ProtCommitOld(Smp):
    """ptep_modify_prot_commit() sets what there was."""

    @hookimpl
    async def ptep_modify_prot_commit(self, mm: Mm, addr: int, oldpte: Present, pte: Entry) -> None:
        await set_pte_at(mm, addr, oldpte)


class ProtCommitClean(Smp):
    """The new entry is clean, if it is read-only."""

    @hookimpl
    async def ptep_modify_prot_commit(self, mm: Mm, addr: int, oldpte: Present, pte: Entry) -> None:
        await set_pte_at(mm, addr, clean(pte))


class TestYoungEmpties(Smp):
    """ptep_test_and_clear_young() by way of an empty entry, which stays."""

    @hookimpl
    async def ptep_test_and_clear_young(self, mm: Mm, addr: int) -> bool:
        await xchg_pte(addr, 1)
        return True


class TestYoungTorn(Smp):
    """It writes the entry back as it was read: with the dirty bit of then."""

    @hookimpl
    async def ptep_test_and_clear_young(self, mm: Mm, addr: int) -> bool:
        pte = await ptep_get(addr)
        young = bool(await test_and_clear_young(addr))
        await set_pte(addr, pte)
        return young


class HugetlbClean(Smp):
    """The entry of a hugetlb page comes back clean: there is no disk behind it."""

    @hookimpl
    async def huge_ptep_get_and_clear(self, mm: Mm, addr: int) -> Entry:
        entry: Entry = clean(await xchg_pte(addr, 1))
        return entry


class HugetlbStays(Smp):
    """It is read, and left for the tables to go with."""

    @hookimpl
    async def huge_ptep_get_and_clear(self, mm: Mm, addr: int) -> Entry:
        entry: Entry = await ptep_get(addr)
        return entry


# ---- huge entries and tables ---------------------------------------------------------------------------------


class NoPmdFlush(Smp):
    """flush_pmd_tlb_range() is empty: whoever uses the page faults."""

    @hookimpl
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        return None


class PmdFlushHere(Smp):
    """It is of this CPU."""

    @hookimpl
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        await flush_here(mm.task.cpu, mm.addrs, FlushRequest(start, end), "local flush")


class CollapseHere(Smp):
    """pmdp_collapse_flush() flushes this CPU: the others will see the new entry."""

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        table: int | None = await get_and_clear_pmd(mm, addr)
        await flush_here(mm.task.cpu, mm.addrs, FlushRequest(addr, addr + mm.span[0]), "local flush")
        return table


class CollapseLeaf(Smp):
    """Only entries of the last level are flushed, and not the walk to the table that goes."""

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        table: int | None = await get_and_clear_pmd(mm, addr)
        await flush_by_ipi(mm, FlushRequest(addr, addr + mm.span[0], leaf=True))
        return table


# ---- reclaim's batch -----------------------------------------------------------------------------------------


class BatchOfTheReclaimer(Smp):
    """arch_tlbbatch_flush() asks the CPUs of the reclaimer's own mm, which may be none of those in the batch."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        batch.cpus = frozenset()
        await flush_by_ipi(mm, FlushRequest())


class RangedBatch(Smp):
    """Right: the batch knows its range too."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        batch.cpus |= await mm_cpumask(mm)
        batch.arch = self.joined(batch.arch or (start, end), start, end)

    def joined(self, known: tuple[int, int], start: int, end: int) -> tuple[int, int]:
        """The range of both."""
        return min(start, known[0]), max(end, known[1])

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        (start, end), cpus = batch.arch, batch.cpus
        batch.cpus, batch.arch = frozenset[Cpu](), None
        await flush_cpus_by_ipi(mm, cpus, FlushRequest(start, end))


class RangeOfTheLast(RangedBatch):
    """The batch knows the range of its last entry."""

    def joined(self, known: tuple[int, int], start: int, end: int) -> tuple[int, int]:
        return start, end


class RangeOfTheFirst(RangedBatch):
    """The batch knows the range of its first entry."""

    def joined(self, known: tuple[int, int], start: int, end: int) -> tuple[int, int]:
        return known


class PendingPage(Smp):
    """arch_flush_tlb_batched_pending() flushes the first page."""

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        await flush_by_ipi(mm, FlushRequest(0, 1))


# ---- waits ---------------------------------------------------------------------------------------------------

FLUSH_LOCK = Cell(declare("flush_lock", False))
RELAXED = Cell(declare("relaxed", 0))


def irqs(cpu: Cpu, off: bool) -> Op:
    """local_irq_save(), local_irq_restore()."""
    return Op(f"irqs {'off' if off else 'on'}", (), (irqs_off_cell(cpu),), lambda: [Outcome(None, (off,))])


def try_lock() -> Op:
    """One try; True if the lock is had."""
    return Op("try flush_lock", (FLUSH_LOCK,), (FLUSH_LOCK,), lambda held: [Outcome(not held, (True,))])


def relax() -> Op:
    """Something between two tries."""
    return Op("cpu_relax()", (RELAXED,), (RELAXED,), lambda turn: [Outcome(None, (1 - turn,))])


def unlock() -> Op:
    """Give it back."""
    return Op("unlock flush_lock", (), (FLUSH_LOCK,), lambda: [Outcome(None, (False,))])


class SpinsWithIrqsOn(Smp):
    """Right: one flush at a time, and whoever waits for its turn takes interrupts."""

    spins_off = False

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if self.spins_off:
            await irqs(mm.task.cpu, True)
        while not await try_lock():
            await relax()
        if self.spins_off:
            await irqs(mm.task.cpu, False)
        await flush_by_ipi(mm, FlushRequest(start, end))
        await unlock()


class SpinsWithIrqsOff(SpinsWithIrqsOn):
    """Whoever waits has interrupts off, and is waited for by who has the lock."""

    spins_off = True


class WaitsWithIrqsOff(Smp):
    """Who sends interrupts takes none while it waits: of two that wait for each other none goes on."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await irqs(mm.task.cpu, True)
        await flush_by_ipi(mm, FlushRequest(start, end))
        await irqs(mm.task.cpu, False)
