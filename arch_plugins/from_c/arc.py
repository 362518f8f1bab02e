"""arc from its C: the flushes of mm/tlb.c.

Which ASID an mm has on a CPU (mmu_context.h) stays in Python, and so do flushes where a model follows ASIDs.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.arc import NOTHING, Arc
from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import COMMON
from arch_plugins.from_c._context import CONTEXT_RULES, ContextFlushes, FlushHands, by_page
from arch_plugins.from_c._handlers import SHOWN
from core.hookspecs import hookimpl
from core.mm.kthread import mm_users
from core.mm.mm import Mm
from core.tree.binding import Binding
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word

FLUSHES = """
    local_flush_tlb_mm local_flush_tlb_range local_flush_tlb_page ipi_flush_tlb_page ipi_flush_tlb_range flush_tlb_mm
    flush_tlb_page flush_tlb_range local_flush_tlb_kernel_range ipi_flush_tlb_kernel_range flush_tlb_kernel_range
"""
PAGE_SHIFT = 13


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    contexts = ("#MM_CTXT_\\w+", "#asid_mm", "#hw_pid")
    return Manifest(
        (
            *smp.sources(),
            Source("arch/arc/include/asm/mmu_context.h", keep=contexts),
            Source("arch/arc/mm/tlb.c", keep=("struct tlb_args", *names_in(FLUSHES))),
        ),
        "arc.h",
        "arc.c",
        defines=SHOWN,
        owned=smp.OWNED,
    )


def _asid(of: FlushHands, word: Word) -> int:
    """Of an address, whose lowest bits it is: hw_pid()."""
    return word.a & 0xFF


VOCABULARY = Vocabulary(
    (
        Rule("tlb_entry_erase", "", by_page("tlb_entry_erase", PAGE_SHIFT, asid=_asid)),
        *CONTEXT_RULES,
        *COMMON,
    )
)


class ArcFromC(ContextFlushes, Arc):
    """The flushes; each is the plugin's where a model follows ASIDs."""

    page_shift = PAGE_SHIFT

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """Each CPU reads mm_users as it is interrupted."""
        if mm.context is not None:
            await super().flush_tlb_mm(mm)
        else:
            of = FlushHands(mm, request=NOTHING) if await mm_users() == 0 else FlushHands(mm)
            await self.run(of, "enter_flush_tlb_mm")


def _plugin(automata: Any) -> object:
    return ArcFromC(automata)


BINDING = Binding("arc", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.arc:Arc")
