"""ia64 (6.1): ptc.ga for a range, one purge at a time machine-wide; for the mm a new region ID, by interrupt.

arch/ia64/mm/tlb.c:flush_tlb_range(): a range is purged in pieces of a power of two that the CPU supports, and then the
part of the virtual page table that maps it; by ptc.l where this CPU is on the mm and alone in mm_cpumask.
arch/ia64/kernel/smp.c:smp_flush_tlb_mm(): an mm with one user takes its new region ID here, without an interrupt.
"""

from __future__ import annotations

from arch_plugins.families.access_flags import FlushesRelaxed
from arch_plugins.families.facts import Stated
from arch_plugins.families.region_id import activate_context, drop_context, finish_flush, purge
from arch_plugins.generic import flush_cpus_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.insn import EVERYTHING, Operand, insn
from core.machine.ipi import FlushRequest, take_ipi
from core.machine.op import Cpu, Op, Tid
from core.machine.tlb import invalidate
from core.mm.kthread import active_mm, mm_users
from core.mm.mm import Mm, mm_cpumask

PAGE_SHIFT = 14
PURGE_SIZES = tuple(bit for bit in range(64) if 0x115557000 >> bit & 1)
"""What ptc.ga can purge at once, as powers of two: what the architecture prescribes (ia64_tlb_init())."""
TERABYTE = 1 << 40


def pieces(start: int, end: int) -> tuple[int, int, int]:
    """__flush_tlb_range(), in bytes: where the first purge starts, how many there are, and the size of each."""
    least = int(end - start + 0xFFF).bit_length() - 1  # ia64_fls()
    size = 1 << next((bit for bit in PURGE_SIZES if bit >= least), PURGE_SIZES[-1])
    start -= start % size
    return start, -(-(end - start) // size), size


class Ia64(FlushesRelaxed, Stated):
    """16 KiB pages; Linux had it until 6.6."""

    FACTS = Facts(
        page_size=16384,
        ptes_per_table=2048,
        upper_entries=2048,
        levels=3,
        hw_dirty=False,
        sources=("arch/ia64/mm/tlb.c", "arch/ia64/kernel/smp.c", "arch/ia64/include/asm/mmu_context.h"),
        walker="linear",
        tables_at_once=("pte", "pmd", "pud"),
        kernel="6.1.192",
        family="hardware broadcast",
    )

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        follows = mm.cpus is None
        if follows:
            await drop_context()
        if await mm_users() == 0:
            return
        mask: frozenset[Cpu] = await mm_cpumask(mm)
        on = bool(await active_mm(mm.task.cpu))
        if on and await mm_users() == 1:
            mask = frozenset({mm.task.cpu})
        for cpu in sorted(mask):
            await insn(cpu, "activate_context", 1, EVERYTHING)
        await flush_cpus_by_ipi(mm, mask - {mm.task.cpu} if follows else mask, FlushRequest())
        if follows and on:
            await activate_context(mm)

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        return take_ipi(sender, cpu, mm.addrs) if mm.cpus is not None else finish_flush(mm, sender, cpu)

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if (end - start) << PAGE_SHIFT >= TERABYTE:
            await flush_cpus_by_ipi(mm, mm.everyone, FlushRequest())  # flush_tlb_all()
            return
        first, number, size = pieces(start << PAGE_SHIFT, end << PAGE_SHIFT)
        request = FlushRequest(first >> PAGE_SHIFT, first + number * size >> PAGE_SHIFT)
        of = Operand(request.start, number, size >> PAGE_SHIFT, size >> PAGE_SHIFT)
        number += pieces(start * 8, end * 8)[1]  # ia64_thash()
        mask: frozenset[Cpu] = await mm_cpumask(mm)
        on = bool(await active_mm(mm.task.cpu))
        local = on and len(mask) == 1
        if not on and mm.cpus is None:
            await activate_context(mm)
        name, cpus = ("ptc.l", frozenset({mm.task.cpu})) if local else ("ptc.ga", mm.everyone)
        await insn(mm.task.cpu, name, number, of._replace(everywhere=not local))
        await insn(mm.task.cpu, "srlz.i", 2 if local else number)
        if mm.cpus is None:
            await purge(mm, cpus, request, name)
        else:
            await invalidate(sorted(cpus), [a for a in mm.addrs if request.covers(a)], f"{name}: {request}")

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.flush_tlb_range(mm, addr, addr + 1, 1)

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """activate_mm(): whatever the CPU was on."""
        if next is not None and next.cpus is None:
            await activate_context(next)
