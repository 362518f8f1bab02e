"""What an architecture is: the hooks that Linux lets an architecture define, as pluggy specifications.

Names and meanings are the kernel's: include/asm-generic/tlb.h is a list of override points, and so is this module.  The
generic behaviour (`arch_plugins.generic:Generic`) is itself a plugin and is registered first.  An architecture
overrides a part of it; of several implementations of a hook only the one registered last is used.

There are two kinds of hooks:

* a *program* is an `async def`.  It awaits the operations of `core.machine` for everything that another CPU can see,
  and other hooks through `mm.hook`.  Between awaits it may change only its own locals and, if it is given one, the
  gather.  It must be deterministic and keep no state on `self`.
* a *plain* hook is a `def`.  It returns at once and touches nothing shared; it may mark the gather.

The kind is checked when a plugin is registered.  `mm` is the calling task's view of one address space: it has `mm.task`
(and its CPU), `mm.facts`, `mm.hook` and `mm.era`.  Addresses are virtual page numbers; `end` is exclusive.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from core.facts import CAPABILITIES, Facts
from core.machine.op import Cell, Cpu, Op, Tid
from core.machine.pte import Entry, Present, Pte
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm, Vma
from core.mm.mmu_gather import MmuGather
from core.mm.swap import Table

PROJECT = "shootdown"
ENTRY_POINT_GROUP = "shootdown.architectures"

__all__ = [
    "CAPABILITIES",
    "ENTRY_POINT_GROUP",
    "PROJECT",
    "SPECS",
    "ArchSpec",
    "Architecture",
    "Facts",
    "hookimpl",
    "hookspec",
    "is_program",
]

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class ArchSpec:
    """The hooks, in the order in which a munmap calls them."""

    @hookspec
    def arch_facts(self) -> Facts:  # type: ignore[empty-body]
        """Plain. Called once, when the architecture is set up. Returns its `Facts`."""

    @hookspec
    async def switch_mm(self, mm: Mm) -> None:
        """Program. `mm.task` has been given the CPU and is about to run in user mode on `mm`.

        Called without the runqueue lock and without locks of the mm, whenever the CPU last ran another task, and by
        kthread_use_mm() for a kernel thread that is about to use `mm`.  When it returns, user code may run, so this CPU
        must have no entry left that an unmap has counted as flushed. Mirrors switch_mm() with
        finish_arch_post_lock_switch().
        """

    @hookspec
    def cells_on_mm(self, mm: Mm, cpu: Cpu, lazy: bool) -> Mapping[Cell, Hashable]:  # type: ignore[empty-body]
        """Plain. A model begins with `cpu` on the page tables of `mm`: what the plugin's own words hold that say so.

        Called once for each such CPU as a scenario is built, in models in which mm_cpumask is a cell.  `lazy`: a kernel
        thread runs there, which has borrowed the mm.  All other words, and those of CPUs that are not on the mm, have
        the values that they were declared with (core.machine.memory.declare).  A policy that keeps such a word and does
        not say so here begins in a state that its own switch_mm() never makes.
        """

    @hookspec
    def cells_of_mm(self, mm: Mm, cpus: frozenset[Cpu]) -> Mapping[Cell, Hashable]:  # type: ignore[empty-body]
        """Plain. A model begins with `cpus` on the page tables of `mm`: what the plugin's own words of the mm hold.

        Called once for each mm as a model, a count or a comparison is set up, whether mm_cpumask is a cell or not; for
        what a word holds of one CPU, and only where the mask is a cell, there is `cells_on_mm`.  s390 has
        mm->context.cpu_attach_mask.
        """

    @hookspec
    async def switch_to(self, mm: Mm) -> None:
        """Program. The scheduler switches to `mm.task`, after `switch_mm`; not called by kthread_use_mm() and exec.

        Called only in models in which mm_cpumask is a cell.  Mirrors what an architecture's switch_to() does about the
        mm.
        """

    @hookspec
    async def activate_mm(self, mm: Mm) -> None:
        """Program. exec: the running task gets a new mm and continues, without the scheduler.

        Called only in models in which mm_cpumask is a cell.  The guarantees are those of `switch_mm`. Mirrors
        activate_mm(), called by fs/exec.c:exec_mmap().
        """

    @hookspec
    async def enter_lazy_tlb(self, mm: Mm) -> None:
        """Program. The CPU of `mm.task` continues with a kernel thread, which borrows the mm's page tables.

        Called only in models in which mm_cpumask is a cell.  If it does anything, the CPU may be left out of flushes
        that free no table; `switch_mm`, which is called when a task of the mm continues there, must then make up for
        them. Mirrors enter_lazy_tlb().
        """

    @hookspec
    async def leave_mm(self, mm: Mm) -> None:
        """Program. `mm.task` leaves its CPU, which continues with another mm: what switch_mm() does about the previous
        mm.

        Called only in models in which mm_cpumask is a cell (`mm.cpus` is None).  A CPU that leaves the mask is sent no
        flush, so it must drop its entries, now or when it comes back.
        """

    @hookspec
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Program. tlb_start_vma(): a VMA's range is about to be zapped; no page-table lock is held."""

    @hookspec
    async def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Program. tlb_end_vma(): a VMA's range has been zapped; no page-table lock is held.

        The gathered range must be flushed here unless VMAs are merged, and always for PFN mappings.
        """

    @hookspec
    async def arch_enter_lazy_mmu_mode(self, mm: Mm) -> None:
        """Program. Called under the page-table lock before a series of page-table updates."""

    @hookspec
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        """Program. Within a section: on return all updates deferred so far must be done, and the section goes on.

        Called where a section ends within another (core.mm.lazy_mmu).
        """

    @hookspec
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        """Program. Called under the page-table lock after the series; on return all deferred updates must be done."""

    @hookspec
    async def arch_start_context_switch(self, mm: Mm) -> bool:  # type: ignore[empty-body]
        """Program. The task is switched away in the middle of a call; its CPU may run any other task next.

        Returns whether a lazy-MMU section was open, which it must not be for the next task (TIF_LAZY_MMU_UPDATES).
        Called only in models in which a task is preempted.  Mirrors arch_start_context_switch(), or what
        __switch_to() does in its place.
        """

    @hookspec
    async def arch_end_context_switch(self, mm: Mm, lazy: bool) -> None:
        """Program. The task continues, on this CPU or another; `lazy` is what arch_start_context_switch() returned."""

    @hookspec
    async def ptep_get(self, mm: Mm, addr: int) -> Entry:
        """Program. Read one entry; the page-table lock is held.

        The dirty bit must include every store through the entry so far.  ptep_get().
        """

    @hookspec
    async def ptep_get_lockless(self, mm: Mm, addr: int) -> Entry:
        """Program. Read one entry without the page-table lock (GUP-fast): what it was at one moment.

        ptep_get_lockless().
        """

    @hookspec
    async def set_ptes(self, mm: Mm, addr: int, pte: Entry, nr: int) -> None:
        """Program. Set `nr` entries from `addr` to `pte` and the pages that follow its page; the page-table lock is
        held.

        With `nr` above 1 all of them are empty before.  set_ptes(); set_pte_at() is that of one entry.
        """

    @hookspec
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        """Program. A fault makes a present entry more permissive: writable, or dirty; the page-table lock is held.

        Hardware may set the dirty bit at the same time.  ptep_set_access_flags().
        """

    @hookspec
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> Pte:  # type: ignore[empty-body]
        """Program. Clear `nr` present entries that map consecutive pages of one folio; the page-table lock is held.

        Returns the first as it was, dirty if any of them was.  The generic one calls `ptep_get_and_clear` for each run
        of equal entries.  get_and_clear_full_ptes().
        """

    @hookspec
    async def wrprotect_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        """Program. Remove write permission from `nr` entries of one folio, as fork() does; otherwise as
        `ptep_set_wrprotect`, which the generic one calls for each.  wrprotect_ptes().
        """

    @hookspec
    async def clear_young_dirty_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        """Program. Make `nr` entries of one folio old and clean, as MADV_FREE does; the page-table lock is held.

        The gather flushes them.  clear_young_dirty_ptes().
        """

    @hookspec
    async def ptep_modify_prot_start(self, mm: Mm, addr: int) -> Present:  # type: ignore[empty-body]
        """Program. mprotect() is about to change a present entry; the page-table lock is held. Returns the entry.

        Until ptep_modify_prot_commit() hardware must set no bit in it that would be lost.  Mirrors
        ptep_modify_prot_start().
        """

    @hookspec
    async def ptep_modify_prot_commit(self, mm: Mm, addr: int, oldpte: Present, pte: Entry) -> None:
        """Program. The end of what `ptep_modify_prot_start` began, which returned `oldpte`: the entry becomes `pte`.

        The page-table lock has been held since.  No flush: the gather does it, if pte_needs_flush() says so.  Mirrors
        ptep_modify_prot_commit().
        """

    @hookspec
    async def ptep_test_and_clear_young(self, mm: Mm, addr: int) -> bool:  # type: ignore[empty-body]
        """Program. Clear the accessed bit of one entry, and flush nothing; the page-table lock is held.

        Returns whether it was set.  MADV_COLD, whose gather flushes.  Mirrors ptep_test_and_clear_young().
        """

    @hookspec
    async def clear_flush_young_ptes(self, mm: Mm, addr: int, nr: int) -> bool:  # type: ignore[empty-body]
        """Program. Clear the accessed bits of `nr` entries that map consecutive pages of one folio; the page-table lock
        is held.

        Returns whether one was set.  As with `ptep_clear_flush_young`, no flush is needed.  The generic one calls that
        for each entry.
        """

    @hookspec
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """Program. Clear `nr` equal entries from `addr`; the page-table lock is held. Returns the first entry as it
        was.

        The returned dirty bit must include every store through the entry while it was set.  `full` says that the mm has
        no users left.  Mirrors ptep_get_and_clear_full().
        """

    @hookspec
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        """Program. Clear the pmd that maps a huge page at `addr`; its lock is held. Returns the pmd as it was.

        The returned dirty bit must include every store through it; `full` says that the mm has no users left.  The
        caller flushes the range before the page is freed (zap_huge_pmd() with its gather, pmdp_huge_clear_flush() with
        flush_tlb_range).  If the architecture flushes here already, that flush may be empty.  It must not defer the
        flush to the end of a lazy-MMU section, because there is none.  Mirrors pmdp_huge_get_and_clear_full().
        """

    @hookspec
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        """Program. Make the pmd that maps a huge page at `addr` fault in hardware; its lock is held. Returns the pmd
        as it was.

        It must not be empty meanwhile, because others read it without the lock, and no CPU may set its dirty bit any
        more.  Cached entries may stay until the caller's flush_tlb_range, unless that is empty. Mirrors
        pmdp_invalidate_ad().
        """

    @hookspec
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        """Program. Empty the pmd of `addr`, which points to a page table, and flush all that the table maps.

        A huge page takes the place of the table.  The locks of the pmd and of the table are held.  On return no CPU may
        translate through the table; lockless walks in software may go on, for the table is freed by RCU.  Returns the
        table's number.
        mm/pgtable-generic.c:pmdp_collapse_flush().
        """

    @hookspec
    async def pmd_free_pte_page(self, mm: Mm, addr: int) -> None:
        """Program. Clear the pmd of the kernel address `addr`, and free the page table to which it has pointed.

        The entries of the table are empty.  On return no CPU may walk in the table.  Only architectures with the
        capability "huge_vmap" are asked.  include/linux/pgtable.h:pmd_free_pte_page().
        """

    @hookspec
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        """Program. Flush pmds from `start` to `end` that mapped huge pages, on every CPU; their lock is held.

        The generic one is flush_tlb_range() with the span of a pmd as its stride.  Mirrors flush_pmd_tlb_range().
        """

    @hookspec
    async def huge_ptep_get_and_clear(self, mm: Mm, addr: int) -> Entry:
        """Program. Clear the entry of a hugetlb page; its lock is held. Returns it as it was, dirty bit included.

        The caller flushes.  Mirrors huge_ptep_get_and_clear().
        """

    @hookspec
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """Program. Clear one entry and flush it on all CPUs before returning; the page-table lock is held.

        Returns the entry as it was. mm/pgtable-generic.c:ptep_clear_flush().
        """

    @hookspec
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:  # type: ignore[empty-body]
        """Program. Clear the accessed bit of one entry; the page-table lock is held. Returns whether it was set.

        Reclaim learns from it what is in use.  The flush is not needed for correctness: without it the next use of a
        cached entry is not noticed, which is all, so x86 omits it.  mm/pgtable-generic.c:ptep_clear_flush_young().
        """

    @hookspec
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        """Program. ptep_set_wrprotect(): remove write permission from a writable entry; the page-table lock is held.

        The dirty bit must be kept, including one that hardware sets at the same time.  No flush: the caller flushes the
        mm, unless the architecture has done so.
        """

    @hookspec
    def pte_wrprotect(self, mm: Mm, pte: Present) -> Present:  # type: ignore[empty-body]
        """Plain. pte_wrprotect(): a copy of the present entry `pte` without write permission, dirty or clean as before.

        The entry is a value, not in memory, unlike in `ptep_set_wrprotect`.
        """

    @hookspec
    def pte_needs_flush(self, mm: Mm, oldpte: Entry, newpte: Entry) -> bool:  # type: ignore[empty-body]
        """Plain. mprotect() or similar has replaced `oldpte`, which was present, by `newpte`: is a flush needed?

        Called under the page-table lock; the gather does the flush.  False is correct only if a CPU that still has
        `oldpte` can do nothing that `newpte` forbids.  include/asm-generic/tlb.h:pte_needs_flush().
        """

    @hookspec
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:  # type: ignore[empty-body]
        """Plain. `pte_needs_flush` for a pmd that maps a huge page.
        include/asm-generic/tlb.h:huge_pmd_needs_flush().
        """

    @hookspec
    def tlb_delay_rmap(self, tlb: MmuGather) -> bool:  # type: ignore[empty-body]
        """Plain. A dirty file page has just been unmapped, under the page-table lock: is its rmap removal to be
        delayed?

        True also marks the gather (`tlb.delayed_rmap = True`); the core then flushes before it releases the lock.
        include/asm-generic/tlb.h:tlb_delay_rmap(), commit 5df397dec7c4.
        """

    @hookspec
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:  # type: ignore[empty-body]
        """Program. Queue `nr` unmapped pages from `page` until after the flush; the page-table lock is held.

        Returns True if the gather is full and must be flushed before more is queued.  A page may be freed here only if
        no TLB can have it any more.  __tlb_remove_page_size().
        """

    @hookspec
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """Program. Flush what the gather has covered on every CPU; called with or without the page-table lock.

        On return no CPU may use an entry from tlb.start to tlb.end (any entry if tlb.fullmm), nor walk into a table
        that was freed if tlb.freed_tables.  Returns what was done, for the log: 'range', 'mm', or None for nothing.
        """

    @hookspec
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """Program. Flush all user entries of the mm on every CPU. Documentation/core-api/cachetlb.rst."""

    @hookspec
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        """Program. Flush the entries from `start` to `end`, and cached upper-level entries above them, on every CPU.

        `stride` is the pages per cleared entry (1, or a table's span if only upper-level entries were cleared).  The
        caller may have moved or collapsed a table; a caller that has freed tables uses a gather, and `tlb_flush`.
        cachetlb.rst.
        """

    @hookspec
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        """Program. Flush one virtual page on every CPU; the page-table lock is held. cachetlb.rst."""

    @hookspec
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:  # type: ignore[empty-body]
        """Plain. Returns the operation by which `cpu` serves the request that the thread `sender` has sent it.

        It runs as an interrupt handler on `cpu`, between two instructions, unless interrupts are off, once the request
        is in the cell `core.machine.ipi.csd_cell(sender, cpu)`.  It empties that cell, for which the sender waits.
        `mm` is of no task.  The generic one, `core.machine.ipi.take_ipi`, drops the entries that the request covers.
        Mirrors the function that is passed to smp_call_function_many(): arch/x86/mm/tlb.c:flush_tlb_func().
        """

    @hookspec
    def cpu_daemons(self, mm: Mm, cpu: Cpu) -> Sequence[Op]:  # type: ignore[empty-body]
        """Plain. Returns the steps that `cpu` may make by itself, each at any time at which it has an outcome.

        Called once for each CPU as a model is built.  What hardware does without being told (a queue that drains), and
        a handler of several steps: `flush_tlb_func` puts the request into `handler_cell(cpu)` and turns interrupts
        off, and these steps do the rest.  While that cell is not None no user code runs on the CPU, and its walker
        does.  The generic one returns none.
        """

    @hookspec
    async def arch_tlbbatch_should_defer(self, mm: Mm) -> bool:  # type: ignore[empty-body]
        """Program. Reclaim is about to clear an entry of `mm`, or several: may their flush be put off?

        Called under the page-table lock, only with the capability batched_unmap
        (CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH).  If not, the caller flushes at once.  The generic one says yes; x86
        looks whether another CPU is in mm_cpumask, arm64 for an erratum.
        """

    @hookspec
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        """Program. Reclaim has cleared the entries from `start` to `end` and defers their flush; the page-table lock
        is held.

        Only with the capability batched_unmap.  Notes in `batch` (`batch.cpus`, or `batch.arch` for anything else)
        what arch_tlbbatch_flush() has to reach, or issues the flush without waiting for it.  A batch may have entries
        of several mms.  Up to 6.15 the kernel passes the address of one entry.
        """

    @hookspec
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """Program. Flush everything that was added to `batch`, on every CPU, and empty the batch; at most a folio lock
        is held.

        On return no CPU may use any of these entries: their pages are freed next.
        """

    @hookspec
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        """Program. Somebody relies on entries that a reclaimer has cleared; the page-table lock is held.

        On return no CPU may use an entry of this mm that was added to any task's batch before the call.
        """

    @hookspec
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        """Program. A page table is no longer reachable, and is about to be freed or to become another's.

        On return no lockless walk in software (GUP-fast) that may have seen it goes on.  The generic one sends an IPI
        to every other CPU where tables are freed by RCU, and relies on the flush elsewhere.  A policy that knows the
        walkers, or waits for a grace period, does it here.  mm/mmu_gather.c:tlb_remove_table_sync_one().
        """

    @hookspec
    async def arch_exit_mmap(self, mm: Mm) -> None:
        """Program. No task runs on the mm any more, and its mappings are about to be removed. arch_exit_mmap()."""

    @hookspec
    async def destroy_context(self, mm: Mm) -> None:
        """Program. The mm is gone, and no CPU is on its page tables. destroy_context(), called by __mmdrop()."""

    @hookspec
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Program. pte_free_tlb(): a page table has been unhooked; extend the gather's range and queue `table`."""

    @hookspec
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Program. pmd_free_tlb(): a pmd table has been unhooked; otherwise as `pte_free_tlb`."""

    @hookspec
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Program. pud_free_tlb(): a pud table has been unhooked; otherwise as `pte_free_tlb`."""

    @hookspec
    async def arch_alloc_page(self, mm: Mm, page: int) -> None:
        """Program. The allocator is about to hand out a free page, which belongs to nobody yet.

        Mirrors arch_alloc_page() (mm/page_alloc.c:post_alloc_hook()); `mm` is the one that had the page before.
        """

    @hookspec
    def tlb_needs_table_invalidate(self) -> bool:  # type: ignore[empty-body]
        """Plain. Does freeing a batch of tables need a TLB invalidate of its own?

        False only where hardware does not walk Linux page tables.  tlb_needs_table_invalidate().
        """


if TYPE_CHECKING:
    Architecture = ArchSpec
else:

    class Architecture:
        """A base for architectures, so that a type checker holds their hooks against `ArchSpec`.

        It is empty when the program runs: a hook that a plugin does not define is the generic one's, by registration,
        not by inheritance.  So `super().flush_tlb_mm(mm)` needs a base class that defines it.
        """


SPECS: dict[str, Callable[..., Any]] = {
    name: member for name, member in vars(ArchSpec).items() if inspect.isfunction(member)
}
"""Every hook by name."""


def is_program(hook: str) -> bool:
    """Is the hook called `hook` an `async def`?"""
    return inspect.iscoroutinefunction(SPECS[hook])
