"""s390's entries that are changed one by one: invalidated and flushed first, then written again.

arch/s390/include/asm/pgtable.h, arch/s390/mm/pgtable.c:ptep_xchg_direct().  An entry that a CPU may have cached is not
changed while it is valid.
"""

from __future__ import annotations

from arch_plugins.families.at_clear import ptep_flush_direct
from core.hookspecs import Architecture, hookimpl
from core.machine.accessed import test_and_clear_young
from core.machine.pte import Pte, set_pte
from core.mm.mm import Mm


class DirectEntries(Architecture):
    """The hooks that are ptep_xchg_direct()."""

    @hookimpl
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        """ptep_xchg_direct(), on a machine without RDP: a valid entry is not changed where it may be cached."""
        await ptep_flush_direct(mm, addr)
        await set_pte(addr, entry)

    @hookimpl
    async def ptep_test_and_clear_young(self, mm: Mm, addr: int) -> bool:
        """ptep_xchg_direct(): an old entry is invalid in hardware, so that the next use faults."""
        pte = await ptep_flush_direct(mm, addr)
        young = bool(await test_and_clear_young(addr))
        await set_pte(addr, pte)
        return young

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        """The same."""
        return await self.ptep_test_and_clear_young(mm, addr)
