"""loongarch from its C: the flushes of kernel/smp.c and mm/tlb.c, and tlb_flush() of tlb.h.

Which ASID an mm has on a CPU (mmu_context.h) stays in Python, and so do flushes where a model follows ASIDs.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import COMMON
from arch_plugins.from_c._context import CONTEXT_RULES, ContextFlushes, FlushHands, asid_of_b, by_page
from arch_plugins.from_c._handlers import SHOWN
from arch_plugins.loongarch import Loongarch
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest
from core.mm.mmu_gather import MmuGather
from core.tree.binding import Binding
from core.tree.gather import bits
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary

CONTEXTS = "#cpu_context #asid_cache #cpu_asid asid_version_mask asid_valid"
LOCAL = "local_flush_tlb_mm local_flush_tlb_range local_flush_tlb_page local_flush_tlb_kernel_range"
SENT = "flush_tlb_mm_ipi flush_tlb_mm flush_tlb_range_ipi flush_tlb_range flush_tlb_page_ipi flush_tlb_page"
KERNEL = "flush_tlb_kernel_range_ipi flush_tlb_kernel_range"
PAGE_SHIFT, PAIR = 14, 2
"""Pages of 16 KiB, of which a TLB entry has two."""


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    arch = "arch/loongarch/"
    return Manifest(
        (
            *smp.sources(),
            Source(f"{arch}include/asm/mmu_context.h", keep=names_in(CONTEXTS)),
            Source(f"{arch}include/asm/tlb.h", keep=("tlb_flush",)),
            Source(f"{arch}mm/tlb.c", keep=names_in(LOCAL)),
            Source(f"{arch}kernel/smp.c", keep=(*names_in(SENT), *names_in(KERNEL), "struct flush_tlb_data")),
        ),
        "loongarch.h",
        "loongarch.c",
        defines=SHOWN,
        owned=smp.OWNED,
    )


_invtlb = by_page("INVTLB_ADDR_GFALSE_AND_ASID", PAGE_SHIFT, PAIR, asid=asid_of_b)
_invtlb_kernel = by_page("INVTLB_ADDR_GTRUE_OR_ASID", PAGE_SHIFT, PAIR, asid=asid_of_b)

VOCABULARY = Vocabulary(
    (
        Rule("invtlb INVTLB_ADDR_GFALSE_AND_ASID", "", _invtlb),
        Rule("invtlb INVTLB_ADDR_GTRUE_OR_ASID", "", _invtlb_kernel),
        *CONTEXT_RULES,
        *COMMON,
    )
)

# ---- the hooks ---------------------------------------------------------------------------------------------------


class LoongarchFromC(ContextFlushes, Loongarch):
    """The flushes; each is the plugin's where a model follows ASIDs."""

    page_shift = PAGE_SHIFT
    pages_per_entry = PAIR

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if tlb.mm.context is not None:
            kind: str | None = await super().tlb_flush(tlb)
            return kind
        request = FlushRequest() if tlb.fullmm else self.request(tlb.start, tlb.end, tlb.mm)
        bounds = (1, 2) if tlb.fullmm else (self.address(tlb.start), self.address(tlb.end))
        await self.run(
            FlushHands(tlb.mm, tlb=tlb, request=request, pages_per_entry=PAIR), "enter_tlb_flush", *bounds, bits(tlb)
        )
        return "mm" if tlb.fullmm else "range"


def _beside(version: Version) -> str:
    return "arch_plugins.loongarch:Loongarch"


def _plugin(automata: Any) -> object:
    return LoongarchFromC(automata)


BINDING = Binding("loongarch", manifest, VOCABULARY, _plugin, _beside)
