"""Kernel eras: what changed in the generic mm code from one kernel version to another, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace

SPLIT_FIX = "thp: fix data loss when splitting a file pmd (4.18)"
DETACH_FIX = "s390/mm: fix local TLB flushing vs. detach of an mm address space (2017)"
FLUSH_MM_FIX = "s390/mm: fix race on mm->context.flush_mm (2017)"
SPARC_LAZY_FIX = "sparc/mm: disable preemption in lazy mmu mode"
RECLAIM_FIX = "mm: fix incorrect flush address in direct page table reclaim (7.1.9)"
COLD_FIX = "MADV_COLD clears the accessed bit of a huge entry and nothing else (6.12.117; not 6.1.192, nor mainline)"
"""Fixes by their titles, or by what they do: their ids are not known well enough to be printed."""


@dataclass(frozen=True, slots=True)
class Era:
    """The state of the generic mm code in one kernel version.

    delayed_rmap     dirty file pages keep their rmap until after the flush (commit 5df397dec7c4, v6.2)
    delay_in_local   entries with delayed rmap may be in the on-stack batch and one more (commit c47454823bd4, v6.2);
                     before, only in the active batch, which then cannot be left
    folio_entries    the zap takes PTEs that map pages of one large folio together, and the gather holds them as one
                     entry of two slots (__tlb_remove_folio_pages(), folio_pte_batch(), v6.9); folio_remove_rmap_*() has
                     replaced page_remove_rmap() (v6.8)
    swap_batches     the zap and MADV_FREE take swap entries with consecutive offsets together (swap_pte_batch(), v6.10)
    flush_vmas_late  the flush for PFN mappings is done in free_pgtables(), not at each VMA's end (v7.0)
    resched_first    need_resched() is tested once for a stretch of empty entries and what follows it, before either is
                     looked at (do_zap_pte_range(), after v6.12); before, once for each entry that is not empty
    reclaims_tables  MADV_DONTNEED also frees the page tables it has emptied (CONFIG_PT_RECLAIM, 6375e95f381e, v6.14)
    per_vma_locks    page faults take only the lock of their VMA (CONFIG_PER_VMA_LOCK, v6.4)
    retracts_unlocked  whoever collapses a file's pages frees the tables that map them without mmap_lock, under the
                     locks of both tables (1d65b771bc08, v6.6); before, if mmap_lock could be had, under that alone
    unlocks_copy_first  wp_page_copy() drops the old page behind the page-table lock, not under it: since
                     pte_offset_map_lock() may fail (3db82b9374ca, v6.5)
    advises_folios   MADV_FREE, MADV_COLD and MADV_PAGEOUT take the entries of a large folio together, split it only if
                     a part of it is meant, and pass over it if they may not (v6.10); before, each is split, or ends
                     the walk of its table; since v6.5 lazy MMU mode is left before a table is unlocked for that
    saves_write      an entry keeps its write permission while it is a NUMA hint (pte_savedwrite(), until 6a56ccbcf6c6,
                     v6.2)
    collapse_copies_first  khugepaged copies all pages before it gives back the first one: a copy may fail
                     (98c76c9f1ef7, v6.4)
    batches_migration  migrate_pages() does one flush for all its pages (TTU_BATCH_FLUSH, 7e12beb8ca2a, v6.3)
    unmaps_folios    try_to_unmap_one() takes the entries of one large folio together: 'lazyfree', pages of MADV_FREE
                     (since v6.15); 'file', also those of a file (a series of 2025 and 2026); '' one by one
    ages_folios      folio_referenced_one() does so too: clear_flush_young_ptes() (the same series)
    batches_madvise  MADV_DONTNEED and MADV_FREE have one gather for all ranges of process_madvise(), and all VMAs of a
                     range (madvise_init_tlb(), v6.16)
    lacks            commits, or titles, that this kernel does not have: for historic variants
    """

    name: str
    delayed_rmap: bool
    delay_in_local: bool
    folio_entries: bool = False
    swap_batches: bool = False
    flush_vmas_late: bool = False
    resched_first: bool = False
    reclaims_tables: bool = False
    per_vma_locks: bool = False
    retracts_unlocked: bool = False
    unlocks_copy_first: bool = False
    advises_folios: bool = False
    saves_write: bool = False
    collapse_copies_first: bool = False
    batches_migration: bool = False
    unmaps_folios: str = ""
    ages_folios: bool = False
    batches_madvise: bool = False
    release: str = ""
    lacks: frozenset[str] = frozenset()

    def has(self, commit: str) -> bool:
        """Does this kernel have the change of `commit`?"""
        return commit not in self.lacks

    @property
    def delays_rmap(self) -> bool:
        """May an architecture delay rmap removals?"""
        return self.delayed_rmap and self.has("5df397dec7c4")


_LATER = Era(
    "6.12",
    delayed_rmap=True,
    delay_in_local=True,
    folio_entries=True,
    swap_batches=True,
    per_vma_locks=True,
    retracts_unlocked=True,
    unlocks_copy_first=True,
    advises_folios=True,
    collapse_copies_first=True,
    batches_migration=True,
)
_LAST_SIX = replace(
    _LATER,
    name="6.18",
    resched_first=True,
    reclaims_tables=True,
    unmaps_folios="lazyfree",
    batches_madvise=True,
    lacks=frozenset({COLD_FIX}),
)
_SEVEN = replace(_LAST_SIX, name="7.0", flush_vmas_late=True, reclaims_tables=False)

ERAS = {
    era.name: era
    for era in (
        Era(
            "6.1",
            delayed_rmap=False,
            delay_in_local=False,
            saves_write=True,
            release="6.1.192",
            lacks=frozenset({"383c4613c67c", COLD_FIX}),
        ),
        Era("5df397dec7", delayed_rmap=True, delay_in_local=False),
        Era("6.2-fix", delayed_rmap=True, delay_in_local=True),
        replace(_LATER, release="6.12.117"),
        _LAST_SIX,
        _SEVEN,
        replace(_SEVEN, name="7.2", reclaims_tables=True),
    )
}
"""By name. "5df397dec7" and "6.2-fix" are states of the gather, with the fixes of other parts that came later. "7.0" is
as the code of the golden traces was configured, without CONFIG_PT_RECLAIM; "7.2" has it."""
