"""mm/mmu_gather.c of a tree where VMAs share one flush (CONFIG_MMU_GATHER_MERGE_VMAS), on generic SMP.

Generic SMP flushes at the end of each VMA, which leaves little to tlb_finish_mmu(); the same C is run both ways.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.from_c._gather_words import VOCABULARY
from arch_plugins.from_c.mmu_gather import GatherOfTree, manifest
from arch_plugins.generic import Smp
from core.hookspecs import Facts, hookimpl
from core.tree.binding import Binding


class MergingSmp(Smp):
    """Generic SMP that merges VMAs."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return replace(super().arch_facts(), merge_vmas=True)


class MergingGatherOfTree(GatherOfTree):
    """The same, with the functions of mmu_gather.c from a tree."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return replace(super().arch_facts(), merge_vmas=True)


BINDING = Binding(
    "mmu_gather_merged",
    manifest,
    VOCABULARY,
    MergingGatherOfTree,
    lambda version: "arch_plugins.from_c.mmu_gather_merged:MergingSmp",
)
