"""s390's entries that are changed one by one: invalidated and flushed first, then written again.

arch/s390/include/asm/pgtable.h, arch/s390/mm/pgtable.c:ptep_xchg_direct().  An entry that a CPU may have cached is not
changed while it is valid.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.families.at_clear import pmdp_flush_direct, ptep_flush_direct
from core.hookspecs import Architecture, hookimpl
from core.machine.accessed import test_and_clear_young
from core.machine.pte import Entry, Pte, set_pte
from core.mm.huge_memory import invalid
from core.mm.mm import Mm


class DirectEntries(Architecture):
    """The hooks that are ptep_xchg_direct() and pmdp_xchg_direct()."""

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

    @hookimpl
    async def pmdp_huge_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """asm/pgtable.h: pmdp_huge_get_and_clear(), which is pmdp_xchg_direct(), and no more."""
        return await pmdp_flush_direct(mm, addr, lambda pmd: None)

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        """pmdp_xchg_direct()."""
        return await pmdp_flush_direct(mm, addr, invalid)

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        """pmdp_huge_get_and_clear(): pmdp_xchg_direct()."""
        table: Any = await pmdp_flush_direct(mm, addr, lambda pmd: None)
        return table  # type: ignore[no-any-return]
