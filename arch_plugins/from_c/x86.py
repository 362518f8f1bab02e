"""x86 from its C: mm/tlb.c whole, tlbflush.h, tlb.h, the freeing of tables, and kernel/smp.c; with PCIDs, without PTI.

Where mm_cpumask is fixed every CPU has the mm loaded, and no generation is kept.  Where it is not, the words are those
of `arch_plugins.families.tlb_gen`; switch_mm_irqs_off(), enter_lazy_tlb() and flush_tlb_func() are C then too.

A handler, and a CPU's own part of a flush, is one step, because interrupts are off: nobody else changes what belongs to
the CPU, and it looks once at the mm's tlb_gen, which others change (core.tree.stretch).  C that looks twice takes more.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from arch_plugins.families.tlb_gen import GenRequest, Info
from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import ADDRESS, GatherFromC
from arch_plugins.from_c._x86 import (
    COUNTED,
    DROPS,
    HAS_MM,
    LOOKS,
    NOW,
    TLB_FLUSH_ALL,
    VOCABULARY,
    TlbHands,
    claimed,
    reach_of,
    stored,
)
from arch_plugins.x86 import X86
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest, csd_cell, irqs_off_cell
from core.machine.op import Cpu, Op, Tid
from core.machine.pte import Entry, ProtNone, Pte
from core.machine.variable import write_once
from core.mm.batched_unmap import UnmapBatch
from core.mm.init_mm import init_mm
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather, tlb_get_unmap_size
from core.tree.automaton import CAutomaton
from core.tree.binding import Binding
from core.tree.errors import NotInTables
from core.tree.gather import PAGE_SHIFT, bits
from core.tree.hybrid import at_once, cpus_of, mask_of
from core.tree.manifest import GENERIC_GATHER, Manifest, Source, Version, names_in
from core.tree.stretch import Handler, Reach, looks_again

# ---- what is built -----------------------------------------------------------------------------------------------

DROPPED = """
    tlbflush_read_file tlbflush_write_file create_tlb_single_page_flush_ceiling initialize_tlbstate_and_flush
    l1d_flush_force_sigbus l1d_flush_evaluate nmi_uaccess_okay ;fops_tlbflush ;late_initcall
"""
FREEING = "___pte_free_tlb ___pmd_free_tlb ___pud_free_tlb ___p4d_free_tlb"
INVLPG = ('asm volatile("invlpg (%0)" ::"r" (addr) : "memory")', "invlpg(addr)")
"""What 6.1 has within a function."""


def manifest(version: Version) -> Manifest:
    """The same files in 6.1 and 6.12, but for where INVLPG is written."""
    asm, old = "arch/x86/include/asm/", version < (6, 12)
    return Manifest(
        (
            Source(f"{asm}mmu.h"),
            Source(f"{asm}tlbflush.h"),
            Source(f"{asm}tlb.h", drop=("?invlpg",)),
            Source(GENERIC_GATHER),
            Source(f"{asm}pgalloc.h", keep=names_in(FREEING.replace("___", "__"))),
            Source("arch/x86/mm/pgtable.c", keep=names_in(FREEING)),
            *smp.sources(),
            Source("arch/x86/mm/tlb.c", drop=names_in(DROPPED), replace=(INVLPG,) if old else ()),
        ),
        "x86.h",
        "x86.c",
        owned=("flush_tlb_info", *smp.OWNED),
    )


# ---- the hooks ---------------------------------------------------------------------------------------------------


class X86FromC(GatherFromC, X86):
    """Every hook of `arch_plugins.x86` that touches TLBs, masks or what a CPU has loaded."""

    def __init__(self, automata: Any) -> None:
        GatherFromC.__init__(self, automata)

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())

    # ---- flushing ------------------------------------------------------------------------------------------------

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.run(TlbHands(mm), "enter_flush_tlb_mm")

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        scale = _scale(stride, mm)
        entry = "enter_flush_tlb_range" if stride == 1 else "enter_flush_tlb_huge"
        of = TlbHands(mm, start, stride, scale=scale)
        await self.run(of, entry, ADDRESS, ADDRESS + (end - start) * scale)

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.run(TlbHands(mm, addr), "enter_flush_tlb_page", ADDRESS)

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        of = TlbHands(init_mm(mm), start)
        await self.run(of, "enter_flush_tlb_kernel_range", ADDRESS, ADDRESS + (end - start << PAGE_SHIFT))

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str:
        stride, whole = tlb_get_unmap_size(tlb), tlb.fullmm or tlb.need_flush_all
        scale = bytes_of_page(tlb)
        of = TlbHands(tlb.mm, 0 if whole else tlb.start, stride, tlb, scale=scale)
        length = 1 if whole else tlb.end - tlb.start
        await self.run(of, "enter_tlb_flush", ADDRESS, ADDRESS + length * scale, bits(tlb))
        return "mm" if whole else "range"

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        for addr in range(start, end):  # the kernel of this tree takes one entry
            of = TlbHands(mm, addr, batch=batch)
            await self.run(of, "enter_tlbbatch_add_pending", ADDRESS, mask_of(mm, batch.cpus))

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        of = TlbHands(mm, batch=batch, gen=_counted(mm))
        await self.run(of, "enter_tlbbatch_flush", mask_of(mm, batch.cpus))

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        if self.automata.unit.version < (6, 12):  # mm/rmap.c flushes the mm
            await self.flush_tlb_mm(mm)
        else:
            await self.run(TlbHands(mm), "enter_flush_tlb_batched_pending")

    # ---- which changes need a flush ------------------------------------------------------------------------------

    @hookimpl
    def pte_needs_flush(self, mm: Mm, oldpte: Entry, newpte: Entry) -> bool:
        return bool(at_once(self.run(TlbHands(mm), "enter_pte_needs_flush", flags(oldpte), flags(newpte))))

    @hookimpl
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:
        return bool(at_once(self.run(TlbHands(mm), "enter_huge_pmd_needs_flush", flags(oldpmd), flags(newpmd))))

    # ---- switching -----------------------------------------------------------------------------------------------

    async def take(self, mm: Mm) -> None:
        """switch_mm_irqs_off() to the mm."""
        await self._irqs_off(mm, "enter_switch_in")

    async def leave(self, mm: Mm) -> None:
        """switch_mm_irqs_off() from the mm."""
        await self._irqs_off(mm, "enter_switch_out")

    async def _irqs_off(self, mm: Mm, entry: str) -> None:
        """The scheduler's call."""
        await write_once(irqs_off_cell(mm.task.cpu), True)
        await self.run(TlbHands(mm, gen=_counted(mm)), entry)
        await write_once(irqs_off_cell(mm.task.cpu), False)

    @hookimpl
    async def enter_lazy_tlb(self, mm: Mm) -> None:
        if mm.cpus is None:
            await self.run(TlbHands(mm), "enter_lazy")

    # ---- being asked ---------------------------------------------------------------------------------------------

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        """One step, or as many as others can tell apart of C that looks twice at what they change or read."""
        there = mm.on(replace(mm.task, cpu=cpu))
        return Handler(
            f"IPI of T{sender}: flush_tlb_func" if mm.cpus is None else f"take IPI of T{sender}",
            csd_cell(sender, cpu),
            (sender, mm.addrs),
            reach_of(there, handler=True),
            self.automata.vocabulary,
            lambda request: self.asked(there, request),
            mm.cpus is None and self._looks_again(there),
        ).op()

    def reach_of_stretches(self, cpu: Cpu, addrs: tuple[int, ...]) -> Reach:
        """What C with interrupts off takes for its own on a CPU, of an mm whose mask is a cell (core.tree.claims)."""
        return claimed(cpu, addrs)

    def asked(self, mm: Mm, info: Info) -> tuple[CAutomaton, TlbHands]:
        """flush_tlb_func() with the request, on the CPU of `mm.task`."""
        request, gen = (info.request, info.gen) if isinstance(info, GenRequest) else (info, None)
        stride = info.stride if isinstance(info, GenRequest) else 1
        of_mm = gen is not None or (mm.cpus is not None and request.end is not None)
        of = TlbHands(mm, request.start, stride, scale=_scale(stride, mm), gen=_counted(mm, gen))
        end = TLB_FLUSH_ALL if request.end is None else ADDRESS + (request.end - request.start) * of.scale
        shift = (stride * of.scale).bit_length() - 1
        args = ADDRESS, end, shift << 8 | (HAS_MM if of_mm else 0), NOW if of_mm else 0
        return self.automata.of("enter_flush_tlb_func", args, len(cpus_of(mm))), of

    def _looks_again(self, mm: Mm) -> bool:
        """May others tell apart what the C does?  Asked for a batch, for everything, and for a page."""
        everything, page = FlushRequest(), FlushRequest(0, 1)
        for info in (everything, GenRequest(everything, 1), GenRequest(page, 1)):
            with suppress(NotInTables):
                if looks_again(self.asked(mm, info)[0], LOOKS, DROPS, stored):
                    return True
        return False


def _counted(mm: Mm, gen: int | None = None) -> int | None:
    """The generation to begin with, of C that does not count up: `gen`, where generations are kept."""
    return gen if mm.cpus is None else COUNTED


_PRESENT, _RW, _ACCESSED, _DIRTY, _PROTNONE, _UFFD_WP, _NX = (1 << bit for bit in (0, 1, 5, 6, 8, 10, 63))
"""arch/x86/include/asm/pgtable_types.h."""


def flags(entry: Entry) -> int:
    """A page-table entry as the hardware has it."""
    if isinstance(entry, Pte):
        bits_of = entry.write * _RW | entry.dirty * _DIRTY | entry.uffd_wp * _UFFD_WP | entry.nx * _NX
        return entry.frame << PAGE_SHIFT | _PRESENT | _ACCESSED | bits_of
    if isinstance(entry, ProtNone):
        return entry.frame << PAGE_SHIFT | _PROTNONE | entry.write * _RW | entry.dirty * _DIRTY
    return 0


def bytes_of_page(tlb: MmuGather) -> int:
    """So that an entry of the lowest level that was cleared has the size that C computes with."""
    if tlb.cleared_ptes or not (tlb.cleared_pmds or tlb.cleared_puds or tlb.cleared_p4ds):
        return 1 << PAGE_SHIFT
    level = 1 if tlb.cleared_pmds else 2 if tlb.cleared_puds else 3
    return (1 << PAGE_SHIFT + 9 * level) // tlb_get_unmap_size(tlb)


def _scale(stride: int, mm: Mm) -> int:
    """The same of a stride alone."""
    if stride == 1:
        return 1 << PAGE_SHIFT
    level = next((at for at, span in enumerate(mm.span) if span >= stride), len(mm.span) - 1)
    return (1 << PAGE_SHIFT + 9 * (level + 1)) // stride


BINDING = Binding("x86", manifest, VOCABULARY, X86FromC, lambda version: "arch_plugins.x86:X86")
