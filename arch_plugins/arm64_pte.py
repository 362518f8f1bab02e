"""arm64's entries: how they say "writable" and "dirty", what pte_wrprotect() makes of that, and who may have one.

arch/arm64/include/asm/pgtable-hwdef.h, pgtable-prot.h, pgtable.h.  With hardware management of the dirty state a store
to an entry with PTE_WRITE (the DBM bit) clears PTE_RDONLY: there is no dirty bit that hardware sets, there is a
read-only bit that it clears.  PTE_DIRTY is software's.

                 PTE_WRITE    PTE_RDONLY    PTE_DIRTY
    read-only        -            x             -
    writable         x            x             -
    hardware dirty   x            -             -
    software dirty   ?            ?             x
"""

from __future__ import annotations

from arch_plugins.families.asid import Asids
from arch_plugins.generic import ptep_clear_flush
from core.hookspecs import hookimpl
from core.machine.accessed import test_and_clear_young, xchg_pte_young
from core.machine.pte import Entry, Present
from core.mm.mm import Mm

PTE_RDONLY = 1 << 7
PTE_WRITE = 1 << 51
PTE_DIRTY = 1 << 55


def pte_write(bits: int) -> bool:
    """May it be written to, if need be after a first store has been noted?"""
    return bool(bits & PTE_WRITE)


def pte_hw_dirty(bits: int) -> bool:
    """Hardware has noted a store."""
    return pte_write(bits) and not bits & PTE_RDONLY


def pte_dirty(bits: int) -> bool:
    """Somebody has."""
    return pte_hw_dirty(bits) or bool(bits & PTE_DIRTY)


def pte_wrprotect(bits: int, moves_dirty: bool) -> int:
    """No store any more.  That sets the bit whose absence means dirty, so dirty is noted elsewhere first.

    `moves_dirty`: since ff1712f953e2; before, only ptep_set_wrprotect() did so for its caller.
    """
    if moves_dirty and pte_hw_dirty(bits):
        bits |= PTE_DIRTY
    return bits & ~PTE_WRITE | PTE_RDONLY


def encoded(pte: Present) -> int:
    """The entry's bits as hardware leaves them: of a writable entry, dirty is what it has set itself."""
    if pte.write:
        return PTE_WRITE if pte.dirty else PTE_WRITE | PTE_RDONLY
    return PTE_RDONLY | (PTE_DIRTY if pte.dirty else 0)


def decoded(bits: int, pte: Present) -> Present:
    """The entry `pte` with what these bits say."""
    return pte._replace(write=pte_write(bits), dirty=pte_dirty(bits))


class Arm64Entries(Asids):
    """The hooks of arch/arm64/include/asm/pgtable.h."""

    async def flush_tlb_page_nosync(self, mm: Mm, addr: int) -> None:
        """Issue the flush of a page, and wait for nothing."""
        raise NotImplementedError

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        """The trailing DSB is left out: the next context switch has one."""
        young = bool(await test_and_clear_young(addr))
        if young:
            await self.flush_tlb_page_nosync(mm, addr)
        return young

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """Before 07509e10dcc7 pte_accessible() asked for the accessed bit too, whose clearing is not waited for."""
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
