"""loongarch: IPI to mm_cpumask, context reset for a single user; MMU_GATHER_MERGE_VMAS.

arch/loongarch/kernel/smp.c:flush_tlb_range(), arch/loongarch/mm/tlb.c:local_flush_tlb_range().

A TLB miss is refilled by mm/tlbex.S, and handle_tlb_load() and its likes write the entry back by LL/SC.  Where the CPU
has a page-table walker (PTW, 3A6000) setup_ptwalker() turns that on, and it sets the dirty bit itself (01158487af60).
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.context import ContextReset
from arch_plugins.families.facts import rcu_freed
from arch_plugins.families.load_store import LoadStore
from arch_plugins.families.on_mm import on_mm
from core.hookspecs import Facts, hookimpl
from core.machine.pte import Entry
from core.mm.huge_memory import generic_pmdp_establish, local_pmdp_get_and_clear
from core.mm.mm import Mm


class Loongarch(LoadStore, ContextReset):
    """16 KiB pages, 64 entries of MTLB and 2048 of STLB: above an eighth of them, in pairs of pages, a new ASID."""

    ceiling, page_insn, mm_insn = (64 + 2048) // 8, "INVTLB_ADDR_GFALSE_AND_ASID", "drop_mmu_context"
    pages_per_insn, leaves_dead, joins_last = 2, True, True
    FACTS = Facts(
        page_size=16384,
        ptes_per_table=2048,
        upper_entries=2048,
        levels=3,
        merge_vmas=True,
        hw_dirty=False,
        walker="writes",
        tables_at_once=("pmd", "pud"),
        capabilities=frozenset({"cpu_asids", "gup_fast", "refill_exclusive", "thp"}),
        kernel="6.12.117",
        family="IPI to mm_cpumask, context reset",
        sources=(
            "arch/loongarch/kernel/smp.c",
            "arch/loongarch/mm/tlb.c",
            "arch/loongarch/mm/tlbex.S",
            "arch/loongarch/include/asm/tlb.h",
            "arch/loongarch/include/asm/mmu_context.h",
            "arch/loongarch/include/asm/pgalloc.h",
        ),
    )


class LoongarchPtw(Loongarch):
    """With a hardware page-table walker; whether it keeps upper entries is not known, so it may.

    atomic_update_pgd_asid() is two instructions, PGDL and then ASID.  What is walked in between is of `next`, under the
    ASID of `prev`; here the two are one step, because no model has the entries of two mms under one ASID.

    asm/pgtable.h clears entries, huge ones too, by a load and a store, and says "We don't have hardware dirty/accessed
    bits, generic_pmdp_establish is fine".
    """

    FACTS = replace(
        Loongarch.FACTS,
        walker="caches",
        capabilities=Loongarch.FACTS.capabilities - {"refill_exclusive"},
        hw_dirty=True,
    )

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        pmd: Entry = await local_pmdp_get_and_clear(mm, addr)
        return pmd

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        """mm/pgtable-generic.c, with generic_pmdp_establish()."""
        pmd: Entry = await generic_pmdp_establish(mm, addr)
        await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
        return pmd

    async def load_tables(self, mm: Mm) -> None:
        if mm.cpus is None:
            await on_mm("atomic_update_pgd_asid", mm, True)

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """The CPU stays in the mm_cpumask of `prev`."""
        if prev is not None and prev is not next:
            await on_mm("atomic_update_pgd_asid(other)", prev, False)
        await super().switch_mm(prev, next)


class LoongarchV70(Loongarch):
    """7.0: a5b981e63edb."""

    FACTS = rcu_freed(Loongarch.FACTS)
