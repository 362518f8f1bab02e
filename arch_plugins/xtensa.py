"""xtensa: IPI to every CPU (on_each_cpu()), whatever mm_cpumask says; above the TLB's size a new ASID.

arch/xtensa/kernel/smp.c:flush_tlb_range(), arch/xtensa/mm/tlb.c:local_flush_tlb_range().

Hardware refills the TLB through a linear page table at PTEVADDR, whose pages DTLB ways 7 to 9 map under the kernel's
ASID: kernel/entry.S:fast_second_level_miss() writes them, asm/mmu_context.h:activate_context() empties them.  A flush
of pages probes for the pages' own addresses, and leaves these ways as they are.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.cpu_asids import CpuAsids
from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.load_store import LoadStore


class Xtensa(LoadStore, CpuAsids):
    """A core with 32 entries per TLB: up to 31 pages are flushed one by one."""

    ceiling, page_insn, mm_insn, to_all, spares_walks = 31, "idtlb", "new_asid", True, True
    FACTS = replace(
        TWO_LEVELS,
        walker="linear",
        tables_at_once=("pte",),
        capabilities=frozenset({"cpu_asids", "refill_stores"}),
        kernel="6.12.117",
        family="synchronous IPI to every CPU",
        sources=(
            "arch/xtensa/kernel/smp.c",
            "arch/xtensa/kernel/entry.S",
            "arch/xtensa/mm/tlb.c",
            "arch/xtensa/include/asm/mmu_context.h",
            "arch/xtensa/include/asm/tlb.h",
        ),
    )
