"""sh from its C: the flushes of kernel/smp.c and mm/tlbflush_32.c.

Which ASID an mm has on a CPU (mmu_context.h) stays in Python, and so do flushes where a model follows ASIDs.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import COMMON
from arch_plugins.from_c._context import (
    ASID,
    CONTEXT_RULES,
    VERSION,
    ContextFlushes,
    asid_of_b,
    by_page,
    drop_mmu_context,
    drops_own,
)
from arch_plugins.from_c._handlers import SHOWN
from arch_plugins.sh import Sh
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, hidden, just

SENT = "flush_tlb_mm_ipi flush_tlb_mm flush_tlb_range_ipi flush_tlb_range flush_tlb_page_ipi flush_tlb_page"
KERNEL = "flush_tlb_kernel_range_ipi flush_tlb_kernel_range"
LOCAL = "local_flush_tlb_page local_flush_tlb_range local_flush_tlb_mm local_flush_tlb_kernel_range"
CONTEXTS = "#MMU_CONTEXT_\\w+ #MMU_NO_ASID #NO_CONTEXT #cpu_context #cpu_asid@0"


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    return Manifest(
        (
            *smp.sources(),
            Source("arch/sh/include/asm/mmu_context.h", keep=names_in(CONTEXTS)),
            Source("arch/sh/mm/tlbflush_32.c", keep=names_in(LOCAL)),
            Source("arch/sh/kernel/smp.c", keep=(*names_in(SENT), *names_in(KERNEL), "struct flush_tlb_data")),
        ),
        "sh.h",
        "sh.c",
        defines=SHOWN,
        owned=smp.OWNED,
    )


VOCABULARY = Vocabulary(
    (
        Rule("local_flush_tlb_one", "", by_page("local_flush_tlb_one", PAGE_SHIFT, asid=asid_of_b)),
        Rule("write|WRITE_ONCE", "context[[]0]", drop_mmu_context, when=drops_own),
        hidden("read|READ_ONCE", "init_mm*", "what maps the kernel is of every ASID", just(VERSION | ASID)),
        *CONTEXT_RULES,
        *COMMON,
    )
)


class ShFromC(ContextFlushes, Sh):
    """The flushes; each is the plugin's where a model follows ASIDs."""

    page_shift = PAGE_SHIFT


def _plugin(automata: Any) -> object:
    return ShFromC(automata)


BINDING = Binding("sh", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.sh:Sh")
