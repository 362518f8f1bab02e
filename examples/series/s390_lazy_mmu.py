"""s390: several entries by one IPTE at the end of a lazy-MMU section (2026; the published versions up to v6).

Within a section a clearing is only noted and the entry written; one IPTE with a range flushes them as the section ends.
mprotect() then takes one instruction where it took one for each page.

The discussion: s390 frees a page as it is unmapped (tlb_remove_page(), MMU_GATHER_NO_GATHER), because IPTE has flushed
by then.  In a section it has not, so the zap frees a page that another CPU still has cached: FreesAtOnce, the form of
v5 and v6 as published, use-after-free in a few steps.  To flush in front of the free is not enough (FlushesBeforeFree):
s390 delays no rmap either, so writeback finds a page unmapped, cleans it, and what the other CPU goes on storing is
lost.  NotInZap leaves the zap's clearings alone, and is as good for mprotect().

    python -m core.compare run --plugin examples/series/s390_lazy_mmu.py:NotInZap --era 6.12
    python -m core.compare explain examples/series/s390_lazy_mmu.py:FreesAtOnce use-after-free --era 6.12
    python -m core.compare explain examples/series/s390_lazy_mmu.py:FlushesBeforeFree lost-dirty-dontneed --era 6.12
    python -m core.compare compare examples/series/s390_lazy_mmu.py:NotInZap --against s390 --workload protect
"""

from __future__ import annotations

from arch_plugins.families.at_clear import free_now
from arch_plugins.s390 import S390
from core.hookspecs import hookimpl
from core.words import (
    Cell,
    Cpu,
    Entry,
    Mm,
    MmuGather,
    Op,
    Operand,
    Order,
    Outcome,
    Present,
    declare,
    insn,
    invalidate,
    local_ptep_get_and_clear,
    set_pte_at,
)

Noted = tuple[int, ...] | None

NOTED = declare("s390_lazy_mmu.noted", None, "ghost")


def noted_cell(cpu: Cpu) -> Cell:
    """The addresses that this CPU has still to flush; None outside a section."""
    return Cell(NOTED, cpu)


def swap_noted(cpu: Cpu, to: Noted) -> Op:
    """Take them, and leave `to`."""
    cell = (noted_cell(cpu),)
    return Op("take what is noted", cell, cell, lambda was: [Outcome(was, (to,))], order=Order.PRIVATE)


def note(cpu: Cpu, addrs: Noted) -> Op:
    """Add addresses. Returns whether a section is open."""
    cell = (noted_cell(cpu),)

    def step(was: Noted) -> list[Outcome]:
        return [Outcome(was is not None, (None if was is None else (*was, *(addrs or ())),))]

    return Op(f"note {addrs}", cell, cell, step, order=Order.PRIVATE)


class FreesAtOnce(S390):
    """Wrong: the published form. The section notes what is cleared, and pages are freed as they are unmapped."""

    @hookimpl
    async def arch_enter_lazy_mmu_mode(self, mm: Mm) -> None:
        await swap_noted(mm.task.cpu, ())

    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        await self.flush_noted(mm, ())

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        await self.flush_noted(mm, None)

    async def flush_noted(self, mm: Mm, to: Noted) -> None:
        """IPTE with a range, for each run of pages that follow on one another."""
        addrs: Noted = await swap_noted(mm.task.cpu, to)
        if addrs:
            first, nr = min(addrs), max(addrs) + 1 - min(addrs)
            await insn(mm.task.cpu, "IPTE", 1, Operand(first, nr, everywhere=True))
            covered = [addr for addr in mm.addrs if first <= addr < first + nr]
            await invalidate(sorted(mm.everyone), covered, f"IPTE range({first}, {nr})", order=Order.FLUSH_ALL)

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """Clear, and leave the flush to the end of the section, if one is open."""
        if full or not await note(mm.task.cpu, tuple(range(addr, addr + nr))):
            return await super().ptep_get_and_clear(mm, addr, nr, full)
        return await local_ptep_get_and_clear(addr, nr)


class FlushesBeforeFree(FreesAtOnce):
    """Wrong: what was noted is flushed before a page is freed, but behind the removal of its rmap."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        await self.flush_noted(tlb.mm, ())
        return await free_now(tlb.mm, page, nr)


class NotInZap(FreesAtOnce):
    """Only mprotect() notes: ptep_modify_prot_start(), whose pages stay."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        return await S390.ptep_get_and_clear(self, mm, addr, nr, full)

    @hookimpl
    async def ptep_modify_prot_start(self, mm: Mm, addr: int) -> Present:
        pte: Present = await FreesAtOnce.ptep_get_and_clear(self, mm, addr, 1, False)  # type: ignore[assignment]
        return pte

    @hookimpl
    async def ptep_modify_prot_commit(self, mm: Mm, addr: int, oldpte: Present, pte: Entry) -> None:
        await set_pte_at(mm, addr, pte)


class NeverFlushes(NotInZap):
    """Wrong: the section ends, and what was noted is forgotten."""

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        await swap_noted(mm.task.cpu, None)
