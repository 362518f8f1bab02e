"""xtensa from its C: the flushes of kernel/smp.c and mm/tlb.c.

Which ASID an mm has on a CPU (mmu_context.h) stays in Python, and so do flushes where a model follows ASIDs.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import COMMON
from arch_plugins.from_c._context import (
    CONTEXT_RULES,
    VERSION,
    ContextFlushes,
    FlushHands,
    by_page,
    drop_mmu_context,
    drops_own,
)
from arch_plugins.from_c._handlers import SHOWN
from arch_plugins.xtensa import Xtensa
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden

SENT = "ipi_flush_tlb_mm flush_tlb_mm ipi_flush_tlb_page flush_tlb_page ipi_flush_tlb_range flush_tlb_range"
KERNEL = "ipi_flush_tlb_kernel_range flush_tlb_kernel_range"


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    local = names_in("local_flush_tlb_mm local_flush_tlb_range local_flush_tlb_page local_flush_tlb_kernel_range")
    return Manifest(
        (
            *smp.sources(),
            Source("arch/xtensa/mm/tlb.c", keep=local),
            Source("arch/xtensa/kernel/smp.c", keep=("struct flush_data", *names_in(SENT), *names_in(KERNEL))),
        ),
        "xtensa.h",
        "xtensa.c",
        defines=SHOWN,
        owned=smp.OWNED,
    )


async def _write_rasid(of: FlushHands, word: Word) -> int:
    of.rasid = word.a % VERSION
    return 0


def _rasid(of: FlushHands, word: Word) -> int:
    return of.rasid


VOCABULARY = Vocabulary(
    (
        Rule("idtlb", "", by_page("idtlb", PAGE_SHIFT, leaf=True, asid=_rasid)),
        Rule("wsr rasid", "", _write_rasid),
        Rule("write|WRITE_ONCE", "context[[]0]", drop_mmu_context, when=drops_own),
        hidden("write|WRITE_ONCE", "mm.context.cpu", "where the mm was last"),
        *CONTEXT_RULES,
        *COMMON,
    )
)


class XtensaFromC(ContextFlushes, Xtensa):
    """The flushes; each is the plugin's where a model follows ASIDs."""

    page_shift = PAGE_SHIFT


def _plugin(automata: Any) -> object:
    return XtensaFromC(automata)


BINDING = Binding("xtensa", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.xtensa:Xtensa")
