"""alpha from its C: the flushes of kernel/smp.c and tlbflush.h, and the freeing of tables, which is at once.

Which ASN an mm has on a CPU (mmu_context.h) stays in Python, and so do flushes where a model follows ASNs.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.alpha import Alpha, AlphaV61
from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import COMMON, GatherFromC, smp_mb
from arch_plugins.from_c._context import (
    CONTEXT_RULES,
    ContextFlushes,
    by_page,
    drop_mmu_context,
    drops_own,
    flush_all,
)
from arch_plugins.from_c._handlers import SHOWN
from core.hookspecs import hookimpl
from core.mm.mm import Mm
from core.tree.automata import Automata
from core.tree.binding import Binding
from core.tree.manifest import GENERIC_GATHER, Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary

SENT = """
    ipi_flush_tlb_mm ?mm_context_elsewhere flush_tlb_mm ipi_flush_tlb_page flush_tlb_page flush_tlb_range
    ipi_flush_tlb_all flush_tlb_all
"""
PAGE_SHIFT = 13


def manifest(version: Version) -> Manifest:
    """The same files in 6.1 and 6.12."""
    asm = "arch/alpha/include/asm/"
    local = ("ev5_flush_tlb_current", "ev5_flush_tlb_current_page", "#flush_tlb_current\\w*", "flush_tlb_other")
    return Manifest(
        (
            *smp.sources(),
            Source(f"{asm}tlbflush.h", keep=local),
            Source(f"{asm}tlb.h"),
            Source(GENERIC_GATHER),
            Source("arch/alpha/kernel/smp.c", keep=(*names_in(SENT), "struct flush_tlb_page_struct")),
        ),
        "alpha.h",
        "alpha.c",
        defines=SHOWN,
        owned=smp.OWNED,
    )


VOCABULARY = Vocabulary(
    (
        Rule("tbia", "", flush_all),
        Rule("tbi", "", by_page("tbi", PAGE_SHIFT)),
        Rule("barrier smp_mb", "", smp_mb),
        Rule("write|WRITE_ONCE", "context[[]0]", drop_mmu_context, when=drops_own),
        *CONTEXT_RULES,
        *COMMON,
    )
)


class _Flushes(ContextFlushes, GatherFromC):
    """The hooks of both versions; the flushes are the plugin's where a model follows ASNs."""

    page_shift = PAGE_SHIFT

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        """flush_tlb_mm()."""
        await self.flush_tlb_mm(mm)


class AlphaFromC(_Flushes, Alpha):
    """6.12."""


class AlphaV61FromC(_Flushes, AlphaV61):
    """6.1."""


def _plugin(automata: Automata) -> Any:
    return (AlphaV61FromC if automata.unit.version < (6, 12) else AlphaFromC)(automata)


def _beside(version: Version) -> str:
    return f"arch_plugins.alpha:{'AlphaV61' if version < (6, 12) else 'Alpha'}"


BINDING = Binding("alpha", manifest, VOCABULARY, _plugin, _beside)
