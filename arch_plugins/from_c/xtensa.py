"""xtensa from its C: the flushes of kernel/smp.c and mm/tlb.c.

Which ASID an mm has on a CPU (mmu_context.h) stays in Python, and so do flushes where a model follows ASIDs, and what a
CPU does that receives an IPI: it is sent what the plugin would send.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import COMMON, read_active_mm
from arch_plugins.from_c._context import (
    CONTEXT_RULES,
    ContextFlushes,
    by_page,
    drop_mmu_context,
    drops_own,
)
from arch_plugins.xtensa import Xtensa
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, hidden, truth

SENT = "ipi_flush_tlb_mm flush_tlb_mm ipi_flush_tlb_page flush_tlb_page ipi_flush_tlb_range flush_tlb_range"


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    local = ("local_flush_tlb_mm", "local_flush_tlb_range", "local_flush_tlb_page")
    return Manifest(
        (
            *smp.sources(),
            Source("arch/xtensa/mm/tlb.c", keep=local),
            Source("arch/xtensa/kernel/smp.c", keep=("struct flush_data", *names_in(SENT))),
        ),
        "xtensa.h",
        "xtensa.c",
        owned=smp.OWNED,
    )


VOCABULARY = Vocabulary(
    (
        Rule("idtlb", "", by_page("idtlb", PAGE_SHIFT, leaf=True)),
        Rule("current->active_mm", "", read_active_mm, truth),
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
