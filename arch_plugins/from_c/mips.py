"""mips from its C: the flushes of kernel/smp.c and mm/tlb-r4k.c, on CPUs without GINVT.

Which ASID an mm has on a CPU (mmu_context.h) stays in Python, and so do flushes where a model follows ASIDs, and what a
CPU does that receives an IPI: it is sent what the plugin would send.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import COMMON
from arch_plugins.from_c._context import CONTEXT_RULES, ContextFlushes, FlushHands
from arch_plugins.mips import Mips
from core.machine.insn import Operand, insn
from core.machine.ipi import FlushRequest, flush_here
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word

SENT = """
    flush_tlb_mm_ipi smp_on_other_tlbs smp_on_each_tlb flush_tlb_mm flush_tlb_range_ipi flush_tlb_range
    flush_tlb_page_ipi flush_tlb_page
"""
OLD_ENTRYHI = 0x7000000000000000
"""What entryhi is at first and at last, in shim/mips.h; above it are values that no page has."""

PAIR = 2


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    arch = "arch/mips/"
    return Manifest(
        (
            *smp.sources(),
            Source(f"{arch}include/asm/mmu_context.h", keep=names_in("cpu_context set_cpu_context #cpu_asid")),
            Source(f"{arch}mm/tlb-r4k.c", keep=names_in("local_flush_tlb_range local_flush_tlb_page")),
            Source(f"{arch}kernel/smp.c", keep=(*names_in(SENT), "struct flush_tlb_data")),
        ),
        "mips.h",
        "mips.c",
        owned=smp.OWNED,
    )


async def _entryhi(of: FlushHands, word: Word) -> int:
    """The pair that is looked for; putting the old value back ends a run of pairs, which are flushed."""
    if word.a < OLD_ENTRYHI:
        of.run_to = (word.a >> PAGE_SHIFT) + PAIR
        of.run_from = of.run_to - PAIR if of.run_from is None else of.run_from
    elif word.a == OLD_ENTRYHI and of.run_from is not None:
        request = FlushRequest(of.run_from, of.run_to)
        of.run_from = None
        await flush_here(of.mm.task.cpu, of.mm.addrs, request, f"TLBWI of {request}")
    return 0


async def _tlbwi(of: FlushHands, word: Word) -> int:
    await insn(of.mm.task.cpu, "TLBWI", 1, Operand(of.run_to - PAIR, 1, PAIR, PAIR))
    return 0


VOCABULARY = Vocabulary(
    (Rule("mtc0 entryhi", "", _entryhi), Rule("tlbwi", "", _tlbwi), *CONTEXT_RULES, *COMMON),
)


class MipsFromC(ContextFlushes, Mips):
    """The flushes; each is the plugin's where a model follows ASIDs."""

    page_shift = PAGE_SHIFT


def _plugin(automata: Any) -> object:
    return MipsFromC(automata)


BINDING = Binding("mips", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.mips:Mips")
