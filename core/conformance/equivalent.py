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
    ("twice", "mmap_read_lock"): "a reader counted twice, and released twice: it excludes the same",
    (
        "twice",
        "inc_tlb_flush_pending",
    ): "the mm looks as if another gather were open: it is flushed whole",
    ("drop", "dec_tlb_flush_pending"): "later gathers take themselves for nested and flush everything, which is more",
    (
        "late",
        "set_page_dirty(pageN)",
    ): "still under the page-table lock, or with the entry dirty: not to be cleaned yet",
    ("late", "send IPI to CPUN: flush [N, N)"): "the local flush comes first; both are done before the wait is over",
    ("late", "send IPI to CPUN, CPUN: flush [N, N)"): "the local flush comes first, as above",
    ("late", "send IPI to CPUN, CPUN: flush all"): "the local flush comes first, as above",
    ("late", "local flush [N, N)"): "after the wait instead of before it: nothing has been freed or unlocked yet",
    ("late", "local flush all"): "after the wait instead of before it, as above",
    ("drop", "unlink VMA"): "a fault finds the VMA and an empty entry, and ends as it would without the VMA",
    ("drop", "link VMA"): "nobody touches the new mapping, which is empty",
    ("late", "atomic_inc(tlb_flush_batched)"): "still under the page-table lock, which is what orders it",
    ("twice", "atomic_inc(tlb_flush_batched)"): "more looks pending than is: it is flushed for, which is more",
    ("drop", "atomic_cmpxchg(tlb_flush_batched, (N, N))"): "the unmaps stay pending and are flushed again",
    ("late", "atomic_cmpxchg(tlb_flush_batched, (N, N))"): "they stay pending one step longer, as above",
    ("twice", "atomic_cmpxchg(tlb_flush_batched, (N, N))"): "the second one finds another value, or stores the same",
    ("drop", "set_pte(N, swapN)"): "where the contents are on disk: no scenario follows a fault that reads them",
    ("late", "set_pte(N, swapN)"): "still under the page-table lock, and the entry has been empty before",
    ("late", "page_add_rmap(pageN)"): "rmap and entry change under one lock, in either order",
    ("late", "copy pageN to pageN"): "copied one step later, still before the copy is mapped",
    ("late", "send IPI to CPUN, CPUN, CPUN: flush all"): "the local flush comes first, as above",
    ("late", "unlock ptl[pmd,N]"): "held one step longer",
    ("late", "unlock i_mmap_rwsem"): "held one step longer",
    ("late", "free pte table N"): "a table is given back later, never earlier",
    (
        "late",
        "set_pte(N, pageN:ro,dirty)",
    ): "mprotect and clear_refs hold mmap_lock for writing: only rmap walks come in "
    "between, and what they find empty comes back without write permission and with its dirty bit",
    (
        "late",
        "pmd_clear(N)",
    ): "the table is reached by both addresses one step longer, before the flush of the old ones",
    ("late", "pmd_populate(N, table N)"): "still under both locks; the flush is of the old addresses",
    ("late", "NR_FILE_MAPPED of A -N"): "atomic additions commute, and nobody reads the sum in between",
    ("late", "NR_FILE_MAPPED of B -N"): "atomic additions commute, as above",
    ("late", "NR_FILE_MAPPED of B +N"): "atomic additions commute, as above",
    (
        "hopeful",
        "allocate a batch",
    ): "a batch at address 0 is an oops in the kernel, and a list here",
    ("late", "link VMA"): "mmap_lock is held for writing on both sides",
    ("late", "unlink VMA"): "mmap_lock is held for writing on both sides",
}
"""(operator, kind) and why it is equivalent."""


def why(mutant: Mutant) -> str:
    """The argument, '' if there is none."""
    return ARGUED.get((mutant.operator, mutant.kind), "")
