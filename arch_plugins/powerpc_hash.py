"""powerpc book3s64 hash: hash entries queued as Linux entries are cleared, tlbie on leaving the lazy-MMU section.

arch/powerpc/mm/book3s64/hash_tlb.c:hpte_need_flush(), __flush_tlb_pending().  The section ends inside the page-table
lock, so nobody can map the address anew before its old hash entry is out (commit a741e6796957); hash__tlb_flush(),
where that was done before, finds its queue empty.
"""

from __future__ import annotations

from arch_plugins.families.queued import Queued, open_queue
from core.hookspecs import Facts, hookimpl
from core.machine.broadcast import complete, issue
from core.machine.hash_table import hpte_invalidate, pte_update
from core.machine.insn import Operand, insn
from core.machine.ipi import FlushRequest, flush_here
from core.machine.op import Op
from core.machine.rcu import send_sync_ipis, wait_sync_ipis
from core.mm.mm import Mm, mm_cpumask, smp_processor_id
from core.mm.mmu_gather import MmuGather
from core.mm.pgtable import get_and_clear_pmd


class PowerpcHash(Queued):
    """64 KiB pages; tlbie, broadcast, complete at the issuer's ptesync."""

    FACTS = Facts(
        page_size=65536,
        ptes_per_table=256,
        upper_entries=1024,
        rcu_table_free=True,
        merge_vmas=True,
        gather_page_size=True,
        hw_dirty=False,
        walker="writes",
        kernel="6.12.117",
        family="flush on leaving the lazy-MMU section",
        capabilities=frozenset({"cpu_queue", "gup_fast", "hash_table", "init_mm_cpumask", "per_vma_lock", "thp"}),
        sources=("arch/powerpc/mm/book3s64/hash_tlb.c", "arch/powerpc/include/asm/book3s/64/tlbflush-hash.h"),
    )

    def clear_entry(self, mm: Mm, addr: int, nr: int) -> Op:
        return pte_update(addr, mm.hashed) if mm.hashed else super().clear_entry(mm, addr, nr)

    async def flush_pages(self, mm: Mm, addrs: tuple[int, ...]) -> None:
        """flush_hash_range(): each hash entry, then one barrier."""
        if mm.hashed:
            await hpte_invalidate(addrs, mm.hashed)
        await self.tlbie(mm, len(addrs), [FlushRequest(addr, addr + 1) for addr in addrs])

    async def flush_table(self, mm: Mm, addr: int) -> None:
        """The same for all that an entry of a pmd covers; as nobody sees them one by one, it is one request."""
        start, end = addr, addr + mm.span[0]
        if mm.hashed:
            await hpte_invalidate(tuple(range(start, end)), mm.hashed)
        await self.tlbie(mm, end - start, [FlushRequest(start, end)])

    async def tlbie(self, mm: Mm, nr: int, requests: list[FlushRequest]) -> None:
        """`nr` invalidations: tlbiel where no other CPU has had the mm (mm_is_thread_local()), tlbie otherwise."""
        here = mm.task.cpu
        local = await mm_cpumask(mm) == {here}
        of = (Operand(r.start, r.end - r.start, everywhere=not local) for r in requests if r.end is not None)
        await insn(here, "tlbiel" if local else "tlbie", nr, *of)
        if local:
            for request in requests:
                await flush_here(here, mm.addrs, request, f"tlbiel: {request}")
            return
        for request in requests:
            await issue(here, "tlbie", request)
        await complete(here, mm.everyone, mm.addrs, "eieio;tlbsync;ptesync")

    def stays(self, mm: Mm) -> bool:
        return mm.era.has("b9ef323ea168")

    async def leave(self, mm: Mm) -> None:
        if mm.era.has("a741e6796957"):
            await self.flush_queue(mm, None)

    @hookimpl
    async def arch_start_context_switch(self, mm: Mm) -> bool:
        """__switch_to(): the queue is flushed, and _TLF_LAZY_MMU remembers that a section was open."""
        return await self.flush_queue(mm, None) is not None

    @hookimpl
    async def arch_end_context_switch(self, mm: Mm, lazy: bool) -> None:
        """__switch_to(): batch->active = 1 on the CPU that the task continues on."""
        if lazy:
            await open_queue(await smp_processor_id(mm))

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """Empty: pte_update() of init_mm is in no lazy-MMU section, and has flushed."""

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        """hash__pmdp_collapse_flush(): who has read the pmd inserts nothing more once it is over, and then all goes."""
        table: int | None = await get_and_clear_pmd(mm, addr)
        if others := mm.readers - {mm.task.cpu}:  # serialize_against_pte_lookup()
            await send_sync_ipis(mm.task, others)
            await wait_sync_ipis(mm.task, others)
        await self.flush_table(mm, addr)  # flush_hash_table_pmd_range()
        return table

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """hash__tlb_flush(): the queue of this CPU."""
        if not tlb.mm.era.has("a741e6796957"):
            await self.flush_queue(tlb.mm, None)
        return "pending"

    async def flush_huge(self, mm: Mm, addr: int) -> None:
        """flush_hash_hugepage(): an entry for each page of the base size."""
        await self.flush_table(mm, addr)
