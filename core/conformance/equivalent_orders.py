"""Operations whose order nobody misses (the mutants `unordered`), argued one by one, with the kernel's lines (6.12).

An argument says what else orders the two accesses on every path, or, where it begins with "not asked", what the model
has nothing to ask with.  The second kind is no claim about the kernel: there the order may matter, and a patch that
drops it passes here.
"""

from __future__ import annotations

NOTE = (
    "not asked: the model's note of references changes at once, and contents that a CPU has copied into the page are "
    "no stores of the model; an entry that was cleared before it was flushed, or taken by a full exchange"
)
FOUND = (
    "not asked: the same note; and that the entry is read again behind it (mm/gup.c:591, smp_mb__after_atomic() of a "
    "pin) is a load, and loads are in their turn here"
)
FLAG = (
    "its readers hold the folio lock or the page-table lock, which is released behind it or stays held; those that set "
    "it without either drop a reference behind it, and who frees the page reads the references first "
    "(mm/vmscan.c:__remove_mapping())"
)
CLEARED = (
    "the entry was made clean and read-only before it, under its lock (folio_mkclean()), or is gone: a fault that "
    "makes it dirty again waits for the folio lock, which is released behind it; not asked: who sets the flag with "
    "neither lock meanwhile, as a device's driver"
)
MAPCOUNT = (
    "writeback and reclaim read the count under the folio lock alone: a count that is too high has them look at the "
    "entry, under its lock; one that is seen to drop early is that of an entry that was clean, or has been flushed "
    "(mm/memory.c:3420 ptep_clear_flush(), tlb_flush_rmaps()), and who frees the page finds the gather's reference"
)
SUM = "a sum that nobody reads in between (mm/memcontrol.c)"
READER = (
    "a reader stores to entries and flags alone, each under the page-table lock, which it has released; not asked: "
    "that its loads, as of a VMA or an upper entry, are done before it, for loads are in their turn here"
)
FOLIO = (
    "what is done under the folio lock is an entry, which has a lock and a flush of its own, or an atomic flag; not "
    "asked: contents of the page, and folio->mapping"
)
HELD = "stores leave in their order: all that is done under the lock is visible before it is seen to be free"
BEGINS = "no step of a kernel: the scenario starts, moves or ends a task, and says so to itself"
LAST_USER = (
    "whoever drops the count to zero tears down alone: what the others have stored are entries, under a page-table "
    "lock, which they have released; what they have loaded is not asked"
)
TAKEN_MM = (
    "what follows it are loads, which are in their turn here; not asked: a process that ends at the same moment, whose "
    "last reference a plain load and store would take when it has gone"
)
GUESS = "the accessed bit is a guess, and reclaim flushes what it takes anyway"
HUGE_ZERO = "the count of the huge zero page alone; its entry was emptied under the lock of the pmd"
FIRST_LOCK = (
    "the flag is asked by a reaper that has mmap_lock for reading, which exit_mmap() takes for writing behind it"
)
NO_IPI = "flushes are broadcast: this interrupt is never sent"
WALKER_OUT = (
    "the interrupt, or the grace period, is for walkers with interrupts off; they have loaded and stored nothing that "
    "waits (mm/mmu_gather.c:tlb_remove_table_sync_one()); what leads to the table was flushed before it is sent"
)
SENT = (
    "stores leave in their order: who sees the message sees the entry that was cleared before it, and what the sender "
    "loads behind it is the answer (kernel/smp.c:__smp_call_single_queue()); not asked: that the interrupt does not "
    "come before its message (arch/x86/kernel/apic/x2apic_cluster.c:34 weak_wrmsr_fence()), for here they are one"
)
TAKEN = (
    "what this flush is for was taken from the entry by a full exchange or a locked operation, which does not wait; a "
    "plain set_pte() behind it allows no more than is there; not asked: an upper entry, cleared by a plain store, that "
    "the flusher's own CPU walks by speculation"
)
PTESYNC = "ptesync is in front of tlbiel (radix_tlb.c:294, 447, 456) and behind it (ppc_after_tlbiel_barrier())"
RETRIED = (
    "the flush in front of it is complete (its DSB, or the answers to its interrupts), so it is not seen too early; "
    "what stays pending is flushed once more, which does no harm (mm/rmap.c:flush_tlb_batched_pending())"
)
ASID = "the lock of the allocator is held, and released behind it"
ASID_FLUSH = (
    "what may wait are entries that this CPU has changed, each of which has a flush of its own behind it; no user code "
    "runs before the switch is over (arch/arm64/mm/context.c:256; arch/riscv/mm/context.c:197, without the lock, and "
    "behind satp)"
)
MASK_LESS = "a bit that is seen to be set longer brings a flush, or an interrupt, for nothing"
PMD_LOCK = "the locks of pmd and table are held, and the flush is behind it"
COUNTED = "it only makes who attaches, or who looks, wait longer"
CR3 = (
    "interrupts are off, and loaded_mm is LOADED_MM_SWITCHING before (arch/x86/mm/tlb.c:614): who sees the older value "
    "interrupts the CPU for nothing; the entry is walked behind the move to CR3, which no load passes"
)
CR3_FLUSH = (
    "tlb_gen is read behind the locked bit of mm_cpumask (tlb.c:630), and no store of an entry waits on this CPU"
)
LEFT = (
    "loaded_mm is LOADED_MM_SWITCHING before it, and the CPU's bit is cleared: who sees less interrupts it for nothing"
)
BATCHED = (
    "raised under the page-table lock; who reads it has taken that lock since (mm/rmap.c:set_tlb_ubc_flush_pending()); "
    "not asked: two reclaimers of one mm under two page-table locks, of whose increments a plain store loses one"
)

PLACE = (
    "who finds the page still in the swap cache, or its place still counted, leaves it to reclaim; who finds it gone "
    "looks again under the folio lock (mm/swap_state.c:free_swap_cache(), mm/memory.c:4369); not asked: two that "
    "change one count at once, which the lock of the cluster forbids (mm/swapfile.c)"
)
LOOKED_UP = "not asked: the note of references; what was found is looked at again under its lock (mm/memory.c:4369)"
DRAINED = (
    "whether the page is on its LRU list decides only whether a batch is drained: for nothing, or not, and then a page "
    "is copied that could have been used"
)

ISOLATED = (
    "what is done with a page that was isolated is done under its folio lock, which is taken behind it "
    "(mm/vmscan.c:shrink_folio_list()); not asked: two that isolate one page at once, which would both have it"
)
LAZYFREE = (
    "the flag is changed and read under the folio lock, which is released behind it (mm/vmscan.c:1234, "
    "mm/rmap.c:try_to_unmap_one()); MADV_FREE makes the entries clean behind it, under the page-table lock"
)

TABLE_COUNT = "the table's lock is released behind it, and i_mmap_rwsem behind the flush: it is read with both held"

_EVERYWHERE = {
    "folio_swapped(pageN)": PLACE,
    "__delete_from_swap_cache(pageN)": PLACE,
    "swap_free(N)": PLACE,
    "swap_duplicate(N)": PLACE,
    "add_to_swap(pageN)": PLACE,
    "__remove_mapping(pageN)": PLACE,
    "filemap_get_folio(pageN)": LOOKED_UP,
    "folio_set_lru(pageN)": DRAINED,
    "folio_test_clear_lru(pageN)": ISOLATED,
    "unlock PG_locked[N]": FOLIO,
    "set_page_dirty(pageN)": FLAG,
    "TestClearPageDirty(pageN)": CLEARED,
    "folio_remove_rmap_pmd(pageN)": MAPCOUNT,
    "put_page(pageN)": NOTE,
    "try_get_folio(pageN)": FOUND,
    "mmget_not_zero": TAKEN_MM,
    "clone": BEGINS,
    "wait until away = N": BEGINS,
    "send sync IPI": WALKER_OUT,
    "take sync IPI of TN": WALKER_OUT,
    "call_rcu(Table(level='pte', index=N))": WALKER_OUT,
    "quiescent state for Table(level='pte', index=N)": WALKER_OUT,
    "shrink_huge_zero_folio_scan": HUGE_ZERO,
}
_TSO = {
    "mmap_write_downgrade": HELD,
    "mmap_write_unlock": HELD,
    "unlock i_mmap_rwsem": HELD,
    "folio_set_swapbacked(pageN)": LAZYFREE,
    "NR_FILE_MAPPED of A -N": SUM,
    "NR_FILE_MAPPED of B -N": SUM,
    "NR_FILE_MAPPED of B +N": SUM,
    "get_page(pageN)": NOTE,
    "ptep_test_and_clear_young(N)": GUESS,
    "set MMF_OOM_SKIP": FIRST_LOCK,
    "put_huge_zero_page": HUGE_ZERO,
}
_WEAK = {
    "vma_end_read": READER,
    "folio_remove_rmap_ptes(pageN)": MAPCOUNT,
    "folio_remove_rmap_pte(pageN)": MAPCOUNT,
    "mmap_read_unlock": READER,
    "mmput": LAST_USER,
    "finished with the mapping": BEGINS,
    "publish the mapping": BEGINS,
}
_AWAY = {"away = N": BEGINS}
_MOVED = {"schedule: continue on CPUN": BEGINS}
_ASIDS = {
    "flush at switch?": ASID,
    "local_flush_tlb_all": ASID_FLUSH,
    "atomic_cmpxchg(tlb_flush_batched, (N, N))": RETRIED,
}

UNORDERED: dict[str, dict[str, str]] = {
    "x86": {
        "ptdesc_pmd_pts_dec": TABLE_COUNT,
        "ClearPageDirty(pageN)": LAZYFREE,
        **_EVERYWHERE,
        **_AWAY,
        **_TSO,
        **_MOVED,
        "atomic_inc(tlb_flush_batched)": BATCHED,
        "pmdp_test_and_clear_young(N)": GUESS,
        "pmd_clear(N)": PMD_LOCK,
        "mm_cpumask -= CPUN": MASK_LESS,
        "send IPI to CPUN: flush [N, N)": SENT,
        "send IPI to CPUN: flush all": SENT,
        "send IPI to CPUN: flush [N, N) for tlb_gen N": SENT,
        "send IPI to CPUN: flush all for tlb_gen N": SENT,
        "local flush [N, N)": TAKEN,
        "local flush all": TAKEN,
        "local flush [N, N) for tlb_gen N": TAKEN,
        "local flush all for tlb_gen N": TAKEN,
        "load CRN of the mm": CR3,
        "load CRN of the mm, with a flush": CR3_FLUSH,
        "load CRN of another mm": LEFT,
    },
    "s390": {
        **_EVERYWHERE,
        **_AWAY,
        **_TSO,
        "take IPI of TN": NO_IPI,
        "IPTE(N), local": "the entry is changed by the instruction itself; its lock is held",
        "IDTE of pmd(N), local": "the entry is changed by the instruction itself; its lock is held",
        "ptep_get_and_clear(N)": "of a task alone, on its own CPU: it sees its own stores, and its walker is flushed",
        "pmdp_huge_get_and_clear(N)": "of a task alone, on its own CPU, as above",
        "mm_cpumask += CPUN": "__tlb_flush_mm_lazy() takes context.lock behind it, by compare-and-swap, before "
        "user code runs "
        "(arch/s390/include/asm/mmu_context.h:111, tlbflush.h:82)",
        "flush_count -N": COUNTED,
        "detach CPUN": MASK_LESS,
    },
    "arm64": {
        **_EVERYWHERE,
        **_AWAY,
        **_WEAK,
        **_MOVED,
        **_ASIDS,
        "take IPI of TN": NO_IPI,
    },
    "riscv": {
        **_EVERYWHERE,
        **_WEAK,
        **_MOVED,
        **_ASIDS,
        "pmd_clear(N)": PMD_LOCK,
        "pmdp_invalidate(N)": PMD_LOCK,
        "pmdp_huge_get_and_clear(N)": PMD_LOCK,
        "local flush leaf [N, N)": TAKEN,
        "local flush leaf [N, N) of ASID N": TAKEN,
        "send IPI to CPUN: flush leaf [N, N) of ASID N": "the entry was taken by amoswap.aqrl before it, which "
        "does not wait (arch/riscv/include/asm/pgtable.h:ptep_get_and_clear())",
    },
    "powerpc-radix": {
        **_EVERYWHERE,
        **_AWAY,
        **_WEAK,
        "take IPI of TN": NO_IPI,
        "tlbiel: flush leaf [N, N)": PTESYNC,
        "tlbiel: flush leaf all": PTESYNC,
        "tlbiel: flush [N, N)": PTESYNC,
        "tlbiel: flush all": PTESYNC,
        "send IPI to CPUN: exit lazy TLB": "smp_mb() of flush_type_needed() is in front of it, behind the entry",
        "IPI of TN: exit lazy TLB": "the CPU is lazy: no user code has stored on it since it left the mm",
    },
}
"""By row and kind of operation.  A kind that is not here is missed by a scenario (tests/conformance/test_orders.py)."""

NEVER_AWAITED: dict[str, str] = {
    "smp_wmb()": (
        "pmd_install() and the splits of a huge entry have it (mm/memory.c:440, mm/huge_memory.c:2712, 2934): entries "
        "of a table before the entry that points to it. A table is empty in the model before it is filled, and a "
        "walker that comes early faults, and finds the entry when it has the lock; what an old table had in it is not "
        "modelled"
    ),
    "smp_mb__after_atomic()": (
        "a pin has it before it looks at the entry again (mm/gup.c:591); try_get_folio() is fully ordered here, and a "
        "note that changes at once"
    ),
}
"""Barriers that no program of these rows awaits, and what the kernel has them for."""
