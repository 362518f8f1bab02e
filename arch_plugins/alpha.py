"""alpha: a new ASN for any range (MMU_GATHER_NO_RANGE); an IPI to every CPU, or none for an mm with a single user.

arch/alpha/kernel/smp.c:flush_tlb_mm(), flush_tlb_page().  6.1 takes any task on the mm's page tables for its user
(active_mm), including a kernel thread that has borrowed them.  For a single user it sets the contexts of the other CPUs
to 0, and it flushes nothing on a CPU that is not on the mm.  6.12 tests current->mm where a page is flushed, leaves
other CPUs alone only if they have no context (mm_context_elsewhere()), and drops its own context of an mm that it is
not on.

Since dd5712f3379c (CVE-2026-43258, with CONFIG_COMPACTION) ptep_clear_flush() has no such shortcut, in 6.1.192 either.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.context import ContextReset, any_context
from arch_plugins.families.facts import rcu_freed
from arch_plugins.families.pcb import PcbContext
from arch_plugins.generic import flush_cpus_by_ipi, ptep_clear_flush
from core.hookspecs import Facts, hookimpl
from core.machine.insn import EVERYTHING, insn
from core.machine.ipi import FlushRequest
from core.machine.op import Cpu
from core.machine.pte import Entry
from core.mm.kthread import active_mm, current_mm, mm_users
from core.mm.mm import Mm


class Alpha(ContextReset):
    """8 KiB pages; stores fault on write to set the dirty bit (FOW)."""

    ceiling, page_insn, mm_insn, to_all, reads_twice = 0, "tbi", "flush_tlb_current", True, False
    local_part = "first"  # flush_tlb_current(), and smp_call_function() behind it
    FACTS = Facts(
        page_size=8192,
        ptes_per_table=1024,
        upper_entries=1024,
        levels=3,
        no_range=True,
        hw_dirty=False,
        walker="palcode",
        tables_at_once=("pte", "pmd"),
        capabilities=frozenset({"cpu_asids"}),
        kernel="6.12.117",
        family="IPI to every CPU, context reset",
        sources=(
            "arch/alpha/kernel/smp.c",
            "arch/alpha/mm/tlbflush.c",
            "arch/alpha/include/asm/tlbflush.h",
            "arch/alpha/include/asm/tlb.h",
            "arch/alpha/include/asm/pgtable.h",
        ),
    )

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """mm/tlbflush.c:migrate_flush_tlb_page(): every CPU takes a new ASN if it is on the mm, and drops its context
        if not; then the page is flushed.
        """
        pte: Entry = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        for cpu in sorted(mm.cpu_online_mask):
            await insn(cpu, self.mm_insn, 1, EVERYTHING)
            await insn(cpu, self.page_insn)
        await flush_cpus_by_ipi(mm, mm.cpu_online_mask, FlushRequest())
        return pte

    async def only_user(self, mm: Mm, request: FlushRequest) -> bool:
        mine = active_mm if request.end is None else current_mm
        return bool(await mm_users() <= 1) and bool(await mine(mm.task.cpu))

    async def leave_alone(self, mm: Mm, others: frozenset[Cpu]) -> bool:
        return not await any_context(mm, others)


class AlphaV61(PcbContext, Alpha):
    """6.1.192."""

    FACTS = replace(Alpha.FACTS, kernel="6.1.192")

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        """smp_call_function() does not call this CPU, which is left as it is if it is not on the mm."""
        here = mm.task.cpu
        if await active_mm(here):
            await super().ask(mm, request)
            return
        others = mm.cpu_online_mask - {here}
        for cpu in sorted(others):
            await self.executed(cpu, request)
        await flush_cpus_by_ipi(mm, others, request)

    async def only_user(self, mm: Mm, request: FlushRequest) -> bool:
        """Being on the mm is sufficient."""
        return bool(await mm_users() <= 1)

    async def leave_alone(self, mm: Mm, others: frozenset[Cpu]) -> bool:
        return await ContextReset.leave_alone(self, mm, others)


class AlphaV61Before(AlphaV61):
    """6.1 before the backport of dd5712f3379c."""

    FACTS = replace(AlphaV61.FACTS, kernel="6.1.y before dd5712f3379c")

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        return await ptep_clear_flush(mm, addr)


class AlphaV70(Alpha):
    """7.0: 44b079583f7d."""

    FACTS = rcu_freed(Alpha.FACTS)
