"""A plugin whose facts are a class attribute, and facts that several have in common."""

from __future__ import annotations

from core.hookspecs import Architecture, Facts, hookimpl

TWO_LEVELS = Facts(pointer_size=4, ptes_per_table=1024, upper_entries=1, levels=2, hw_dirty=False)
"""32 bit: 4 KiB pages, a directory of page tables (asm-generic/pgtable-nopmd.h), dirty bits set by a fault."""


class Stated(Architecture):
    """`FACTS` is what arch_facts() returns."""

    FACTS = Facts()

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.FACTS
