"""Generations: a CPU that was away sees by a number whether it has missed a flush.

arch/x86/mm/tlb.c: every flush raises mm->context.tlb_gen, before it reads mm_cpumask.  switch_mm_irqs_off() sets the
CPU's bit before it reads the number; if it is not the one that the ASID was last up to date with, CR3 is loaded with a
flush.  So either the flusher sees the bit, or the switch sees the number.  Up to 6.13 a CPU leaves the mask with the
mm; later it stays until it is interrupted for nothing (209954cbc7d0), and the flusher asks what each has loaded:
LOADED_MM_SWITCHING counts as this mm (fea4e317f9e7), because a switch may have read the number already.

A CPU in lazy TLB mode is left out of flushes that free no table.  One that is asked all the same, for its walker must
not go on in a freed table, switches to init_mm.

A handler flushes no more than it must: nothing if another's request has brought the CPU as far already; the range if
that is all that it is behind (its own generation is the next one, and the newest); everything otherwise.  It says
nothing of the ASID's entries where another mm is loaded: switch_mm_irqs_off() will find the number changed.

All this is about CPUs that come and go: where mm_cpumask does not change (`Mm.cpus`), there are no such words.

Data types
    cell ('tlb_gen', None)     mm->context.tlb_gen
    cell ('ctx_gen', cpu)      cpu_tlbstate.ctxs[asid].tlb_gen: what the CPU's entries of this mm are up to date with
    cell ('loaded_mm', cpu)    cpu_tlbstate.loaded_mm: 'this', 'switching' or 'other'
    cell ('is_lazy', cpu)      cpu_tlbstate_shared.is_lazy
    GenRequest                 struct flush_tlb_info, as far as the CPU that is asked looks at it
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arch_plugins.generic import flush_cpus_by_ipi
from core.hookspecs import Architecture, hookimpl
from core.machine.insn import EVERYTHING, Operand, insn
from core.machine.ipi import FlushRequest, csd_cell, irqs_off_cell, send_ipis, take_ipi, wait_ipis
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid, barrier
from core.machine.order import Order
from core.machine.tlb import tlb_cell
from core.machine.variable import read_once as read
from core.machine.variable import write_once as write
from core.mm.batched_unmap import UnmapBatch
from core.mm.kthread import on_mm_cell
from core.mm.mm import CPUMASK, Mm, cpumask_clear_cpu, cpumask_set_cpu, mm_cpumask

GEN = Cell(declare("tlb_gen", 0, of_mm=True))

CTX_GEN = declare("ctx_gen", 0, "ghost", of_mm=True)


def ctx_gen_cell(cpu: Cpu) -> Cell:
    """The generation with which the CPU's entries of this mm are up to date."""
    return Cell(CTX_GEN, cpu)


LOADED_MM = declare("loaded_mm", "other", of_mm=True)


def loaded_mm_cell(cpu: Cpu) -> Cell:
    """The mm that the CPU has loaded: 'this', 'switching' or 'other'."""
    return Cell(LOADED_MM, cpu)


IS_LAZY = declare("is_lazy", False, of_mm=True)


def is_lazy_cell(cpu: Cpu) -> Cell:
    """Does the CPU run a kernel thread on the page tables of the previous mm?"""
    return Cell(IS_LAZY, cpu)


def inc_mm_tlb_gen() -> Op:
    """atomic64_inc_return(&mm->context.tlb_gen)."""
    return Op("inc_mm_tlb_gen", (GEN,), (GEN,), lambda gen: [Outcome(gen + 1, (gen + 1,))], order=Order.FULL)


def should_trim_cpumask() -> Op:
    """Has a second passed since the last time?  Both answers are possible."""
    return Op("should_trim_cpumask", (), (), lambda: [Outcome(False), Outcome(True)], order=Order.PRIVATE)


@dataclass(frozen=True, slots=True)
class GenRequest:
    """Catch up with generation `gen`; `request` is sufficient for a CPU that is exactly one generation behind.

    `stride` is the pages per cleared entry.
    """

    request: FlushRequest
    gen: int
    stride: int = 1

    def covers(self, addr: int) -> bool:
        """Does it flush virtual page `addr`?"""
        return self.request.covers(addr)

    def forgets(self, addr: int, entry: object) -> bool:
        """Does it flush this TLB entry of `addr`?"""
        return self.request.forgets(addr, entry)

    def __str__(self) -> str:
        return f"{self.request} for tlb_gen {self.gen}"


Info = GenRequest | FlushRequest
"""A plain FlushRequest is of no mm, and of TLB_GENERATION_INVALID."""


class TlbGen(Architecture):
    """Switching to and from an mm, and the interrupt. `leaves_mask`: a CPU leaves mm_cpumask with the mm."""

    leaves_mask = True

    # ---- switching -----------------------------------------------------------------------------------------------

    @hookimpl
    def cells_on_mm(self, mm: Mm, cpu: Cpu, lazy: bool) -> Mapping[Cell, Hashable]:
        return {loaded_mm_cell(cpu): "this", is_lazy_cell(cpu): lazy}

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """switch_mm_irqs_off(); of two mms that are both known the one is left before the other is taken."""
        if prev is not None and prev is not next:
            await self.leave(prev)
        if next is not None and next.cpus is None:
            await self.take(next)

    async def take(self, mm: Mm) -> None:
        """The part about `next`; an ASID that is up to date is used without a flush."""
        cpu = mm.task.cpu
        await write(irqs_off_cell(cpu), True)
        was_lazy = await read(is_lazy_cell(cpu))
        if was_lazy:
            await write(is_lazy_cell(cpu), False)
        if await read(loaded_mm_cell(cpu)) != "this":
            await write(loaded_mm_cell(cpu), "switching")
            await self.join(mm)
            await self.load_cr3(mm, await self.catch_up(mm))
        elif was_lazy:
            await barrier(Order.SMP_MB)  # is_lazy is seen to be clear before tlb_gen is read (6.12 tlb.c:590)
            if await self.catch_up(mm):
                await self.load_cr3(mm, True)
        await write(irqs_off_cell(cpu), False)

    async def load_cr3(self, mm: Mm, need_flush: bool) -> None:
        """load_new_mm_cr3(), and loaded_mm = next behind it; who sees LOADED_MM_SWITCHING in between interrupts."""
        cpu = mm.task.cpu
        await write_cr3(cpu, True, mm.addrs if need_flush else ())
        await write(loaded_mm_cell(cpu), "this")

    async def join(self, mm: Mm) -> None:
        """LOADED_MM_SWITCHING is seen before tlb_gen is read: by the locked operation that sets the bit.

        A CPU that has stayed in the mask sets none, and needs a barrier (83b0177a6c48, 6.18).
        """
        if self.leaves_mask or mm.task.cpu not in await mm_cpumask(mm):
            await cpumask_set_cpu(mm)
        elif mm.era.has("83b0177a6c48"):
            await barrier(Order.SMP_MB)

    async def catch_up(self, mm: Mm) -> bool:
        """Has a flush been missed, so that CR3 is to be loaded with one?

        A CPU that comes back from lazy TLB mode has not been sent any either.
        """
        cpu, gen = mm.task.cpu, await read(GEN)
        if await read(ctx_gen_cell(cpu)) == gen:
            return False
        await write(ctx_gen_cell(cpu), gen)
        return True

    @hookimpl
    async def enter_lazy_tlb(self, mm: Mm) -> None:
        if mm.cpus is None:
            await write(is_lazy_cell(mm.task.cpu), True)

    async def leave(self, mm: Mm) -> None:
        """The part about `prev`, whose page tables are left."""
        cpu = mm.task.cpu
        await write(irqs_off_cell(cpu), True)
        if await read(is_lazy_cell(cpu)):
            await write(is_lazy_cell(cpu), False)
        await self.switch_away(mm)
        await write(irqs_off_cell(cpu), False)

    async def switch_away(self, mm: Mm) -> None:
        """CR3 of another mm is loaded, between the two stores of loaded_mm."""
        cpu = mm.task.cpu
        await write(loaded_mm_cell(cpu), "switching")
        if self.leaves_mask:
            await cpumask_clear_cpu(mm)
        await write_cr3(cpu, False)
        await write(loaded_mm_cell(cpu), "other")

    # ---- flushing ------------------------------------------------------------------------------------------------

    async def flush_mask(self, mm: Mm, request: FlushRequest, freed_tables: bool, stride: int = 1) -> None:
        """flush_tlb_mm_range(), once it is known how much."""
        here, info = mm.task.cpu, GenRequest(request, await inc_mm_tlb_gen(), stride)
        if await mm_cpumask(mm) - {here}:  # cpumask_any_but()
            trim = not self.leaves_mask and bool(await should_trim_cpumask())
            await self.flush_tlb_multi(mm, await mm_cpumask(mm), info, freed_tables, trim)
        elif await read(loaded_mm_cell(here)) == "this":
            await self.local(mm, info)

    async def flush_tlb_multi(
        self, mm: Mm, cpus: frozenset[Cpu], info: Info, freed_tables: bool, whatever: bool
    ) -> None:
        """native_flush_tlb_multi(): lazy CPUs too if tables were freed, because their walkers may be about to read
        these.
        """
        here = mm.task.cpu
        others = [
            cpu for cpu in sorted(cpus - {here}) if freed_tables or await self.should_flush_tlb(mm, cpu, whatever)
        ]
        if others:
            await send_ipis(mm.task, others, info)
        if here in cpus and (freed_tables or await self.should_flush_tlb(mm, here, whatever)):
            await self.local(mm, info)
        if others:
            await wait_ipis(mm.task, others)

    async def should_flush_tlb(self, mm: Mm, cpu: Cpu, whatever: bool) -> bool:
        """May a CPU of the mask have what is to be flushed?

        `whatever` it has loaded: for a batch, which is of any mm, and to make the CPU leave the mask.
        """
        loaded = await read(loaded_mm_cell(cpu))
        if await read(is_lazy_cell(cpu)):
            return False
        return whatever or loaded == "this" or (loaded == "switching" and mm.era.has("fea4e317f9e7"))

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        """A CPU that comes back before the batch is flushed finds a new generation, and so does its handler."""
        if mm.cpus is None:
            await inc_mm_tlb_gen()
        batch.cpus |= await mm_cpumask(mm)

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """Flush everything that each CPU has loaded, of whichever mm."""
        cpus, batch.cpus = batch.cpus, frozenset()
        if mm.cpus is not None:
            await self.flush_everything(mm, cpus)
        elif cpus - {mm.task.cpu}:
            await self.flush_tlb_multi(mm, cpus, FlushRequest(), False, True)
        elif cpus:
            await self.local(mm, FlushRequest())

    async def flush_everything(self, mm: Mm, cpus: frozenset[Cpu]) -> None:
        """flush_tlb_multi() of TLB_FLUSH_ALL, where the CPUs of the mask stay the same."""
        await flush_cpus_by_ipi(mm, cpus, FlushRequest())

    # ---- being asked ---------------------------------------------------------------------------------------------

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        """flush_tlb_func() as one step.

        With interrupts off only the handler changes what belongs to this CPU, and if tlb_gen is raised meanwhile, it is
        as if it were raised afterwards.
        """
        if mm.cpus is not None:
            return take_ipi(sender, cpu, mm.addrs)
        csd, irqs_off, cells = csd_cell(sender, cpu), irqs_off_cell(cpu), handler_cells(mm, cpu)

        def step(request: Any, off: bool, gen: int, *words: Any) -> list[Outcome]:
            if request is None or off:
                return []
            return [Outcome(None, (None, *self.handled(mm, cpu, request, gen, words)))]

        return Op(
            f"IPI of T{sender}: flush_tlb_func", (csd, irqs_off, GEN, *cells), (csd, *cells), step, order=Order.HANDLER
        )

    async def local(self, mm: Mm, info: Info) -> None:
        """The local part of a flush, with interrupts off: one step (core.tree.stretch says why), unless it is lazy."""
        cpu = mm.task.cpu
        irqs_off, cells = irqs_off_cell(cpu), handler_cells(mm, cpu)

        def step(gen: int, *words: Any) -> list[Outcome]:
            if words[1]:
                return [Outcome(("lazy", False), (True, *words))]
            after = self.handled(mm, cpu, info, gen, words)
            behind = isinstance(info, GenRequest) and info.gen == words[2] + 1 == gen
            return [Outcome(("flushed" if after[2] != words[2] else "", behind), (False, *after))]

        done, partial = await Op(f"local {info}", (GEN, *cells), (irqs_off, *cells), step, order=Order.FLUSH)
        if done == "lazy":  # switch_mm_irqs_off(init_mm)
            await write(is_lazy_cell(cpu), False)
            await self.switch_away(mm)
            await write(irqs_off, False)
        elif done:
            await self.executed(cpu, info, partial)

    async def executed(self, cpu: Cpu, info: Info, partial: bool) -> None:
        """Report the instructions of a flush of what `info` names, if `partial`, or of everything."""
        strides, of = 0, EVERYTHING
        if partial and isinstance(info, GenRequest) and info.request.end is not None:
            strides = -(-(info.request.end - info.request.start) // info.stride)
            of = Operand(info.request.start, strides, info.stride)
        for name, nr in self.insns(strides):
            await insn(cpu, name, nr, of)

    def insns(self, nr: int) -> list[tuple[str, int]]:
        """The instructions that a CPU executes for `nr` strides, 0 for everything; none if they are not reported."""
        return []

    def handled(self, mm: Mm, cpu: Cpu, info: Info, gen: int, words: tuple[Any, ...]) -> tuple[Any, ...]:
        """flush_tlb_func(): the words of `handler_cells()` as it leaves them."""
        loaded, lazy, ctx_gen, on_mm, mask, *tlb = words
        to = info.gen if isinstance(info, GenRequest) else None
        if loaded != "this":
            trimmed = mask - {cpu} if to is not None and not self.leaves_mask else mask
            lazy &= to is not None  # a batch is of no mm: it makes a lazy CPU leave whichever it has loaded
            return (loaded, lazy, ctx_gen, on_mm, trimmed, *tlb)
        if lazy:  # switch_mm_irqs_off(init_mm); what is cached stays under the ASID
            return ("other", False, ctx_gen, False, mask - {cpu} if self.leaves_mask else mask, *tlb)
        if ctx_gen == gen or (to is not None and to <= ctx_gen):
            return words
        partial = to == ctx_gen + 1 == gen
        kept = (e if partial and not info.covers(addr) else None for addr, e in zip(mm.addrs, tlb, strict=True))
        return (loaded, lazy, gen, on_mm, mask, *kept)


def handler_cells(mm: Mm, cpu: Cpu) -> tuple[Cell, ...]:
    """What flush_tlb_func() looks at and may change on `cpu`."""
    own = (loaded_mm_cell(cpu), is_lazy_cell(cpu), ctx_gen_cell(cpu), on_mm_cell(cpu))
    return (*own, CPUMASK, *(tlb_cell(cpu, addr) for addr in mm.addrs))


def write_cr3(cpu: Cpu, this: bool, dropped: Sequence[int] = ()) -> Op:
    """The hardware goes to the page tables of this mm or of another one; what it has cached of `dropped` is gone."""
    cells, gone = tuple(tlb_cell(cpu, addr) for addr in dropped), (None,) * len(dropped)
    name = f"load CR3 of {'the mm' if this else 'another mm'}{', with a flush' if dropped else ''}"
    return Op(name, (), (on_mm_cell(cpu), *cells), lambda: [Outcome(None, (this, *gone))], order=Order.WRITE_CR3)
