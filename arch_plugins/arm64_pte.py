"""arm64's entries: how they encode "writable" and "dirty", what pte_wrprotect() makes of that, and which can be cached.

arch/arm64/include/asm/pgtable-hwdef.h, pgtable-prot.h, pgtable.h.  With hardware management of the dirty state, a store
through an entry with PTE_WRITE (the DBM bit) clears PTE_RDONLY: hardware sets no dirty bit, it clears a read-only bit.
PTE_DIRTY is set by software.

                 PTE_WRITE    PTE_RDONLY    PTE_DIRTY
    read-only        -            x             -
    writable         x            x             -
    hardware dirty   x            -             -
    software dirty   ?            ?             x
"""

from __future__ import annotations

from arch_plugins.families.asid import Asids
from arch_plugins.families.broadcast import effect_of
from arch_plugins.families.on_mm import LoadsTtbr0
from arch_plugins.generic import ptep_clear_flush
from core.hookspecs import hookimpl
from core.machine.accessed import test_and_clear_young, xchg_pte_young
from core.machine.broadcast import complete, issue, synchronise
from core.machine.ipi import FlushRequest
from core.machine.op import barrier
from core.machine.order import Order
from core.machine.pte import Entry, Present, Pte, allow_pte
from core.mm.init_mm import init_mm
from core.mm.mm import Mm
from core.mm.pgtable import clear_upper
from core.mm.swap import Table, free_table_page

PTE_RDONLY = 1 << 7
PTE_WRITE = 1 << 51
PTE_DIRTY = 1 << 55


def pte_write(bits: int) -> bool:
    """pte_write(): may it be written to, possibly after the first store has been recorded?"""
    return bool(bits & PTE_WRITE)


def pte_hw_dirty(bits: int) -> bool:
    """pte_hw_dirty(): has hardware recorded a store?"""
    return pte_write(bits) and not bits & PTE_RDONLY


def pte_dirty(bits: int) -> bool:
    """pte_dirty(): has hardware or software recorded a store?"""
    return pte_hw_dirty(bits) or bool(bits & PTE_DIRTY)


def pte_wrprotect(bits: int, moves_dirty: bool) -> int:
    """pte_wrprotect(): remove write permission.  This sets the bit whose absence means dirty, so PTE_DIRTY is set
    first.

    `moves_dirty`: since ff1712f953e2; before, only ptep_set_wrprotect() did that for its caller.
    """
    if moves_dirty and pte_hw_dirty(bits):
        bits |= PTE_DIRTY
    return bits & ~PTE_WRITE | PTE_RDONLY


def encoded(pte: Present) -> int:
    """The bits of an entry as hardware leaves them: a writable entry is dirty because hardware has set it so."""
    if pte.write:
        return PTE_WRITE if pte.dirty else PTE_WRITE | PTE_RDONLY
    return PTE_RDONLY | (PTE_DIRTY if pte.dirty else 0)


def decoded(bits: int, pte: Present) -> Present:
    """The entry `pte` with the flags that these bits encode."""
    return pte._replace(write=pte_write(bits), dirty=pte_dirty(bits))


MAX_DVM_OPS = 512
"""PTRS_PER_PTE; MAX_TLBI_OPS in 6.1."""


class Arm64Entries(LoadsTtbr0, Asids):
    """The hooks of arch/arm64/include/asm/pgtable.h, mm/fault.c and kernel/process.c."""

    kernel_insn, kernel_all_insn = "TLBI_VAALE1IS", "TLBI_VMALLE1IS"
    """For entries that map the kernel, whatever the ASID: flush_tlb_kernel_range()."""

    def above_kernel_ceiling(self, pages: int) -> bool:
        """flush_tlb_kernel_range() has no range instructions, and compares by > where __flush_tlb_range() has >=."""
        return pages > MAX_DVM_OPS

    async def flush_tlb_page_nosync(self, mm: Mm, addr: int) -> None:
        """Issue the flush of a page without waiting."""
        insns = self.given(self.of_range(addr, addr + 1, 1, True), addr, 1, True)
        await self.send(mm, insns, FlushRequest(addr, addr + 1, leaf=True))

    @hookimpl
    async def arch_start_context_switch(self, mm: Mm) -> bool:
        """__switch_to(): what this CPU has issued is complete before the task may go on elsewhere."""
        await self.wait(mm)
        return False

    @hookimpl
    async def pmd_free_pte_page(self, mm: Mm, addr: int) -> None:
        """arch/arm64/mm/mmu.c:pmd_free_pte_page(), with tlbflush.h:__flush_tlb_kernel_pgtable()."""
        cpu, request, mm = mm.task.cpu, FlushRequest(addr, addr + 1), init_mm(mm)
        await clear_upper(mm, 0, addr)
        await barrier(Order.DSB_ISHST)
        await issue(cpu, "TLBI_VAAE1IS", request, effect_of(mm))
        others = [there for there in sorted(mm.everyone) if there != cpu]
        await complete(cpu, others, mm.addrs, "DSB_ISH", ahead=True)
        if mm.era.has("51696d346c49"):
            await synchronise(cpu, mm.addrs)
        await free_table_page(Table("pte", addr // mm.span[0]))

    @hookimpl
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        """arch/arm64/mm/fault.c:__ptep_set_access_flags(): atomic; the stale read-only entry is flushed for a store."""
        await allow_pte(addr, entry)
        if entry.dirty:
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)

    @hookimpl
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        """As flush_tlb_range(), by a TLBI for each huge page, with TTL 2."""
        await self.flush_range(mm, start, end, mm.span[0], leaf=False)

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        """The trailing DSB is omitted: the next context switch has one."""
        young = bool(await test_and_clear_young(addr))
        if young:
            await self.flush_tlb_page_nosync(mm, addr)
        return young

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """Before 07509e10dcc7 pte_accessible() also tested the accessed bit, whose clearing is not waited for."""
        if mm.era.has("07509e10dcc7"):
            return await ptep_clear_flush(mm, addr)
        pte: Entry
        pte, young = await xchg_pte_young(addr, 1)
        if young:
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        return pte

    @hookimpl
    def pte_wrprotect(self, mm: Mm, pte: Present) -> Present:
        return decoded(pte_wrprotect(encoded(pte), mm.era.has("ff1712f953e2")), pte)
