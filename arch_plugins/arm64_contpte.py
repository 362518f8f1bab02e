"""arm64 with CONFIG_ARM64_CONTPTE (6.9 and later): arch_plugins/families/contpte.py says what that is.

arch/arm64/mm/contpte.c, arch/arm64/include/asm/pgtable.h.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.arm64 import Arm64
from arch_plugins.families.contpte import Contpte, block_of, folds, pte_valid_cont
from core.hookspecs import Facts, hookimpl
from core.machine.accessed import test_and_clear_young
from core.machine.ipi import FlushRequest
from core.machine.pte import ptep_get
from core.mm.mm import Mm


class Arm64Contpte(Contpte, Arm64):
    """6.12, 4 KiB pages, without FEAT_TLBIRANGE: blocks of 16 entries."""

    @hookimpl
    def arch_facts(self) -> Facts:
        facts = super().arch_facts()
        sources = (*facts.sources, "arch/arm64/mm/contpte.c", "arch/arm64/include/asm/pgtable.h")
        return replace(facts, cont_ptes=16, sources=sources)

    @hookimpl
    async def ptep_test_and_clear_young(self, mm: Mm, addr: int) -> bool:
        """contpte_ptep_test_and_clear_young(): of the whole block, since one folio covers it."""
        whole = folds(mm) and pte_valid_cont(await ptep_get(addr))
        young = False
        for at in block_of(mm, addr) if whole else (addr,):
            young = bool(await test_and_clear_young(at)) or young
        return young

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        """contpte_ptep_clear_flush_young(): the block is used as one, and so is its flush, which nobody waits for."""
        if not folds(mm) or not pte_valid_cont(await ptep_get(addr)):
            return await super().ptep_clear_flush_young(mm, addr)
        block, young = block_of(mm, addr), await self.ptep_test_and_clear_young(mm, addr)
        if young:
            start, end = block.start, block.stop
            insns = self.given(self.of_range(start, end, 1, True), start, 1, True)
            await self.send(mm, insns, FlushRequest(start, end, leaf=True))
        return young
