"""Hardware broadcast that only the issuer can complete: arm64, ARMv7, csky CK860, radix tlbie, ia64, GINVT, INVLPGB.

A flush is issued to all TLBs and completed by the issuer's barrier.  A plugin says with `issued` and `barrier` which
instructions these are, and how many a range takes.
"""

from __future__ import annotations

from collections.abc import Sequence

from arch_plugins.families.access_flags import FlushesRelaxed
from arch_plugins.families.facts import Stated
from arch_plugins.families.pairs import entry_pages, whole_entries
from core.hookspecs import hookimpl
from core.machine.broadcast import complete, issue
from core.machine.insn import EVERYWHERE, Operand, insn
from core.machine.ipi import FlushRequest, Request
from core.machine.op import Cell, barrier
from core.machine.order import Order
from core.machine.tlb import tlb_cell
from core.mm.init_mm import init_mm
from core.mm.mm import Mm

Given = Sequence[tuple[str, int, tuple[Operand, ...]]]
"""Names, how many, and with which operands."""

Insns = Given | Sequence[tuple[str, int] | tuple[str, int, tuple[Operand, ...]]]
"""As `Given`, but an instruction may come without operands: they are derived (`Broadcast.given`)."""


def with_operands(insns: Insns) -> Given:
    """`insns`, of which each without operands invalidates everything on every CPU."""
    return [(one[0], one[1], one[2] if len(one) == 3 else (EVERYWHERE,)) for one in insns]


def effect_of(mm: Mm) -> tuple[tuple[int, Cell], ...]:
    """The TLB entries that a broadcast may drop as it is issued: address and cell."""
    return tuple((addr, tlb_cell(cpu, addr)) for cpu in sorted(mm.everyone) for addr in mm.addrs)


class Broadcast(FlushesRelaxed, Stated):
    """`prologue` and `barrier` are the instructions before and after; `mm_insn` and `page_insn` the flushes.

    `store_barrier` makes every walker see what was stored before the flush is issued; None where the words that clear
    an entry do that.
    `spares_walks`: flush_tlb_page() is of the last level only.
    `ceiling`: more strides than that are flushed as the whole mm; None for no ceiling.
    `takes_stride`: where only upper entries were cleared, one flush is enough for each (tlb_get_unmap_size()); if not,
    flush_tlb_range() goes page by page through what it is given.
    """

    prologue = ""
    barrier = "sync"
    store_barrier: Order | None = None
    mm_insn = "flush_mm"
    kernel_insn, kernel_all_insn = "flush_kernel_page", "flush_all"
    page_insn = "flush_page"
    spares_walks = takes_stride = False
    ceiling: int | None = None
    pages_per_insn = 1
    """2 where a TLB entry is a pair of pages."""

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        """The instructions that flush pages `start` to `end` in steps of `stride`; `leaf`: of the last level only."""
        return [(self.page_insn, -(-(end - start) // stride))]

    def given(self, insns: Insns, start: int, stride: int, leaf: bool) -> Given:
        """`insns` with operands: those that have none go through consecutive strides from `start` on."""
        at, step, each = start, max(stride, self.pages_per_insn), self.pages_per_insn
        made: list[tuple[str, int, tuple[Operand, ...]]] = []
        for name, nr, *operands in insns:
            of = operands[0] if operands else (Operand(at, nr, step, each, leaf, everywhere=True),)
            made.append((name, nr, of))
            at += nr * step if len(insns) > 1 else 0
        return made

    async def broadcast(self, mm: Mm, insns: Insns, request: FlushRequest) -> None:
        """Issue the instructions `insns`, which flush `request`, and wait until they are complete."""
        await self.send(mm, insns, request)
        await self.wait(mm)

    async def send(self, mm: Mm, insns: Insns, request: Request) -> None:
        """Issue the instructions; `wait` completes them."""
        if self.prologue:
            await insn(mm.task.cpu, self.prologue)
        if self.store_barrier is not None:
            await barrier(self.store_barrier)
        for name, nr, of in with_operands(insns):
            await insn(mm.task.cpu, name, nr, *of)
        effects = effect_of(mm) if mm.early_broadcasts else ()
        await issue(mm.task.cpu, insns[0][0], request, effects)

    async def wait(self, mm: Mm) -> None:
        """The barrier: complete for the issuer, whose earlier stores are then visible."""
        await insn(mm.task.cpu, self.barrier)
        await complete(mm.task.cpu, mm.everyone, mm.addrs, self.barrier)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.broadcast(mm, [(self.mm_insn, 1)], FlushRequest())

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        """Upper levels too: tables may have been moved or collapsed."""
        await self.flush_range(mm, start, end, stride, leaf=False)

    def above_ceiling(self, start: int, end: int, stride: int) -> bool:
        """Is the whole mm flushed instead of this many strides?"""
        return self.ceiling is not None and (end - start) // stride > self.ceiling

    def above_kernel_ceiling(self, pages: int) -> bool:
        """Is everything flushed instead of this many pages of the kernel?"""
        return self.above_ceiling(0, pages, 1)

    async def flush_range(self, mm: Mm, start: int, end: int, stride: int, leaf: bool) -> None:
        """The range rounded to strides, or the mm above the ceiling; `leaf` spares upper levels."""
        stride = stride if self.takes_stride else 1
        start, end = whole_entries(start, end, max(stride, entry_pages(mm, self.pages_per_insn)))
        if self.above_ceiling(start, end, stride):
            await self.broadcast(mm, [(self.mm_insn, 1)], FlushRequest())
        else:
            insns = self.given(self.of_range(start, end, stride, leaf), start, stride, leaf)
            await self.broadcast(mm, insns, FlushRequest(start, end, leaf))

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """Of whatever ASID: kernel mappings are global."""
        mm = init_mm(mm)
        if self.above_kernel_ceiling(end - start):
            await self.broadcast(mm, [(self.kernel_all_insn, 1)], FlushRequest())
            return
        each = self.pages_per_insn
        start, end = whole_entries(start, end, each)
        nr = (end - start) // each
        of = (Operand(start, nr, each, each, leaf=True, everywhere=True),)
        await self.broadcast(mm, [(self.kernel_insn, nr, of)], FlushRequest(start, end, leaf=True))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        leaf = self.spares_walks
        start, end = whole_entries(addr, addr + 1, entry_pages(mm, self.pages_per_insn))
        insns = self.given(self.of_range(start, end, 1, leaf), start, 1, leaf)
        await self.broadcast(mm, insns, FlushRequest(start, end, leaf))
