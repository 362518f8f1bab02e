"""powerpc book3s32 with a hash table: each page of a range has its hash entry taken out, tlbie, and is waited for.

arch/powerpc/mm/book3s32/tlb.c:hash__flush_gather(), hash__flush_range(), hash_low.S:flush_hash_pages().  A zap does so
already as it removes an entry (arch/powerpc/include/asm/tlb.h:__tlb_remove_tlb_entry()), under the page-table lock, and
the gather finds nothing left to do (_PAGE_HASHPTE is clear).  Here it is done once, by the gather: later than there, so
that what passes here passes there, with as many tlbie, but one wait instead of one for each entry.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.broadcast import Broadcast
from arch_plugins.families.facts import TWO_LEVELS
from core.hookspecs import hookimpl


class PowerpcBook3s32(Broadcast):
    """604 and later, SMP: tlbie is broadcast, tlbsync by the issuer."""

    barrier, mm_insn, page_insn = "tlbsync;sync", "hash__flush_mm", "tlbie"

    FACTS = replace(
        TWO_LEVELS,
        rcu_table_free=True,
        merge_vmas=True,
        gather_page_size=True,
        walker="writes",
        capabilities=frozenset({"init_mm_cpumask"}),
        kernel="6.12.117",
        family="hardware broadcast",
        sources=(
            "arch/powerpc/mm/book3s32/tlb.c",
            "arch/powerpc/mm/book3s32/hash_low.S",
            "arch/powerpc/include/asm/tlb.h",
        ),
    )

    @hookimpl
    def tlb_needs_table_invalidate(self) -> bool:
        """radix_enabled(): the hash table is what hardware walks."""
        return False
