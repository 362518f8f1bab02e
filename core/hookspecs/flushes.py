"""The gather and its flush, flushes without one, and what is freed behind them: include/asm-generic/tlb.h."""

from __future__ import annotations

from core.hookspecs.marker import hookspec
from core.machine.op import Cpu, Op, Tid
from core.mm.mm import Mm, Vma
from core.mm.mmu_gather import MmuGather
from core.mm.swap import Table


class FlushesSpec:
    """The hooks of this area."""

    @hookspec
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Program. tlb_start_vma(): a VMA's range is about to be zapped; no page-table lock is held."""

    @hookspec
    async def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Program. tlb_end_vma(): a VMA's range has been zapped; no page-table lock is held.

        The gathered range must be flushed here unless VMAs are merged, and always for PFN mappings.
        """

    @hookspec
    def tlb_delay_rmap(self, tlb: MmuGather) -> bool:  # type: ignore[empty-body]
        """Plain. A dirty file page has just been unmapped, under the page-table lock: is its rmap removal to be
        delayed?

        True also marks the gather (`tlb.delayed_rmap = True`); the core then flushes before it releases the lock.
        include/asm-generic/tlb.h:tlb_delay_rmap(), commit 5df397dec7c4.
        """

    @hookspec
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:  # type: ignore[empty-body]
        """Program. Queue `nr` unmapped pages from `page` until after the flush; the page-table lock is held.

        Returns True if the gather is full and must be flushed before more is queued.  A page may be freed here only if
        no TLB can have it any more.  __tlb_remove_page_size().
        """

    @hookspec
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """Program. Flush what the gather has covered on every CPU; called with or without the page-table lock.

        On return no CPU may use an entry from tlb.start to tlb.end (any entry if tlb.fullmm), nor walk into a table
        that was freed if tlb.freed_tables.  Returns what was done, for the log: 'range', 'mm', or None for nothing.
        """

    @hookspec
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """Program. Flush all user entries of the mm on every CPU. Documentation/core-api/cachetlb.rst."""

    @hookspec
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        """Program. Flush the entries from `start` to `end`, and cached upper-level entries above them, on every CPU.

        `stride` is the pages per cleared entry (1, or a table's span if only upper-level entries were cleared).  The
        caller may have moved or collapsed a table; a caller that has freed tables uses a gather, and `tlb_flush`.
        cachetlb.rst.
        """

    @hookspec
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        """Program. Flush one virtual page on every CPU; the page-table lock is held. cachetlb.rst."""

    @hookspec
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """Program. Mappings of the kernel from `start` to `end` have been removed; no page-table lock is held.

        On return no kernel code may translate by one of them, on any CPU that is online, whatever it runs: they may
        become mappings of something else.  `mm` is of the task that calls; its mask has nothing to do with it.  The
        hooks that have cleared the entries were given `core.words.init_mm(mm)`.  CPUs in `mm.nohz_full` are not to be
        interrupted while they run user code.  cachetlb.rst.
        """

    @hookspec
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:  # type: ignore[empty-body]
        """Plain. Returns the operation by which `cpu` serves the request that the thread `sender` has sent it.

        It runs as an interrupt handler on `cpu`, between two instructions, unless interrupts are off, once the request
        is in the cell `core.machine.ipi.csd_cell(sender, cpu)`.  It empties that cell, for which the sender waits.
        `mm` is of no task.  The generic one, `core.machine.ipi.take_ipi`, drops the entries that the request covers.
        Mirrors the function that is passed to smp_call_function_many(): arch/x86/mm/tlb.c:flush_tlb_func().
        """

    @hookspec
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        """Program. A page table is no longer reachable, and is about to be freed or to become another's.

        On return no lockless walk in software (GUP-fast) that may have seen it goes on.  The generic one sends an IPI
        to every other CPU where tables are freed by RCU, and relies on the flush elsewhere.  A policy that knows the
        walkers, or waits for a grace period, does it here.  mm/mmu_gather.c:tlb_remove_table_sync_one().
        """

    @hookspec
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Program. pte_free_tlb(): a page table has been unhooked; extend the gather's range and queue `table`."""

    @hookspec
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Program. pmd_free_tlb(): a pmd table has been unhooked; otherwise as `pte_free_tlb`."""

    @hookspec
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Program. pud_free_tlb(): a pud table has been unhooked; otherwise as `pte_free_tlb`."""

    @hookspec
    async def arch_alloc_page(self, mm: Mm, page: int) -> None:
        """Program. The allocator is about to hand out a free page, which belongs to nobody yet.

        Mirrors arch_alloc_page() (mm/page_alloc.c:post_alloc_hook()); `mm` is the one that had the page before.
        """

    @hookspec
    def tlb_needs_table_invalidate(self) -> bool:  # type: ignore[empty-body]
        """Plain. Does freeing a batch of tables need a TLB invalidate of its own?

        False only where hardware does not walk Linux page tables.  tlb_needs_table_invalidate().
        """
