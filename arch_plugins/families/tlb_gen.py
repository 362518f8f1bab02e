"""Generations: a CPU that was away sees by a number whether it has missed a flush.

arch/x86/mm/tlb.c: every flush raises mm->context.tlb_gen, before it reads mm_cpumask.  switch_mm_irqs_off() sets the
CPU's bit before it reads the number; if it is not the one that the ASID was last up to date with, CR3 is loaded with a
flush.  So either the flusher sees the bit, or the switch sees the number.  Up to 6.13 a CPU leaves the mask with the
mm; later it stays (209954cbc7d0), and the flusher asks what each has loaded: LOADED_MM_SWITCHING counts as this mm
(fea4e317f9e7), because a switch may have read the number already.

A handler flushes whatever the CPU has loaded, which is more than flush_tlb_func() does.  All this is about CPUs that
come and go: where mm_cpumask does not change (`Mm.cpus`), there are no such words.

Data types
    cell ('tlb_gen', None)     mm->context.tlb_gen
    cell ('ctx_gen', cpu)      cpu_tlbstate.ctxs[asid].tlb_gen: what the CPU's entries of this mm are up to date with
    cell ('loaded_mm', cpu)    cpu_tlbstate.loaded_mm: 'this', 'switching' or 'other'
    cell ('is_lazy', cpu)      cpu_tlbstate_shared.is_lazy
"""

from __future__ import annotations

from core.hookspecs import hookimpl
from core.machine.ipi import irqs_off_cell
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.tlb import invalidate
from core.mm.mm import Mm, cpumask_clear_cpu, cpumask_set_cpu, mm_cpumask

GEN = Cell("tlb_gen")


def ctx_gen_cell(cpu: Cpu) -> Cell:
    """What the CPU is up to date with."""
    return Cell("ctx_gen", cpu)


def loaded_mm_cell(cpu: Cpu) -> Cell:
    """What the CPU has loaded."""
    return Cell("loaded_mm", cpu)


def is_lazy_cell(cpu: Cpu) -> Cell:
    """Whether the CPU runs a kernel thread on the page tables of the mm before."""
    return Cell("is_lazy", cpu)


def inc_mm_tlb_gen() -> Op:
    """atomic64_inc_return(&mm->context.tlb_gen)."""
    return Op("inc_mm_tlb_gen", (GEN,), (GEN,), lambda gen: [Outcome(gen + 1, (gen + 1,))])


def read(cell: Cell) -> Op:
    """A load of one of the words."""
    return Op(f"read {cell}", (cell,), (), lambda value: [Outcome(value)])


def write(cell: Cell, value: object) -> Op:
    """A store to one of the words."""
    return Op(f"{cell} = {value}", (), (cell,), lambda: [Outcome(None, (value,))])


class TlbGen:
    """Switching to and from an mm. `leaves_mask`: a CPU leaves mm_cpumask with the mm."""

    leaves_mask = True

    @hookimpl
    async def switch_mm(self, mm: Mm) -> None:
        """switch_mm_irqs_off(), to this mm; an ASID that is up to date is taken up without a flush."""
        if mm.cpus is not None:
            return
        cpu = mm.task.cpu
        await write(irqs_off_cell(cpu), True)
        if await read(is_lazy_cell(cpu)):
            await write(is_lazy_cell(cpu), False)
            await self.catch_up(mm)
        else:
            await write(loaded_mm_cell(cpu), "switching")
            await cpumask_set_cpu(mm)
            await self.catch_up(mm)
            await write(loaded_mm_cell(cpu), "this")
        await write(irqs_off_cell(cpu), False)

    async def catch_up(self, mm: Mm) -> None:
        """Flush if a flush has been missed. Who comes back from lazy TLB mode has been left out of them too."""
        cpu, gen = mm.task.cpu, await read(GEN)
        if await read(ctx_gen_cell(cpu)) != gen:
            await write(ctx_gen_cell(cpu), gen)
            await invalidate((cpu,), mm.addrs, "load CR3 with a flush")

    @hookimpl
    async def enter_lazy_tlb(self, mm: Mm) -> None:
        await write(is_lazy_cell(mm.task.cpu), True)

    @hookimpl
    async def leave_mm(self, mm: Mm) -> None:
        """switch_mm_irqs_off(), to another."""
        await write(loaded_mm_cell(mm.task.cpu), "other")
        if self.leaves_mask:
            await cpumask_clear_cpu(mm)

    async def to_flush(self, mm: Mm, freed_tables: bool) -> frozenset[Cpu]:
        """Begin a flush: which CPUs must be told. The task's own is up to date once it has flushed.

        All of the mask if tables were freed, which a lazy CPU may walk too: native_flush_tlb_multi().
        """
        if mm.cpus is not None:
            return mm.cpus
        gen = await inc_mm_tlb_gen()
        await write(ctx_gen_cell(mm.task.cpu), gen)
        cpus: frozenset[Cpu] = await mm_cpumask(mm)
        if freed_tables:
            return cpus
        return frozenset([cpu for cpu in sorted(cpus) if await self.should_flush_tlb(mm, cpu)])

    async def should_flush_tlb(self, mm: Mm, cpu: Cpu) -> bool:
        """Whether a CPU of the mask can have what is to be flushed."""
        if cpu == mm.task.cpu:
            return True
        if await read(is_lazy_cell(cpu)):
            return False
        loaded = await read(loaded_mm_cell(cpu))
        return loaded == "this" or (loaded == "switching" and mm.era.has("fea4e317f9e7"))
