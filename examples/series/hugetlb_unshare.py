"""hugetlb: a shared page table is left under the gather that flushes for it (8ce720d5bd91, 2025-26).

Two processes map the same part of a file and share a table.  One that leaves it clears an upper entry and frees
nothing; the other may free the table at once.  The series has a field in the gather for it, tlb->unshared_tables, which
each architecture has to look at like tlb->freed_tables: the walkers of the first process have the table cached.

The discussion: which flush is enough?  One of the last level is not, where a walker keeps upper entries: LeafOnly,
arm64 before the series.  Nor is one that leaves idle CPUs out because "no table was freed": they are still on the page
tables.  OnlyFreed is x86 as it is in 6.12.117 (docs/findings.md), AsksForUnshared is what it needs.

    python -m core.compare run --plugin examples/series/hugetlb_unshare.py:AsksForUnshared --era 6.12
    python -m core.compare explain examples/series/hugetlb_unshare.py:OnlyFreed hugetlb-walk --era 6.12
    python -m core.compare explain examples/series/hugetlb_unshare.py:LeafOnly hugetlb-walk --era 6.12
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.arm64 import Arm64Range
from arch_plugins.x86 import X86
from core.hookspecs import hookimpl
from core.words import MmuGather


class AsksForUnshared(X86):
    """tlb_flush() counts a table that was left to others as freed."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str:
        return await super().tlb_flush(replace(tlb, freed_tables=tlb.freed_tables or tlb.unshared_tables))


class OnlyFreed(X86):
    """Wrong: as shipped. Idle CPUs are asked only if a table was freed."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str:
        return await super().tlb_flush(replace(tlb, unshared_tables=False))


class LeafOnly(Arm64Range):
    """Wrong: a table that was left is flushed like entries, by TLBI of the last level."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        return await super().tlb_flush(replace(tlb, unshared_tables=False))


class AsksOnArm64(Arm64Range):
    """The series on arm64, whose flush is of every level if a table was freed or left."""
