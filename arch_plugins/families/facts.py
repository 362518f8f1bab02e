"""A plugin whose facts are a class attribute, and facts that several have in common."""

from __future__ import annotations

from dataclasses import replace

from core.hookspecs import Architecture, Facts, hookimpl

TWO_LEVELS = Facts(pointer_size=4, ptes_per_table=1024, upper_entries=1, levels=2, hw_dirty=False)
"""32 bit: 4 KiB pages, a directory of page tables (asm-generic/pgtable-nopmd.h), dirty bits set by a fault."""


def rcu_freed(facts: Facts) -> Facts:
    """The facts of an architecture that selects MMU_GATHER_RCU_TABLE_FREE in 7.0, as groundwork for PT_RECLAIM."""
    return replace(facts, rcu_table_free=True, tables_at_once=(), kernel="7.0")


class Stated(Architecture):
    """`FACTS` is what arch_facts() returns."""

    FACTS = Facts()

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.FACTS
