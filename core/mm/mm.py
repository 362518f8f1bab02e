"""An address space as one task sees it, and the small operations with which core/mm is written.

Data types
    Vma        a range of virtual pages with its properties
    Mm         an mm_struct from the point of view of one task: architecture, era, kinds of pages, who is running
    Choices    which free choices of the machine are open (allocation failure, need_resched)

    cell ('ptl', table)                the page-table lock of one table
    cell ('vma', start)                is the VMA that starts there in the tree (mm->mm_mt)?
    cell ('mm_cpumask', None)          mm_cpumask(mm), where it changes
    cell ('tlb_flush_pending', None)   mm->tlb_flush_pending
    cell ('held_batches', tid)         the batches that a task has allocated, where allocations may fail
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from core.facts import Facts
from core.machine.lock import MMAP_LOCK, spin_lock, spin_unlock
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.task import Task
from core.mm.era import Era

if TYPE_CHECKING:
    from core.hookspecs import ArchSpec


@dataclass(frozen=True, slots=True)
class Vma:
    """vm_area_struct: virtual pages `start` to `end` (exclusive). `pfn`: VM_PFNMAP or VM_MIXEDMAP; `uffd_wp`:
    VM_UFFD_WP; `shared`: of a file that others may truncate or collapse, who look for the VMA in its i_mmap.
    """

    start: int
    end: int
    pfn: bool = False
    uffd_wp: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """`alloc_fails`: GFP_NOWAIT allocations may fail. `resched`: need_resched() may become true under the lock."""

    alloc_fails: bool = False
    resched: bool = False


@dataclass(frozen=True, eq=False)
class Mm:
    """One address space, seen by `task`.  It is compared by identity: programs keep no state in it.

    hook       the architecture's hooks, each callable by its kernel name with keyword arguments
    is_anon    is a page anonymous (PageAnon)?  All others are file or shmem pages
    addrs      the virtual pages of which CPUs may have translations
    mappings   where each page may be mapped: the addresses that an rmap walk visits
    cpus       mm_cpumask if it does not change; None if it is a cell
    online     every CPU that can have entries of the mm, in the mask or not
    machine    the CPUs of all threads of the model, with those of kernel threads
    hashed     the pages that an address may map, in models with powerpc's hash table; empty in all others
    folio      the folio of a page, as (first page, pages)
    special    pages that vm_normal_page() does not return: mapped, but neither counted nor freed (the shared zero page)
    init_on_free  pages are cleared when they are freed, so the time that takes depends on pages and not on entries
    folios_per_free  entries of a gather that are freed before the next point of preemption (MAX_NR_FOLIOS_PER_FREE)
    tables     tables come and go in this model; otherwise reading an upper-level entry is no operation
    collapses  khugepaged frees tables of the mm's files, for which it does not take mmap_lock
    walked     the hardware walker is part of the model: for it, a table is free as soon as RCU has it
    readers    CPUs that walk the tables in software with interrupts off, for which whoever frees a table must wait
    lazyfree   anonymous pages of MADV_FREE, which reclaim discards if they are clean and PG_swapbacked is clear, as it
               is at the start (core.mm.swap); of others MADV_FREE changes the entries alone
    exclusive  anonymous pages that no other mm may map (PageAnonExclusive), which a store fault reuses as they are
    swaps      anonymous pages that may be in the swap cache, whose entries in swap are counted (core.mm.swapfile)
    lru_batched  new pages that wait in a CPU's batch for the LRU list (core.mm.swap)
    memcgs     pages are charged to cgroups, whose mapped pages are counted
    moves      mremap() moves mappings of pages whose reverse map is walked meanwhile; otherwise no walk has to wait
    reclaims   pages of the mm are reclaimed with batched flushes; otherwise no such flush is ever pending
    remaps     VMAs come and go, so that madvise() has to find its own; otherwise it is there
    peeks      page faults look at an entry before they take the lock of its table, and once more under it; left out in
               models of many users
    spares_tables  free_pgtables() is left out: only the zap is counted or compared
    long_runs  equal entries and their pages are handled together: only by the accountant
    on_cpu     the cell that says on which CPU the task is, if it may be moved in the middle of a call
    run        how many entries of `span` pages each, from the one that covers `addr` and at most `max_nr`, are equal to
               it: 1, except for the accountant.  It is called before an entry is read, so the accountant may zap ahead
               of the program: then the entries are empty, and the run is as long as what was zapped
    context    the cell of mm->context.id, if ASIDs are reallocated; None if the mm keeps its own
    early_broadcasts  an invalidation by hardware may have its effect as it is issued, which matters where stores wait
    second     the virtual pages of a second mm, in models with two (core.mm.two_mms)
    is_init_mm  it is the kernel's own (core.mm.init_mm), which no process has
    nohz_full  CPUs that are not to be interrupted while they run user code (tick_nohz_full_mask)
    copies     the page that the allocator returns for a copy: page -> its copy
    functions  other texts of functions of the core, by name: C of a kernel tree (core.mm.stand_in)
    """

    __shootdown_entity__ = True

    facts: Facts
    era: Era
    hook: ArchSpec
    task: Task
    addrs: Sequence[int] = ()
    is_anon: Callable[[int], bool] = lambda page: False
    mappings: Mapping[int, Sequence[int]] = field(default_factory=dict)
    cpus: frozenset[Cpu] | None = frozenset()
    hashed: Sequence[int] = ()
    online: frozenset[Cpu] = frozenset()
    machine: frozenset[Cpu] = frozenset()
    tables: bool = False
    collapses: bool = False
    walked: bool = False
    readers: frozenset[Cpu] = frozenset()
    lazyfree: frozenset[int] = frozenset()
    exclusive: frozenset[int] = frozenset()
    swaps: frozenset[int] = frozenset()
    lru_batched: frozenset[int] = frozenset()
    memcgs: bool = False
    moves: bool = False
    reclaims: bool = False
    remaps: bool = False
    context: Cell | None = None
    second: tuple[int, ...] = ()
    nohz_full: frozenset[Cpu] = frozenset()
    is_init_mm: bool = False
    copies: Mapping[int, int] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    early_broadcasts: bool = False
    folio: Callable[[int], tuple[int, int]] = lambda page: (page, 1)
    special: Callable[[int], bool] = lambda page: False
    init_on_free: bool = False
    folios_per_free: int = 512
    choices: Choices = Choices()
    peeks: bool = True
    spares_tables: bool = False
    long_runs: bool = False
    on_cpu: Cell | None = None
    run: Callable[[int, int, int], int] = lambda addr, max_nr, span: 1

    def on(self, task: Task) -> Mm:
        """The same mm, seen by another task."""
        return replace(self, task=task)

    @property
    def everyone(self) -> frozenset[Cpu]:
        """Every CPU that can have entries of this mm, in mm_cpumask or not, including the task's own.

        A kernel thread without an mm has an empty mask: what it waits for was issued for others, and is everywhere.
        """
        return frozenset({self.task.cpu}) | (self.cpus or self.online)

    @property
    def cpu_online_mask(self) -> frozenset[Cpu]:
        """Every CPU there is, also one that has nothing to do with this mm: on_each_cpu() interrupts it."""
        return self.machine | self.everyone

    @property
    def span(self) -> tuple[int, int, int]:
        """Pages covered by one entry of a pmd, pud and p4d table."""
        ptes, upper = self.facts.ptes_per_table, self.facts.upper_entries
        return ptes, ptes * upper, ptes * upper * upper

    def table_of(self, addr: int) -> int:
        """The number of the page table that covers `addr`."""
        return addr // self.facts.ptes_per_table


def xchg_order(mm: Mm) -> Order:
    """What reading and clearing an entry in one step promises: ptep_get_and_clear(), pmdp_huge_get_and_clear().

    x86's xchg() and riscv's atomic_long_xchg() are full barriers.  arm64 has xchg_relaxed() (__ptep_get_and_clear()),
    radix an LL/SC loop (__radix_pte_update()).
    """
    return Order.FULL if "ordered_clear" in mm.facts.capabilities else Order.ATOMIC


def log(*event: Any) -> Op:
    """An event for logs and counts; touches no cell."""
    return Op(f"({event[0]})", (), (), lambda: [Outcome(None)], event=event, order=Order.PRIVATE)


PTL = declare("ptl", None, panel="tables")


def ptl_cell(mm: Mm, addr: int) -> Cell:
    """The page-table lock that covers `addr`."""
    return Cell(PTL, mm.table_of(addr))


def pmd_ptl_cell(mm: Mm, addr: int) -> Cell:
    """The lock of the pmd table that covers `addr`."""
    return Cell(PTL, ("pmd", addr // mm.span[1]))


def pte_lock(mm: Mm, addr: int) -> Op:
    """pte_offset_map_lock()."""
    return spin_lock(ptl_cell(mm, addr), mm.task, event=("lock",))


def pte_unlock(mm: Mm, addr: int) -> Op:
    """pte_unmap_unlock()."""
    return spin_unlock(ptl_cell(mm, addr), mm.task, event=("unlock",))


def smp_processor_id(mm: Mm) -> Op:
    """smp_processor_id(), this_cpu_ptr(): the CPU that the task is on at this moment.

    Called with preempt_count raised, by preempt_disable() or a spinlock: the task may be on another CPU afterwards.
    """
    if mm.on_cpu is None:
        return Op("smp_processor_id", (), (), lambda: [Outcome(mm.task.cpu)], order=Order.PRIVATE)
    return Op("smp_processor_id", (mm.on_cpu,), (), lambda cpu: [Outcome(cpu)], order=Order.PRIVATE)


def cond_resched() -> Op:
    """A voluntary reschedule point."""
    return Op(
        "cond_resched",
        (),
        (),
        lambda: [Outcome(None)],
        event=("cond_resched",),
        may_schedule="cond_resched",
        order=Order.PRIVATE,
    )


def need_resched(mm: Mm) -> Op:
    """need_resched(): both answers are possible if the choice is open."""
    answers = [Outcome(False), Outcome(True)] if mm.choices.resched else [Outcome(False)]
    return Op("need_resched", (), (), lambda: answers, event=("ask", "resched"), order=Order.PRIVATE)


HELD_BATCHES = declare("held_batches", 0, "ghost", panel="check")


def held_cell(task: Task) -> Cell:
    """How many batch pages the task has allocated; only in models in which allocations may fail."""
    return Cell(HELD_BATCHES, task.tid)


def alloc_page(mm: Mm, what: str) -> Op:
    """__get_free_page(GFP_NOWAIT): True, or False where it may fail. `what` names the use in the log."""
    if not mm.choices.alloc_fails:
        return Op(f"allocate a {what}", (), (), lambda: [Outcome(True)], event=("ask", what), order=Order.PRIVATE)
    cell = held_cell(mm.task)

    def step(held: int) -> list[Outcome]:
        return [Outcome(True, (held + 1,)), Outcome(False, (held,))]

    return Op(f"allocate a {what}", (cell,), (cell,), step, event=("ask", what), order=Order.PRIVATE)


def free_batch(mm: Mm, *event: Any) -> Op:
    """Free a batch's page, if it was allocated."""
    if not mm.choices.alloc_fails:
        return log(*event)
    cell = held_cell(mm.task)

    def step(held: int) -> list[Outcome]:
        return [Outcome(None, (max(held - 1, 0),), "" if held else "freed-once")]

    return Op(f"({event[0]})", (cell,), (cell,), step, event=event, order=Order.PRIVATE)


PENDING = Cell(declare("tlb_flush_pending", 0, of_mm=True))
"""mm->tlb_flush_pending: how many gathers are open; include/linux/mm_inline.h:inc_tlb_flush_pending()."""


def inc_tlb_flush_pending(mm: Mm) -> Op:
    """Ordered before the page-table changes by the page-table lock that is taken next.

    Before 16af97dc5a89 it was a flag: set_tlb_flush_pending().
    """
    if not mm.era.has("16af97dc5a89"):
        return Op("set_tlb_flush_pending", (), (PENDING,), lambda: [Outcome(None, (1,))], order=Order.PLAIN)
    return Op("inc_tlb_flush_pending", (PENDING,), (PENDING,), lambda n: [Outcome(None, (n + 1,))], order=Order.ATOMIC)


def dec_tlb_flush_pending(mm: Mm) -> Op:
    """Called only after the flush has completed."""
    if not mm.era.has("16af97dc5a89"):
        return Op("clear_tlb_flush_pending", (), (PENDING,), lambda: [Outcome(None, (0,))], order=Order.PLAIN)
    return Op("dec_tlb_flush_pending", (PENDING,), (PENDING,), lambda n: [Outcome(None, (n - 1,))], order=Order.ATOMIC)


def mm_tlb_flush_pending() -> Op:
    """Is a flush owed for what the caller sees under the page-table lock? mm_inline.h:mm_tlb_flush_pending()."""
    return Op("mm_tlb_flush_pending", (PENDING,), (), lambda n: [Outcome(n > 0)], order=Order.PLAIN)


def mm_tlb_flush_nested() -> Op:
    """Is another gather open on this mm? include/linux/mm_inline.h:mm_tlb_flush_nested()."""
    return Op("mm_tlb_flush_nested", (PENDING,), (), lambda n: [Outcome(n > 1)], order=Order.PLAIN)


VMA = declare("vma", True)


def vma_cell(vma: Vma) -> Cell:
    """Is the VMA in mm->mm_mt?"""
    return Cell(VMA, vma.start)


def find_vma(vma: Vma) -> Op:
    """Is the VMA in the tree?  mmap_lock is held for reading at least."""
    cell = vma_cell(vma)
    return Op("find_vma", (cell,), (), lambda there: [Outcome(there)], order=Order.PLAIN)


def set_vma(mm: Mm, vma: Vma, there: bool) -> Op:
    """Link or unlink the VMA.

    Violates lock-discipline if the task does not hold mmap_lock for writing, as lockdep says of mm->mm_mt
    (mt_set_external_lock()).
    """

    def step(holders: object) -> list[Outcome]:
        return [Outcome(None, (there,), "" if holders == mm.task.tid else "lock-discipline")]

    name = "link VMA" if there else "unlink VMA"
    return Op(name, (MMAP_LOCK,), (vma_cell(vma),), step, order=Order.PLAIN)


CPUMASK = Cell(declare("mm_cpumask", frozenset(), of_mm=True))


def mm_cpumask(mm: Mm) -> Op:
    """The CPUs in mm_cpumask."""
    if mm.cpus is not None:
        return Op("mm_cpumask", (), (), lambda: [Outcome(mm.cpus)], order=Order.PRIVATE)
    return Op("mm_cpumask", (CPUMASK,), (), lambda cpus: [Outcome(cpus)], order=Order.PLAIN)


def cpumask_set_cpu(mm: Mm) -> Op:
    """cpumask_set_cpu(smp_processor_id(), mm_cpumask(mm)): atomic. Does nothing where the mask does not change."""
    return _change_mask(mm, "+=", lambda mask, cpu: mask | {cpu})


def cpumask_clear_cpu(mm: Mm) -> Op:
    """cpumask_clear_cpu(smp_processor_id(), mm_cpumask(mm)): atomic."""
    return _change_mask(mm, "-=", lambda mask, cpu: mask - {cpu})


def _change_mask(mm: Mm, sign: str, change: Callable[[frozenset[Cpu], Cpu], frozenset[Cpu]]) -> Op:
    cpu = mm.task.cpu
    name = f"mm_cpumask {sign} CPU{cpu}"
    if mm.cpus is not None:
        return Op(name, (), (), lambda: [Outcome(None)], order=Order.PRIVATE)
    return Op(name, (CPUMASK,), (CPUMASK,), lambda mask: [Outcome(None, (change(mask, cpu),))], order=Order.ATOMIC)
