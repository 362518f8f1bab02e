"""powerpc book3s64 hash: hash entries queued as Linux entries are cleared, tlbie on leaving the lazy-MMU section.

arch/powerpc/mm/book3s64/hash_tlb.c:hpte_need_flush(), __flush_tlb_pending(); hash__tlb_flush() finds its queue empty.
"""

from __future__ import annotations

from arch_plugins.families.queued import Queued
from core.hookspecs import Facts
from core.machine.broadcast import complete, issue
from core.machine.insn import insn
from core.machine.ipi import FlushRequest
from core.mm.mm import Mm, mm_cpumask


class PowerpcHash(Queued):
    """64 KiB pages; tlbie, broadcast, complete at the issuer's ptesync."""

    FACTS = Facts(
        page_size=65536,
        ptes_per_table=256,
        upper_entries=1024,
        rcu_table_free=True,
        merge_vmas=True,
        hw_dirty=False,
        family="flush on leaving the lazy-MMU section",
        sources=("arch/powerpc/mm/book3s64/hash_tlb.c", "arch/powerpc/include/asm/book3s/64/tlbflush-hash.h"),
    )

    async def flush_pages(self, mm: Mm, addrs: tuple[int, ...]) -> None:
        """flush_hash_range(): each hash entry, then one barrier."""
        await insn(mm.task.cpu, "tlbie", len(addrs))
        for addr in addrs:
            await issue(mm.task.tid, "tlbie", FlushRequest(addr, addr + 1))
        cpus = {mm.task.cpu, *await mm_cpumask(mm)}
        await complete(mm.task.tid, cpus, mm.addrs, "eieio;tlbsync;ptesync")
