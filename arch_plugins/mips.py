"""mips: IPI to every other CPU, or for a single user no IPI but context reset; GINVT broadcasts with an MMID.

arch/mips/kernel/smp.c:flush_tlb_mm(), flush_tlb_range(); arch/mips/mm/tlb-r4k.c:local_flush_tlb_range(): more than
tlbsize/2 pairs of pages drop the context.  With MMIDs ranges have no limit: one GINVT, and the wait for it, per pair.

mm/tlbex.c builds the handlers of TLB misses, those of loads and stores write the entry back by LL/SC (iPTE_SW()).
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.access_flags import Refetches
from arch_plugins.families.asid import Asids
from arch_plugins.families.broadcast import Insns
from arch_plugins.families.context import ContextReset
from arch_plugins.families.facts import rcu_freed
from arch_plugins.families.load_store import LoadStore
from arch_plugins.families.local import Local
from core.hookspecs import Facts, hookimpl
from core.machine.insn import insn
from core.machine.ipi import FlushRequest, Request
from core.mm.kthread import mm_users
from core.mm.mm import Mm
from core.mm.smp import on_each_cpu

SOURCES = (
    "arch/mips/kernel/smp.c",
    "arch/mips/mm/tlb-r4k.c",
    "arch/mips/mm/tlbex.c",
    "arch/mips/include/asm/pgalloc.h",
)
COMMON = Facts(
    levels=3,
    walker="writes",
    tables_at_once=("pmd", "pud"),
    hw_dirty=False,
    capabilities=frozenset({"gup_fast", "refill_exclusive", "thp"}),
    kernel="6.12.117",
    sources=SOURCES,
)


class Mips(Refetches, LoadStore, ContextReset):
    """64 bit, a VTLB of 64 entries, each a pair of pages."""

    ceiling, page_insn, mm_insn = 64 // 2, "TLBWI", "drop_mmu_context"
    pages_per_insn, to_all, leaves_dead, joins_last = 2, True, True, True
    local_part = "last"  # behind smp_on_other_tlbs()
    FACTS = replace(COMMON, family="IPI to every CPU, context reset", capabilities=COMMON.capabilities | {"cpu_asids"})


class MipsUp(Refetches, Local):
    """CONFIG_SMP=n: local_flush_tlb_range(), local_flush_tlb_mm()."""

    ceiling, page_insn, mm_insn, pages_per_insn = 64 // 2, "TLBWI", "drop_mmu_context", 2
    FACTS = replace(
        Mips.FACTS,
        smp=False,
        capabilities=COMMON.capabilities,
        family="uniprocessor",
        sources=("arch/mips/include/asm/tlbflush.h", "arch/mips/mm/tlb-r4k.c", "arch/mips/mm/tlbex.c"),
    )


class MipsGinvt(Refetches, LoadStore, Asids):
    """Release 6 with GINVT and MMIDs: SYNC_GINV waits for the issuer's invalidations."""

    barrier, mm_insn, page_insn = "SYNC_GINV", "GINVT_MMID", "GINVT_VA_MMID"
    pages_per_insn, reads_again = 2, False

    FACTS = replace(
        COMMON, user_asids=1 << 16, family="hardware broadcast", sources=(*SOURCES, "arch/mips/mm/context.c")
    )

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """arch/mips/kernel/smp.c: GINVT is for user mms, this is an IPI."""
        await on_each_cpu(mm, FlushRequest(start, end))

    def asid_behind_barrier(self, mm: Mm) -> bool:
        """flush_tlb_page(): write_c0_memorymapid(cpu_asid(0, mm)) follows the plain store that cleared the entry."""
        return False

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        return [(self.page_insn, -(-end // 2) - start // 2)]

    async def send(self, mm: Mm, insns: Insns, request: Request) -> None:
        """flush_tlb_range() waits after each invalidation; the last of these waits is `wait`'s, and the model has only
        that one.
        """
        await super().send(mm, insns, request)
        if insns[0][1] > 1:
            await insn(mm.task.cpu, self.barrier, insns[0][1] - 1)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """Flushes nothing of an mm without users (exit_mmap())."""
        if await mm_users() > 0:
            await self.broadcast(mm, [(self.mm_insn, 1)], FlushRequest())


class MipsV70(Mips):
    """7.0: 6c8e95805dba."""

    FACTS = rcu_freed(Mips.FACTS)


class MipsGinvtV70(MipsGinvt):
    """7.0."""

    FACTS = rcu_freed(MipsGinvt.FACTS)
