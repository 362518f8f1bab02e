"""mips from its C: the flushes of kernel/smp.c and mm/tlb-r4k.c, on CPUs without GINVT.

Which ASID an mm has on a CPU (mmu_context.h) stays in Python, and so do flushes where a model follows ASIDs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import COMMON, flushes_nothing
from arch_plugins.from_c._context import CONTEXT_RULES, VERSION, ContextFlushes, FlushHands, is_of_mm
from arch_plugins.from_c._handlers import SHOWN
from arch_plugins.mips import Mips
from core.machine.insn import Operand, insn
from core.machine.ipi import FlushRequest
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word

SENT = """
    flush_tlb_mm_ipi smp_on_other_tlbs smp_on_each_tlb flush_tlb_mm flush_tlb_range_ipi flush_tlb_range
    flush_tlb_page_ipi flush_tlb_page flush_tlb_kernel_range_ipi flush_tlb_kernel_range
"""
LOCAL = "local_flush_tlb_range local_flush_tlb_page local_flush_tlb_kernel_range"
OLD_ENTRYHI = 0xFFFFFFFF80000000
"""What entryhi is at first and at last, in shim/mips.h."""

NO_PAGE = 1 << 63
"""From here on entryhi is of no page."""

PAIR = 2


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    arch = "arch/mips/"
    return Manifest(
        (
            *smp.sources(),
            Source(f"{arch}include/asm/mmu_context.h", keep=names_in("cpu_context set_cpu_context #cpu_asid")),
            Source(
                f"{arch}mm/tlb-r4k.c",
                keep=names_in(LOCAL),
            ),
            Source(f"{arch}kernel/smp.c", keep=(*names_in(SENT), "struct flush_tlb_data")),
        ),
        "mips.h",
        "mips.c",
        defines=SHOWN,
        owned=smp.OWNED,
    )


@dataclass
class MipsHands(FlushHands):
    """`entryhi` is what was written last, and `settled` what a probe sees; `probed` has been looked for, and `index` is
    the entry that a write overwrites: that of a pair, or None. `overwritten` are pairs.
    """

    entryhi: int = OLD_ENTRYHI
    settled: int = OLD_ENTRYHI
    probed: int | None = None
    index: int | None = None
    overwritten: list[int] = field(default_factory=list)


async def _entryhi(of: MipsHands, word: Word) -> int:
    """A pair of an ASID; the old value goes back behind the last of them, which are flushed."""
    of.entryhi = word.a
    if word.a == OLD_ENTRYHI:
        for request in _runs(of.overwritten):
            await of.flush(request, f"TLBWI of {request}")
        of.overwritten = []
    return 0


async def _hazard(of: MipsHands, word: Word) -> int:
    of.settled = of.entryhi
    return 0


async def _probe(of: MipsHands, word: Word) -> int:
    of.probed = of.settled >> PAGE_SHIFT if of.settled < NO_PAGE and is_of_mm(of, of.settled % VERSION) else None
    return 0


async def _probe_hazard(of: MipsHands, word: Word) -> int:
    of.index = of.probed
    return 0


async def _tlbwi(of: MipsHands, word: Word) -> int:
    if of.index is None:
        return await flushes_nothing(of, word)
    of.overwritten.append(of.index)
    if of.on_mm is None:
        await insn(of.mm.task.cpu, "TLBWI", 1, Operand(of.index, 1, PAIR, PAIR))
    return 0


def _runs(pairs: list[int]) -> list[FlushRequest]:
    """Pairs as ranges, in their order."""
    found: list[FlushRequest] = []
    for pair in pairs:
        start = found.pop().start if found and found[-1].end == pair else pair
        found.append(FlushRequest(start, pair + PAIR))
    return found


VOCABULARY = Vocabulary(
    (
        Rule("mtc0 entryhi", "", _entryhi),
        Rule("hazard mtc0", "", _hazard),
        Rule("tlbp", "", _probe),
        Rule("hazard tlbp", "", _probe_hazard),
        Rule("tlbwi", "", _tlbwi),
        *CONTEXT_RULES,
        *COMMON,
    ),
)


class MipsFromC(ContextFlushes, Mips):
    """The flushes; each is the plugin's where a model follows ASIDs."""

    page_shift = PAGE_SHIFT
    hands = MipsHands
    pages_per_entry = PAIR


def _plugin(automata: Any) -> object:
    return MipsFromC(automata)


BINDING = Binding("mips", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.mips:Mips")
