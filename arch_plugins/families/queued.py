"""Flushes queued by the clearing of entries and done on leaving the lazy-MMU section, inside the page-table lock.

sparc64 (arch/sparc/mm/tlb.c:tlb_batch_add_one()) and powerpc hash (hpte_need_flush()): when the core thinks of flushing
the hardware is already clean, so flush_tlb_mm(), _range() and _page() are empty.  Outside a section, and when the
queue is full, the flush is done at once.

The queue is the CPU's, so the task must stay there while the section is open.  The page-table lock sees to that where
there is one; kernel mappings are changed without (mm/memory.c:apply_to_pte_range()), so the section disables
preemption itself.

Data types
    cell ('queued', cpu)    the queue of a CPU: addresses, or None outside a section
"""

from __future__ import annotations

from arch_plugins.families.facts import Stated
from core.hookspecs import hookimpl
from core.machine.lock import preempt_disable, preempt_enable
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Entry, wrprotect_pte, xchg_pte
from core.mm.huge_memory import establish_invalid_pmd, xchg_pmd
from core.mm.mm import Mm, smp_processor_id
from core.mm.mmu_gather import MmuGather

BATCH_NR = 192
"""TLB_BATCH_NR, PPC64_TLB_BATCH_NR."""

Queue = tuple[int, ...] | None

QUEUED = declare("queued", None, "ghost")


def queue_cell(cpu: Cpu) -> Cell:
    """This CPU's queue."""
    return Cell(QUEUED, cpu)


def read_queue(cpu: Cpu) -> Op:
    """What is queued; None outside a section."""
    return Op("the queue", (queue_cell(cpu),), (), lambda queue: [Outcome(queue)], order=Order.PRIVATE)


def swap_queue(cpu: Cpu, to: Queue) -> Op:
    """Take the queue and replace it by `to`; the page-table lock keeps the task on its CPU."""
    cell = queue_cell(cpu)
    return Op("take the queue", (cell,), (cell,), lambda queue: [Outcome(queue, (to,))], order=Order.PRIVATE)


def open_queue(cpu: Cpu) -> Op:
    """Entries are queued from now on."""
    cell = queue_cell(cpu)
    return Op("open the queue", (cell,), (cell,), lambda queue: [Outcome(None, (queue or (),))], order=Order.PRIVATE)


def add_to_queue(cpu: Cpu, addr: int) -> Op:
    """Queue an address. Returns the queue afterwards; None outside a section, where the flush is done at once."""
    cell = queue_cell(cpu)

    def step(queue: Queue) -> list[Outcome]:
        after = None if queue is None else (*queue, addr)
        return [Outcome(after, (after,))]

    return Op(f"queue {addr}", (cell,), (cell,), step, order=Order.PRIVATE)


class Queued(Stated):
    """`flush_pages` flushes what was queued, everywhere."""

    async def flush_pages(self, mm: Mm, addrs: tuple[int, ...]) -> None:
        """Flush the addresses on every CPU."""
        raise NotImplementedError

    async def flush_huge(self, mm: Mm, addr: int) -> None:
        """Flush the huge page at `addr` on every CPU."""
        raise NotImplementedError

    def clear_entry(self, mm: Mm, addr: int, nr: int) -> Op:
        """Empty entries; returns the first."""
        return xchg_pte(addr, nr, ("clear", addr, nr))

    async def flush_queue(self, mm: Mm, to: Queue) -> Queue:
        """Flush the queue, empty it, and leave it as `to`. Returns what it was."""
        cpu = await smp_processor_id(mm)
        queue: Queue = await read_queue(cpu)
        if queue:
            await self.flush_pages(mm, queue)
            await swap_queue(cpu, ())
        if to != (() if queue else queue):
            await swap_queue(cpu, to)
        return queue

    def stays(self, mm: Mm) -> bool:
        """Does a section disable preemption?"""
        raise NotImplementedError

    @hookimpl
    async def arch_enter_lazy_mmu_mode(self, mm: Mm) -> None:
        """batch->active = 1: what an outer section has queued stays."""
        if self.stays(mm):
            await preempt_disable()
        await open_queue(await smp_processor_id(mm))

    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        await self.flush_queue(mm, ())

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        await self.leave(mm)
        if self.stays(mm):
            await preempt_enable()

    async def leave(self, mm: Mm) -> None:
        """Flush what is queued; entries are no longer queued."""
        await self.flush_queue(mm, None)

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        pte: Entry = await self.clear_entry(mm, addr, nr)
        for page in () if full else range(addr, addr + nr):
            await self.need_flush(mm, page)
        return pte

    async def need_flush(self, mm: Mm, page: int) -> None:
        """An entry has changed: hpte_need_flush(), tlb_batch_add_one()."""
        await preempt_disable()  # get_cpu_var()
        queue = await add_to_queue(await smp_processor_id(mm), page)
        if queue is None:
            await self.flush_pages(mm, (page,))
        elif len(queue) == BATCH_NR:
            await self.flush_queue(mm, ())
        await preempt_enable()

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        """hpte_do_hugepage_flush(), __set_pmd_acct(): flushed at once, there being no section (6.12)."""
        pmd: Entry = await xchg_pmd(mm, addr)
        await self.flush_huge(mm, addr)
        return pmd

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        """Change a huge entry and flush it at once: flush_tlb_range(), or flush_pmd_tlb_range(), does nothing."""
        pmd: Entry = await establish_invalid_pmd(mm, addr)
        await self.flush_huge(mm, addr)
        return pmd

    @hookimpl
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        await wrprotect_pte(addr)
        await self.need_flush(mm, addr)

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """The section is over and the queue empty."""
        return "pending"

    @hookimpl
    def tlb_needs_table_invalidate(self) -> bool:
        return False

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """Empty."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        """Empty."""

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        """Empty."""
