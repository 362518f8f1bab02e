"""Mutants that change nothing a property speaks about, argued one by one: of row smp-6.2-fix, and of others by name.

An argument here is a claim about the kernel, not about the suite: that with this change nobody could lose data, reach a
freed page, or see a stale translation, or that what changes is not what the suite is for.
"""

from __future__ import annotations

from core.conformance.equivalent_orders import UNORDERED
from core.conformance.mutate import Mutant

ARGUED: dict[tuple[str, str], str] = {
    ("late", "mmap_write_downgrade"): "held longer for writing, it excludes more",
    ("late", "mmap_write_unlock"): "held one step longer",
    ("drop", "the device writes pageN"): "a device that writes nothing loses nothing",
    ("late", "the device writes pageN"): "still while the reader has its reference, or when the page is nobody's",
    ("late", "what the page had is given up"): "no step of a kernel, and the last one of its task",
    ("late", "finished with the mapping"): "no step of a kernel, and the driver waits for it",
    ("drop", "publish the mapping"): "nobody is told of the new mapping, so nobody can use it through a stale entry",
    ("late", "publish the mapping"): "the last step of its task",
    ("late", "use the page"): "no step of a kernel: used as the look is on its way to the entry, which it still sees",
    ("late", "mmap_read_unlock"): "held one step longer",
    ("late", "unlock PG_locked[N]"): "held one step longer",
    ("late", "unlock ptl[pmd,N]"): "held one step longer",
    ("late", "unlock i_mmap_rwsem"): "held one step longer",
    ("late", "inc_tlb_flush_pending"): "still before the page-table lock is dropped, which is what orders it",
    ("late", "dec_tlb_flush_pending"): "one step later is still after the flush",
    ("late", "put_page(pageN)"): "a page is given back later, never earlier",
    ("late", "free pte table N"): "a table is given back later, never earlier",
    ("late", "free pmd table N"): "a table is given back later, never earlier",
    ("late", "free pud table N"): "a table is given back later, never earlier",
    ("late", "(batch_free)"): "a batch is given back later, never earlier",
    ("late", "(call_rcu)"): "tables are given back later, never earlier",
    ("drop", "set MMF_OOM_SKIP"): "the oom reaper looks, and finds that the page tables have gone: they go under "
    "mmap_lock for writing",
    ("late", "set MMF_OOM_SKIP"): "set behind mmap_lock for writing: no reaper holds it meanwhile",
    ("late", "call_rcu(Table(level='pte', index=N))"): "a table is given back later, never earlier",
    (
        "late",
        "get_page(pageN)",
    ): "the entry that maps the page is there and its lock is held, or, of a copy, nobody else knows it",
    (
        "late",
        "set_page_dirty(pageN)",
    ): "still under the page-table lock, or with the entry dirty: not to be cleaned yet",
    ("late", "set_pte(N, swapN)"): "still under the page-table lock, and the entry has been empty before",
    ("late", "set_pte(N, migration of pageN)"): "still under the page-table lock, and the entry has been empty before",
    (
        "late",
        "set_pte(N, pageN:ro,dirty)",
    ): "mprotect and clear_refs hold mmap_lock for writing: only rmap walks come in "
    "between, and what they find empty comes back without write permission and with its dirty bit",
    ("late", "page_add_rmap(pageN)"): "rmap and entry change under one lock, in either order",
    ("late", "copy pageN to pageN"): "copied one step later, still before the copy is mapped",
    (
        "late",
        "pages_identical(pageN, pageN)",
    ): "compared under the page-table lock instead of just before it, and before the entry is looked at again",
    ("late", "local flush [N, N)"): "after the wait instead of before it: nothing has been freed or unlocked yet",
    ("late", "local flush all"): "after the wait instead of before it, as above",
    (
        "late",
        "send IPI to CPUN: flush all",
    ): "the local flush comes first; both are done before the wait is over",
    ("late", "atomic_inc(tlb_flush_batched)"): "still under the page-table lock, which is what orders it",
    ("late", "charge pageN to B"): "still under the page-table lock, which is what orders it",
    ("twice", "atomic_inc(tlb_flush_batched)"): "more looks pending than is: it is flushed for, which is more",
    ("drop", "atomic_cmpxchg(tlb_flush_batched, (N, N))"): "the unmaps stay pending and are flushed again",
    ("late", "atomic_cmpxchg(tlb_flush_batched, (N, N))"): "they stay pending one step longer, as above",
    ("twice", "atomic_cmpxchg(tlb_flush_batched, (N, N))"): "the second one finds another value, or stores the same",
    ("twice", "mm_cpumask += CPUN"): "a bit that is set is set again",
    ("late", "clone"): "the second thread starts one step later",
    ("twice", "pmdp_invalidate(N)"): "nothing changes an entry that is not present, and its lock is held",
    (
        "late",
        "pmd_clear(N)",
    ): "the table is reached by both addresses one step longer, before the flush of the old ones",
    ("late", "pud_clear(N)"): "what hangs below is reached one step longer, before the flush that the table waits for",
    ("late", "pNd_clear(N)"): "what hangs below is reached one step longer, as above",
    ("late", "pmd_populate(N, table N)"): "still under both locks; the flush is of the old addresses",
    (
        "late",
        "unlink_file_vma",
    ): "found one step longer, by those who look under i_mmap_rwsem, when its entries "
    "are empty and flushed, and its tables not yet free",
    ("late", "NR_FILE_MAPPED of A -N"): "atomic additions commute, and nobody reads the sum in between",
    ("late", "NR_FILE_MAPPED of B -N"): "atomic additions commute, as above",
    ("late", "NR_FILE_MAPPED of B +N"): "atomic additions commute, as above",
    ("drop", "local_irq_disable"): "a flush by interrupt finds the same entries before and after the switch of the mm",
    ("late", "local_irq_disable"): "the same with less of the switch in between",
    ("late", "local_irq_enable"): "interrupts are off one step longer",
    ("drop", "active_mm = mm"): "asked only where a lazy TLB is left behind, which this architecture does not do",
    ("late", "active_mm = mm"): "asked only where a lazy TLB is left behind, as above",
    ("late", "current->mm = mm"): "asked only by the task itself, and where a lazy TLB is left behind",
    ("drop", "current->mm = NULL"): "the same, and the thread does not use the mm any more",
    ("late", "current->mm = NULL"): "the same one step later, with interrupts on",
    ("late", "ptep_test_and_clear_young(N)"): "what is in use is a guess: reclaimed sooner, with the same flush",
    ("twice", "ptep_test_and_clear_young(N)"): "the guess is that nobody uses it, as above",
    ("late", "ptep_set_wrprotect(N)"): "still under both page-table locks and before the flush",
    ("twice", "ptep_set_wrprotect(N)"): "what is read-only becomes read-only",
    ("late", "put_huge_zero_page"): "held one step longer",
    ("late", "shrink_huge_zero_folio_scan"): "the shrinker comes at any time",
    ("twice", "shrink_huge_zero_folio_scan"): "the second time it finds the page free, or comes later, as it may",
    ("late", "mmput"): "a reference is held one step longer",
    (
        "late",
        "__delete_from_swap_cache(pageN)",
    ): "the folio is locked, and whoever takes it out has a reference beside the cache's",
    ("late", "swap_free(N)"): "still under the folio lock and the page-table lock, before the places are counted",
    ("late", "add_to_swap(pageN)"): "still under the folio lock, and before the entry is cleared",
    ("late", "swap_duplicate(N)"): "still under the page-table lock, and the folio lock keeps its place",
    ("drop", "__remove_mapping(pageN)"): "the page is kept, in the swap cache, as it may be for any reference",
    ("late", "__remove_mapping(pageN)"): "what it looks at it looks at in the same step, at any time",
    (
        "twice",
        "__remove_mapping(pageN)",
    ): "the second one finds it taken out: it is put back instead, and freed by that",
    ("late", "add pageN to lru_add[N]"): "no other CPU looks into the batch",
    ("drop", "folio_set_lru(pageN)"): "it is asked for only before the batches are drained, for nothing then",
    ("late", "folio_set_lru(pageN)"): "the same for one step",
}
"""Of row smp-6.2-fix: (operator, kind) and why it is equivalent. Where other rows have them, the same holds."""


FOR_NOTHING = "the CPU is interrupted, or believed to be behind, for nothing"
IRQS_OFF = "interrupts are off, and nobody else looks at the word before they are on"
LOCAL = "the local part is done during the wait instead of before it, or twice"

REPEATED = "an invalidation that is repeated invalidates nothing more"
ASID_LOCK = "what new_context() looks at first is one step here, and what is behind it is done with the lock held"

SYNC_IPI: dict[tuple[str, str], str] = {
    ("drop", "send sync IPI"): "the flush before it, of tlb_table_invalidate(), has interrupted every walker",
    ("late", "send sync IPI"): "the flush before it, of tlb_table_invalidate(), has interrupted every walker",
    (
        "late",
        "ptdesc_pmd_pts_dec",
    ): "the look behind it is for a sync IPI, and the flush before that has interrupted every walker",
}
"""Of rows that flush by interrupts."""

ASIDS: dict[tuple[str, str], str] = {
    ("twice", "cmpxchg(active_asids)"): "the second one finds what the first has put, or that a rollover has taken it",
    ("late", "cmpxchg(active_asids)"): "no answer is taken for a no: the lock is taken, and the slow path does it all",
    ("late", "lock cpu_asid_lock"): ASID_LOCK,
    ("twice", "new_context"): "the second one finds that the mm has an ASID of this generation",
    ("drop", "flush at switch?"): "the flush stays owed, and is done again",
    ("late", "local_flush_tlb_all"): "before the page tables are loaded all the same",
    ("late", "unlock cpu_asid_lock"): "held one step longer",
}
"""Of rows that give ASIDs out from a bitmap."""

NOTHING_PUT_OFF: dict[tuple[str, str], str] = {
    (
        "late",
        "lazy_mmu_state = N",
    ): "only the task itself reads it, as its next section begins or ends, to choose among hooks that do nothing here",
    ("late", "lazy_mmu_state = N, paused"): "the same: nothing is put off that a section left late could hold back",
}
"""Of rows whose lazy-MMU sections are empty."""

MOVED_TASK: dict[tuple[str, str], str] = {
    (
        "late",
        "schedule: continue on CPUN",
    ): "no step of a kernel: the scenario notes that the move is over, and what is "
    "behind it is executed by the other CPU whenever it is noted",
}
"""Of rows with a batch, whose task is moved."""

YOUNG_PMD = (
    "it changes the accessed bit of a huge entry alone: what is in use is a guess, and the gather flushes anyway"
)
AGED: dict[tuple[str, str], str] = {
    (operator, "pmdp_test_and_clear_young(N)"): YOUNG_PMD for operator in ("drop", "late", "twice")
}
"""Of rows of kernels in which MADV_COLD ages a huge entry where it is."""

VMA_LOCKS: dict[tuple[str, str], str] = {
    ("late", "link VMA"): "mmap_lock is held for writing, and a fault that finds no VMA waits for it",
    ("late", "vma_end_read"): "held one step longer",
    ("twice", "lock_vma_under_rcu"): "the thread is a reader of that VMA already",
    ("twice", "vma_start_write"): "the VMA is write-locked already",
    (
        "drop",
        "vma_end_write_all",
    ): "faults find the VMA write-locked and take mmap_lock, as before there were locks of VMAs",
    ("twice", "vma_end_write_all"): "no VMA is write-locked any more",
}
"""Of rows with per-VMA locks."""

ALONE = "no other CPU has the mm, and this one runs no user code before the flush is over"

LOCAL_PID: dict[tuple[str, str], str] = {
    ("late", "tlbiel: flush leaf [N, N)"): ALONE,
    ("twice", "tlbiel: flush leaf [N, N)"): REPEATED,
    ("late", "tlbiel: flush [N, N)"): ALONE,
    ("late", "tlbiel: flush leaf all"): ALONE,
    ("twice", "tlbiel: flush leaf all"): REPEATED,
    ("short", "tlbiel: flush leaf all"): "tlbiel of a PID has no range that could be a page short",
}
"""Of a row that flushes by tlbiel where no other CPU has the mm."""

EVERY_CPU = (
    "no flush asks who is on the mm, for each reaches every CPU: from when on a walker uses the tables matters to none"
)
TTBR0: dict[tuple[str, str], str] = {
    (operator, name): EVERY_CPU
    for operator in ("drop", "late")
    for name in ("cpu_switch_mm: load TTBRN", "cpu_set_reserved_ttbrN")
}
"""Of rows of arm64 that broadcast."""

FLAGS_AGAIN = "flags that are set are set again: nothing that the entry allowed is taken back"

DISCARD = (
    "in may_discard() the flush in front of it has made the cleared entry visible; nothing waits of a task that moves"
)

DISCARDED: dict[tuple[str, str], str] = {("drop", "smp_mb()"): DISCARD, ("weak", "smp_mb()"): DISCARD}
"""Of rows whose words that clear or flush an entry have it seen, before the references of a page are read."""

OF_ROW: dict[str, dict[tuple[str, str], str]] = {
    "smp-6.2-fix": {
        **SYNC_IPI,
        **NOTHING_PUT_OFF,
        **MOVED_TASK,
        ("late", "folio_remove_rmap_ptes(pageN)"): "still under the page-table lock, and the reclaimer, who has taken "
        "the folio from the LRU list, holds a reference of his own: nobody frees it meanwhile",
    },
    "arm64": {
        **VMA_LOCKS,
        **ASIDS,
        **DISCARDED,
        **NOTHING_PUT_OFF,
        **MOVED_TASK,
        **AGED,
        **TTBR0,
        ("twice", "ptep_set_access_flags(N)"): FLAGS_AGAIN,
        ("twice", "TLBI_VAAENIS: flush [N, N)"): REPEATED,
        ("twice", "TLBI_VAALENIS: flush leaf [N, N)"): REPEATED,
        ("twice", "TLBI_VALENIS: flush leaf [N, N)"): REPEATED,
        ("twice", "TLBI_VAENIS: flush [N, N)"): REPEATED,
        ("twice", "TLBI_ASIDENIS: flush all"): REPEATED,
        ("twice", "TLBI_VALENIS: flush leaf [N, N) of ASID N"): REPEATED,
        ("twice", "DSB_ISH"): "a barrier that is repeated waits for nothing more",
    },
    "x86": {
        **VMA_LOCKS,
        **SYNC_IPI,
        **NOTHING_PUT_OFF,
        **MOVED_TASK,
        **AGED,
        ("late", "irqs_off[N] = False"): "interrupts stay off for one load more; whoever waits for one waits longer",
        (
            "late",
            "irqs_off[N] = True",
        ): "the CPU is not in mm_cpumask before its bit is set, so no interrupt of this mm can come",
        (
            "late",
            "load CRN of the mm, with a flush",
        ): "interrupts are off and no user code runs until loaded_mm says which mm it is",
        ("twice", "inc_mm_tlb_gen"): "a generation is skipped: what a CPU has seen is still older",
        ("drop", "ctx_gen[N] = N"): FOR_NOTHING,
        ("late", "ctx_gen[N] = N"): IRQS_OFF,
        ("drop", "is_lazy[N] = True"): FOR_NOTHING,
        ("late", "is_lazy[N] = True"): FOR_NOTHING,
        ("late", "is_lazy[N] = False"): "tlb_gen is read behind it all the same",
        ("late", "loaded_mm[N] = switching"): "tlb_gen is read behind both, it and the bit of mm_cpumask",
        ("drop", "mm_cpumask -= CPUN"): FOR_NOTHING,
        ("late", "mm_cpumask -= CPUN"): FOR_NOTHING,
        ("twice", "mm_cpumask -= CPUN"): "a bit that is clear is cleared again",
        (
            "drop",
            "load CRN of another mm",
        ): "loaded_mm stays LOADED_MM_SWITCHING, and the next switch reads tlb_gen; that "
        "the walker may go on meanwhile is `leaving-walk`, which the kernel's order fails too",
        ("late", "load CRN of another mm"): "the same for one step",
        ("drop", "loaded_mm[N] = other"): "it stays LOADED_MM_SWITCHING: the CPU is interrupted for nothing",
        ("late", "loaded_mm[N] = other"): "the same for one step",
        ("late", "local flush [N, N) for tlb_gen N"): LOCAL,
        ("twice", "local flush [N, N) for tlb_gen N"): LOCAL,
        ("late", "local flush all for tlb_gen N"): LOCAL,
        ("twice", "local flush all for tlb_gen N"): LOCAL,
        (
            "late",
            "send IPI to CPUN: flush all for tlb_gen N",
        ): "the local part comes first; both before the wait is over",
    },
    "powerpc-radix": {
        **VMA_LOCKS,
        **NOTHING_PUT_OFF,
        **AGED,
        **LOCAL_PID,
        ("twice", "ptep_set_access_flags(N)"): FLAGS_AGAIN,
        ("twice", "tlbie_va: flush leaf [N, N)"): REPEATED,
        ("twice", "tlbie_pid: flush [N, N)"): REPEATED,
        ("twice", "tlbie_pid: flush leaf all"): REPEATED,
        ("twice", "tlbie_pid: flush all"): REPEATED,
        ("twice", "eieio;tlbsync;ptesync"): "a barrier that is repeated waits for nothing more",
        ("short", "send IPI to CPUN: exit lazy TLB"): "the request has no range: the mutant sends the same",
        (
            "drop",
            "load PID",
        ): "a walker that is on other page tables fetches nothing of this mm, as one may at any time",
        ("late", "load PID"): "the same for one step",
        (
            "drop",
            "active_mm = new mm",
        ): "a CPU that is asked to leave the mm believes that it has not left yet: it leaves "
        "again, with a flush of its own",
        ("late", "active_mm = new mm"): "the same for one step",
    },
    "riscv": {
        **VMA_LOCKS,
        **NOTHING_PUT_OFF,
        **MOVED_TASK,
        **AGED,
        **ASIDS,
        **DISCARDED,
        ("late", "local flush leaf [N, N)"): LOCAL,
        ("twice", "local flush leaf [N, N)"): LOCAL,
        (
            "late",
            "send IPI to CPUN: flush leaf [N, N)",
        ): "the local part comes first; both before the wait is over",
        ("late", "local flush leaf [N, N) of ASID N"): LOCAL,
        ("twice", "local flush leaf [N, N) of ASID N"): LOCAL,
        (
            "late",
            "send IPI to CPUN: flush leaf [N, N) of ASID N",
        ): "the local part comes first; both before the wait is over",
    },
    "s390": {
        **VMA_LOCKS,
        **NOTHING_PUT_OFF,
        ("drop", "smp_mb()"): DISCARD,
        ("drop", "test and clear flush_mm"): "the flush stays owed, and is done again",
        ("drop", "TestClearPageDirty(pageN)"): "the page stays dirty, and is written once more",
        ("late", "lock i_mmap_rwsem"): "what the lock orders is a flush that is still to come, and entries are flushed "
        "as they are cleared",
        ("twice", "detach CPUN"): "a bit that is clear is cleared again",
        ("twice", "cpu_attach_mask += CPUN"): "a bit that is set is set again",
        (
            "late",
            "mm_cpumask += CPUN",
        ): "before user code runs all the same, and flushers that were at work are waited for",
        ("late", "flush_count -N"): "who attaches waits one step longer",
        ("late", "IPTE(N), local"): "what attaches between the count and the instruction is `local-ipte`, which the "
        "kernel's order fails too",
        ("twice", "IPTE(N), local"): "an entry that is invalid is invalidated again",
    },
}
"""The same, of one row each: what holds there need not hold where others have it."""


def why(mutant: Mutant, row: str = "") -> str:
    """The argument, '' if there is none."""
    if mutant.operator == "unordered":
        return UNORDERED.get(row, {}).get(mutant.kind, "")
    key = (mutant.operator, mutant.kind)
    return OF_ROW.get(row, {}).get(key, "") or ARGUED.get(key, "")
