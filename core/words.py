"""The words that a policy is written in: what its programs may await, and the values that these take and return.

A plugin imports from this module and from core.hookspecs, and from nothing else.  What stands here is the
specification: what a word does, and what it promises about the order of memory accesses.  docs/words.md has both, made
from the words themselves.

Three rules hold for all of them.

* A word is one atomic step (an operation, `Op`) or a program of several (`async def`).  Between two steps every other
  CPU may do something.
* What a word is executed on is a CPU (`mm.task.cpu`), not a thread.  A barrier orders what this CPU has done, and
  completes what this CPU has issued.  A thread that the scheduler moves leaves both behind: what has to be complete
  before it goes on elsewhere is the business of `arch_start_context_switch`.
* A policy's own state is in cells: `declare` gives an array its initial value, `Cell(array, cpu)` is one word for each
  CPU, and `declare(..., of_mm=True)` says that each mm has such a word: what one mm's word says must not be taken for
  another's (scenario `two-mms`).  An `Op` of one's own reads and writes any cells in one step, and says its `order`;
  what hardware does with them by itself is in the hook `cpu_daemons`.

Data types
    Section    a part of the specification: words that belong together, and what holds of all of them
"""

from __future__ import annotations

from typing import NamedTuple

from core.base.version import WORDS_VERSION
from core.machine.accessed import accessed_cell, test_and_clear_young, xchg_pte_young
from core.machine.broadcast import broadcast_cell, complete, issue
from core.machine.early_ack import handler_cell
from core.machine.insn import EVERYTHING, EVERYWHERE, Operand, insn
from core.machine.ipi import (
    FlushRequest,
    Request,
    csd_cell,
    flush_here,
    irqs_off_cell,
    send_ipis,
    take_ipi,
    wait_ipis,
)
from core.machine.lock import preempt_disable, preempt_enable, spin_lock, spin_trylock, spin_unlock
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid, barrier
from core.machine.order import Order
from core.machine.pte import (
    Entry,
    Migration,
    Present,
    ProtNone,
    Pte,
    Swap,
    allow_pte,
    clean_pte,
    local_ptep_get_and_clear,
    pte_cell,
    pte_present,
    ptep_get,
    set_pte,
    wrprotect_pte,
    xchg_pte,
)
from core.machine.tlb import Entry as TlbEntry
from core.machine.tlb import Upper, invalidate, tlb_cell
from core.machine.variable import read_once, write_once
from core.mm.batched_unmap import UnmapBatch
from core.mm.huge_memory import establish_invalid_pmd, xchg_pmd
from core.mm.init_mm import init_mm
from core.mm.kthread import active_mm, current_mm, mm_users, on_mm_cell
from core.mm.mm import (
    CPUMASK,
    Mm,
    Vma,
    cpumask_clear_cpu,
    cpumask_set_cpu,
    log,
    mm_cpumask,
    smp_processor_id,
    xchg_order,
)
from core.mm.mmu_gather import (
    MmuGather,
    adjust_range,
    gather_page,
    tlb_flush_mmu_tlbonly,
    tlb_get_unmap_size,
    tlb_remove_table,
    tlb_remove_table_sync_one,
)
from core.mm.pgtable import get_and_clear_pmd, pte_accessible, set_pte_at
from core.mm.smp import flush_by_ipi, flush_cpus_by_ipi, on_each_cpu
from core.mm.swap import Table, free_table


class Section(NamedTuple):
    """`text` is Markdown, `words` are names of this module."""

    title: str
    text: str
    words: tuple[str, ...]


SECTIONS = (
    Section(
        "Steps and cells",
        "A step is a pure function of the values that it reads: it returns its outcomes, each with a value for the "
        "program and one for each cell that it writes. No outcome means that it waits; several, that the machine "
        "chooses. `order=` is what it promises (below). A cell is 'memory', for which a store may wait in a store "
        "buffer, or a 'ghost', which is changed at once: a register, a TLB, what only its own CPU looks at.",
        (
            "Op",
            "Outcome",
            "Cell",
            "Cpu",
            "Tid",
            "declare",
            "read_once",
            "write_once",
            "barrier",
            "Order",
            "log",
        ),
    ),
    Section(
        "Entries of a page table",
        "The caller holds the page-table lock. The walker of any CPU reads an entry at any time, and where dirty bits "
        "are set by hardware it may set one until the entry is cleared. A word that takes `nr` above 1 is for the "
        "accountant, in which a run of equal entries is one: elsewhere each entry is an access of its own.",
        (
            "Pte",
            "ProtNone",
            "Swap",
            "Migration",
            "Present",
            "Entry",
            "pte_present",
            "pte_accessible",
            "pte_cell",
            "ptep_get",
            "set_pte",
            "set_pte_at",
            "xchg_pte",
            "xchg_order",
            "local_ptep_get_and_clear",
            "wrprotect_pte",
            "allow_pte",
            "clean_pte",
            "accessed_cell",
            "test_and_clear_young",
            "xchg_pte_young",
            "xchg_pmd",
            "establish_invalid_pmd",
            "get_and_clear_pmd",
        ),
    ),
    Section(
        "The TLB of this CPU",
        "An entry stays until a flush or a fault drops it, and a walker may fill it anew as long as the page table "
        "says the same. `invalidate` of several CPUs is one instruction that is complete when it ends (IPTE); one "
        "that is only issued is among the broadcasts.",
        ("tlb_cell", "TlbEntry", "Upper", "invalidate", "flush_here"),
    ),
    Section(
        "Interrupts",
        "A request goes from a thread to a CPU. The CPU serves it between two instructions of whatever it runs, a task "
        "of the mm or a kernel thread, unless it has interrupts off; the hook `flush_tlb_func` says how. Requests of "
        "two threads are served in any order. A handler of several steps takes the request out of `csd_cell` "
        "into `handler_cell`, with interrupts off, and `cpu_daemons` has the steps that follow; when it empties "
        "`csd_cell` the sender continues, and when it empties `handler_cell` user code does.",
        (
            "Request",
            "FlushRequest",
            "send_ipis",
            "wait_ipis",
            "take_ipi",
            "flush_by_ipi",
            "flush_cpus_by_ipi",
            "on_each_cpu",
            "csd_cell",
            "irqs_off_cell",
            "handler_cell",
        ),
    ),
    Section(
        "Broadcasts",
        "An invalidation that hardware sends to every CPU belongs to the CPU that has issued it. It is complete only "
        "after that CPU's own barrier: a DSB or a TLBSYNC of another CPU completes nothing of it, also where the same "
        "thread executes it. Complete means that no CPU uses the entry any more, and that what others have stored "
        "through it is visible.",
        ("issue", "complete", "broadcast_cell"),
    ),
    Section(
        "Instructions, for counts and for their operands",
        "They change nothing in the model. Large runs hold their operands against what the words above were told.",
        ("insn", "Operand", "EVERYTHING", "EVERYWHERE"),
    ),
    Section(
        "Locks",
        "A lock that is held lets nobody else take it; one that is released by who does not hold it is a violation.",
        ("spin_lock", "spin_trylock", "spin_unlock", "preempt_disable", "preempt_enable"),
    ),
    Section(
        "The address space and its CPUs",
        "In most models mm_cpumask does not change (`mm.cpus` is set): then these words cost no step.",
        (
            "Mm",
            "init_mm",
            "Vma",
            "mm_cpumask",
            "cpumask_set_cpu",
            "cpumask_clear_cpu",
            "CPUMASK",
            "smp_processor_id",
            "mm_users",
            "current_mm",
            "active_mm",
            "on_mm_cell",
        ),
    ),
    Section(
        "The gather and the batch of reclaim",
        "Both belong to their task. `tlb.arch` and `batch.arch` are the architecture's: any immutable value.",
        (
            "MmuGather",
            "UnmapBatch",
            "Table",
            "tlb_get_unmap_size",
            "adjust_range",
            "gather_page",
            "tlb_flush_mmu_tlbonly",
            "tlb_remove_table",
            "tlb_remove_table_sync_one",
            "free_table",
        ),
    ),
)
"""The specification, in the order of docs/words.md."""

__all__ = [
    "CPUMASK",
    "EVERYTHING",
    "EVERYWHERE",
    "SECTIONS",
    "WORDS_VERSION",
    "Cell",
    "Cpu",
    "Entry",
    "FlushRequest",
    "Migration",
    "Mm",
    "MmuGather",
    "Op",
    "Operand",
    "Order",
    "Outcome",
    "Present",
    "ProtNone",
    "Pte",
    "Request",
    "Section",
    "Swap",
    "Table",
    "Tid",
    "TlbEntry",
    "UnmapBatch",
    "Upper",
    "Vma",
    "accessed_cell",
    "active_mm",
    "adjust_range",
    "allow_pte",
    "barrier",
    "broadcast_cell",
    "clean_pte",
    "complete",
    "cpumask_clear_cpu",
    "cpumask_set_cpu",
    "csd_cell",
    "current_mm",
    "declare",
    "establish_invalid_pmd",
    "flush_by_ipi",
    "flush_cpus_by_ipi",
    "flush_here",
    "free_table",
    "gather_page",
    "get_and_clear_pmd",
    "handler_cell",
    "init_mm",
    "insn",
    "invalidate",
    "irqs_off_cell",
    "issue",
    "local_ptep_get_and_clear",
    "log",
    "mm_cpumask",
    "mm_users",
    "on_each_cpu",
    "on_mm_cell",
    "preempt_disable",
    "preempt_enable",
    "pte_accessible",
    "pte_cell",
    "pte_present",
    "ptep_get",
    "read_once",
    "send_ipis",
    "set_pte",
    "set_pte_at",
    "smp_processor_id",
    "spin_lock",
    "spin_trylock",
    "spin_unlock",
    "take_ipi",
    "test_and_clear_young",
    "tlb_cell",
    "tlb_flush_mmu_tlbonly",
    "tlb_get_unmap_size",
    "tlb_remove_table",
    "tlb_remove_table_sync_one",
    "wait_ipis",
    "write_once",
    "wrprotect_pte",
    "xchg_order",
    "xchg_pmd",
    "xchg_pte",
    "xchg_pte_young",
]
