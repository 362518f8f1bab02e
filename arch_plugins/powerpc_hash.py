"""powerpc book3s64 hash: hash entries queued as Linux entries are cleared, tlbie on leaving the lazy-MMU section.

arch/powerpc/mm/book3s64/hash_tlb.c:hpte_need_flush(), __flush_tlb_pending().  The section ends inside the page-table
lock, so nobody can map the address anew before its old hash entry is out (commit a741e6796957); hash__tlb_flush(),
where that was done before, finds its queue empty.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        await flush_hash(mm, addrs, [FlushRequest(addr, addr + 1) for addr in addrs], await mm_is_thread_local(mm))

    async def flush_table(self, mm: Mm, addr: int) -> None:
        """The same for all that an entry of a pmd covers; as nobody sees them one by one, it is one request."""
        start, end = addr, addr + mm.span[0]
        await flush_hash(mm, range(start, end), [FlushRequest(start, end)], await mm_is_thread_local(mm))

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


async def mm_is_thread_local(mm: Mm) -> bool:
    """Has no other CPU had the mm?  Asked before the hash entries go."""
    return bool(await mm_cpumask(mm) == {mm.task.cpu})


async def flush_hash(mm: Mm, addrs: Sequence[int], requests: list[FlushRequest], local: bool) -> None:
    """Take hash entries out, and invalidate: by tlbiel if `local`, by tlbie otherwise."""
    here = mm.task.cpu
    if mm.hashed:
        await hpte_invalidate(tuple(addrs), mm.hashed)
    of = (Operand(r.start, r.end - r.start, everywhere=not local) for r in requests if r.end is not None)
    await insn(here, "tlbiel" if local else "tlbie", len(addrs), *of)
    if local:
        for request in requests:
            await flush_here(here, mm.addrs, request, f"tlbiel: {request}")
        return
    for request in requests:
        await issue(here, "tlbie", request)
    await complete(here, mm.everyone, mm.addrs, "eieio;tlbsync;ptesync")
