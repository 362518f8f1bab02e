"""Mutants that change nothing a property speaks about, argued one by one.

An argument here is a claim about the kernel, not about the suite: that with this change nobody could lose data, reach a
freed page, or see a stale translation, or that what changes is not what the suite is for.
"""

from __future__ import annotations

from core.conformance.mutate import Mutant

ARGUED: dict[tuple[str, str], str] = {
    ("late", "mmap_read_lock"): "the operation after it touches nothing that mmap_lock protects",
    ("late", "mmap_write_lock"): "the VMA leaves the tree one step early, which faults may see either way",
    ("late", "mmap_write_downgrade"): "held longer for writing, it excludes more",
    ("late", "mmap_write_unlock"): "held one step longer",
    ("late", "mmap_read_unlock"): "held one step longer",
    ("late", "unlock PG_locked[N]"): "held one step longer",
    ("late", "inc_tlb_flush_pending"): "still before the page-table lock is dropped, which is what orders it",
    ("late", "dec_tlb_flush_pending"): "one step later is still after the flush",
    ("late", "put_page(pageN)"): "a page is given back later, never earlier",
    ("late", "link VMA"): "mmap_lock is held for writing on both sides",
    ("late", "unlink VMA"): "mmap_lock is held for writing on both sides",
}
"""(operator, kind) and why it is equivalent."""


def why(mutant: Mutant) -> str:
    """The argument, '' if there is none."""
    return ARGUED.get((mutant.operator, mutant.kind), "")
