"""arm64 with 4 KiB pages and 52-bit addresses (FEAT_LPA2): the table below the root, a p4d, is freed at once.

arch/arm64/include/asm/pgalloc.h:__p4d_free_tlb() is p4d_free(), until "arm64: pgtable: use mmu gather to free p4d level
page table" (December 2024).  The model has three levels below the root and no p4d: its three stand for the upper three
here, so that its pud table is the kernel's p4d, its pmd table the pud, and its pte table the pmd.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.arm64 import Arm64Range
from core.hookspecs import Facts, hookimpl


class Arm64FiveLevels(Arm64Range):
    """6.12 with CONFIG_ARM64_VA_BITS_52 on a CPU that has it."""

    @hookimpl
    def arch_facts(self) -> Facts:
        facts = super().arch_facts()
        return replace(facts, tables_at_once=("pud",), sources=(*facts.sources, "arch/arm64/include/asm/pgalloc.h"))
