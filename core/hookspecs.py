"""What an architecture is: the hooks Linux lets an architecture fill in, as pluggy specifications.

The names and meanings are the kernel's; include/asm-generic/tlb.h is a list of override points, and so is this.
The generic behaviour (`arch_plugins.generic:Generic`) is itself a plugin, registered first; an architecture
overrides some of it, and of several implementations of one hook the one registered last is used, alone.

Two kinds of hooks:

* a *program* is an `async def`.  It awaits the words of `core.machine` for everything another CPU can see, and
  other hooks through `mm.hook`; between awaits it may change its own locals and, where it is given one, the gather,
  nothing else.  It must be deterministic and keep nothing on `self`.
* a *plain* hook is a `def`: it answers at once and touches nothing shared; it may mark the gather.

Which is which is checked when a plugin is registered.  `mm` is the calling task's view of one address space: it
has `mm.task` (and its CPU), `mm.facts`, `mm.hook`, `mm.era`.  Addresses are virtual page numbers; `end` is exclusive.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

from core.facts import CAPABILITIES, Facts
from core.machine.op import Cpu, Op, Tid
from core.machine.pte import Entry, Present
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
    """The hooks, in the order in which an munmap meets them."""

    @hookspec
    def arch_facts(self) -> Facts:  # type: ignore[empty-body]
        """Plain. Called once, when the architecture is set up. Returns its `Facts`."""

    @hookspec
    async def switch_mm(self, mm: Mm) -> None:
        """Program. `mm.task` has been given the CPU and is about to run in user mode on `mm`.

        Called with the runqueue lock dropped and no mm lock held, whenever the CPU last ran another task, and by
        kthread_use_mm() for a kernel thread that is about to use `mm`.  When it returns, user code may run, so no entry
        that an unmap has counted as flushed may be left on this CPU.
        Mirrors switch_mm() with finish_arch_post_lock_switch().
        """

    @hookspec
    async def switch_to(self, mm: Mm) -> None:
        """Program. The scheduler has `mm.task` go on, behind `switch_mm`; kthread_use_mm() and exec have no part in it.

        Only called in models that follow mm_cpumask.  Mirrors what an architecture's switch_to() does about it.
        """

    @hookspec
    async def activate_mm(self, mm: Mm) -> None:
        """Program. exec: the task that has the CPU gets a new mm, and goes on; the scheduler has no part in it.

        Only called in models that follow mm_cpumask.  What holds after `switch_mm` holds after it.
        Mirrors activate_mm(), called by fs/exec.c:exec_mmap().
        """

    @hookspec
    async def enter_lazy_tlb(self, mm: Mm) -> None:
        """Program. `mm.task`'s CPU goes on with a kernel thread, which borrows the mm's page tables.

        Only called in models that follow mm_cpumask.  Where it does anything, the CPU may be left out of flushes that
        free no table; then `switch_mm`, which is called as a task of the mm goes on there, makes up for it.
        Mirrors enter_lazy_tlb().
        """

    @hookspec
    async def leave_mm(self, mm: Mm) -> None:
        """Program. `mm.task` leaves its CPU, which goes on with another mm: what switch_mm() does for the mm before.

        Only called in models that follow mm_cpumask (`mm.cpus` is None).  A CPU that leaves the mask is told of no
        flush, so it must forget what it has, now or when it comes back.
        """

    @hookspec
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Program. A VMA's range is about to be zapped; no page-table lock is held. tlb_start_vma()."""

    @hookspec
    async def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Program. A VMA's range has been zapped; no page-table lock is held. tlb_end_vma().

        The gathered range must be flushed here unless VMAs are merged, and always for PFN mappings.
        """

    @hookspec
    async def arch_enter_lazy_mmu_mode(self, mm: Mm) -> None:
        """Program. Called under the page-table lock before a stretch of page-table updates."""

    @hookspec
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        """Program. Called under the page-table lock after the stretch: updates put off are done when it returns."""

    @hookspec
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """Program. Empty `nr` equal entries from `addr`; the page-table lock is held. Returns the first as it was.

        The dirty bit returned must include every store that went through the entry while it was there.  `full`
        says that the mm has no users left.  Mirrors get_and_clear_full_ptes().
        """

    @hookspec
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        """Program. Empty the pmd that maps a huge page at `addr`; its lock is held. Returns the pmd as it was.

        The dirty bit returned must include every store that went through it; `full` says that the mm has no users left.
        Its caller flushes the range before the page is freed (zap_huge_pmd() with its gather, pmdp_huge_clear_flush()
        by flush_tlb_range), and the architecture may have done so here: then that flush may be empty.  It may not leave
        the flush to the end of a lazy-MMU section, for there is none.  Mirrors pmdp_huge_get_and_clear_full().
        """

    @hookspec
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        """Program. Make the pmd that maps a huge page at `addr` one that the hardware faults on; its lock is held.

        It is not empty meanwhile, for those who look without the lock, and no CPU sets a dirty bit in it any more.
        Returns the pmd as it was.  What is cached may stay until the caller's flush_tlb_range, unless that is empty.
        Mirrors pmdp_invalidate_ad().
        """

    @hookspec
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """Program. Empty one entry and flush it everywhere before returning; the page-table lock is held.

        Returns the entry as it was. mm/pgtable-generic.c:ptep_clear_flush().
        """

    @hookspec
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:  # type: ignore[empty-body]
        """Program. Clear the accessed bit of one entry; the page-table lock is held. Returns whether it was set.

        Reclaim's way to learn what is in use.  The flush is not for correctness: of an entry that stays cached the next
        use is not noticed, that is all, so x86 leaves it out.  mm/pgtable-generic.c:ptep_clear_flush_young().
        """

    @hookspec
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        """Program. Take write permission from a writable entry; the page-table lock is held. ptep_set_wrprotect().

        The dirty bit stays, also one that the hardware sets at the same time.  No flush: its caller flushes the mm,
        unless the architecture has already done so.
        """

    @hookspec
    def pte_wrprotect(self, mm: Mm, pte: Present) -> Present:  # type: ignore[empty-body]
        """Plain. A copy of the present entry `pte` that cannot be written through. Whether it is dirty stays.

        The entry is a value, not in memory, where `ptep_set_wrprotect` changes it.  pte_wrprotect().
        """

    @hookspec
    def pte_needs_flush(self, mm: Mm, oldpte: Entry, newpte: Entry) -> bool:  # type: ignore[empty-body]
        """Plain. mprotect() and its likes have put `newpte` in the place of `oldpte`, which was present: flush it?

        Called under the page-table lock; the flush comes with the gather's others.  No is right only if a CPU that
        still has `oldpte` can do nothing that `newpte` forbids.  include/asm-generic/tlb.h:pte_needs_flush().
        """

    @hookspec
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:  # type: ignore[empty-body]
        """Plain. The same of a pmd that maps a huge page. include/asm-generic/tlb.h:huge_pmd_needs_flush()."""

    @hookspec
    def tlb_delay_rmap(self, tlb: MmuGather) -> bool:  # type: ignore[empty-body]
        """Plain. A dirty file page has just been unmapped, under the page-table lock: put its rmap removal off?

        Saying yes marks the gather (`tlb.delayed_rmap = True`); the core then flushes before it lets go of the
        lock.  include/asm-generic/tlb.h:tlb_delay_rmap(), commit 5df397dec7c4.
        """

    @hookspec
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:  # type: ignore[empty-body]
        """Program. Queue `nr` unmapped pages from `page` until after the flush; the page-table lock is held.

        Returns True when the gather is full and must be flushed before more is added.  A page may be released here
        only if no TLB can still have it.  __tlb_remove_page_size().
        """

    @hookspec
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """Program. Make every CPU forget what the gather has covered; called with or without page-table lock.

        On return no CPU may use an entry from tlb.start to tlb.end (everything if tlb.fullmm), nor reach a table
        that was freed if tlb.freed_tables.  Returns what was done, for the log: 'range', 'mm', None for nothing.
        """

    @hookspec
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """Program. Forget all user entries of the mm on every CPU. Documentation/core-api/cachetlb.rst."""

    @hookspec
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        """Program. Forget the entries from `start` to `end` on every CPU, and what is cached of tables above them.

        `stride` is the pages per cleared entry (1, or a table's span when only upper entries were cleared).  A caller
        may have moved or collapsed a table; one that has freed tables has a gather, and `tlb_flush`.  cachetlb.rst.
        """

    @hookspec
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        """Program. Forget one page on every CPU; the page-table lock is held. cachetlb.rst."""

    @hookspec
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:  # type: ignore[empty-body]
        """Plain. What `cpu` does about the request that the thread `sender` has put to it, as one operation.

        It happens by itself, between two instructions of whatever runs there and unless interrupts are off, as soon as
        the request is in the cell `core.machine.ipi.csd_cell(sender, cpu)`; it empties the cell, for which the sender
        waits.  `mm` is seen by no task.  The generic one, `core.machine.ipi.take_ipi`, forgets what is asked for.
        Mirrors the function that is given to smp_call_function_many(): arch/x86/mm/tlb.c:flush_tlb_func().
        """

    @hookspec
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, addr: int) -> None:
        """Program. Reclaim has cleared the entry of `addr` and puts its flush off; the page-table lock is held.

        Only with the capability batched_unmap (CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH).  Remembers in `batch`
        (`batch.cpus`) what arch_tlbbatch_flush() will have to reach, or starts the flush without waiting for it.
        """

    @hookspec
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """Program. Forget everything that was added to `batch`, on every CPU, and empty it; no lock is held but
        perhaps a folio's.  On return no CPU may use any of these entries: their pages are freed next."""

    @hookspec
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        """Program. Somebody relies on the entries that a reclaimer has cleared; the page-table lock is held.

        On return no CPU may use an entry of this mm that was added to any task's batch before the call.
        """

    @hookspec
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Program. A page table has been unhooked: track the range and queue `table`. pte_free_tlb()."""

    @hookspec
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Program. A table of the level above has been unhooked: as `pte_free_tlb`, one level up. pmd_free_tlb()."""

    @hookspec
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Program. A table two levels above has been unhooked: as `pte_free_tlb`. pud_free_tlb()."""

    @hookspec
    async def arch_alloc_page(self, mm: Mm, page: int) -> None:
        """Program. The allocator is about to hand a free page out; nobody has it yet.

        Mirrors arch_alloc_page() (mm/page_alloc.c:post_alloc_hook()); `mm` is the one whose page it was.
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
    """Whether the hook called `hook` is an `async def`."""
    return inspect.iscoroutinefunction(SPECS[hook])
