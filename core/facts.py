"""The facts of an architecture, and their valid values: one set of rules for arches.toml and for plugins.

Powers of two are required where Linux has them by construction, for sizes that are shifts (PAGE_SHIFT, PTRS_PER_PTE,
sizeof(void *)).  A batch of any size is possible in a model, so those may be any number.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from core.machine.sched import PREEMPTION


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of an architecture without running anything. Sizes in bytes, the rest in entries.

    smp                     CONFIG_SMP; without it one CPU runs every task
    preemption              'none', 'voluntary', 'full' or 'rt' (PREEMPT_RT, spinlock_t sleeps): matters where tasks
                            share a CPU
    one_cpu                 the tasks of the mm have only ever run on one CPU (others may exist)
    gather                  not CONFIG_MMU_GATHER_NO_GATHER
    page_size, pointer_size PAGE_SIZE, sizeof(void *)
    ptes_per_table          PTRS_PER_PTE
    upper_entries           entries of each middle level; 1 where a level is folded
    levels                  CONFIG_PGTABLE_LEVELS: a folded level (pgtable-nopmd.h, pgtable-nopud.h) has no table
    bundle                  MMU_GATHER_BUNDLE, the batch on the stack
    max_gather_batch        entries of an allocated batch; None derives MAX_GATHER_BATCH
    max_gather_batch_count  allocated batches; None derives MAX_GATHER_BATCH_COUNT
    rcu_table_free          CONFIG_MMU_GATHER_RCU_TABLE_FREE
    max_table_batch         entries of a table batch; None derives MAX_TABLE_BATCH
    merge_vmas, no_range    CONFIG_MMU_GATHER_MERGE_VMAS, CONFIG_MMU_GATHER_NO_RANGE (which implies the former)
    gather_page_size        CONFIG_MMU_GATHER_PAGE_SIZE: a gather is flushed before entries of another size join it
    runtime_p4d             the p4d level is folded at run time (x86 without 5-level paging): freeing it is still tried
    walker                  who reads the page tables when a translation is missing, of WALKERS
    tables_at_once          levels ('pte', 'pmd', 'pud') whose table goes back to the allocator as it is unhooked,
                            before the flush: __pte_free_tlb() and its likes are pte_free()
    memory_model            what CPUs see of each other's stores, of MEMORY_MODELS; one CPU sees all of its own
    hw_dirty                the walker sets the dirty bit; otherwise a fault does
    user_asids              NUM_USER_ASIDS, where ASIDs are given out from a bitmap and roll over; 0 elsewhere
    cont_ptes               CONT_PTES, where entries of user memory are folded into contiguous blocks
                            (CONFIG_ARM64_CONTPTE); 1 elsewhere
    capabilities            optional abilities, of CAPABILITIES, which gate scenarios and what the core does
    family                  the way of flushing, for tables
    kernel                  the version of Linux whose files those are, '' for none in particular
    sources                 the kernel files the plugin was written from
    """

    smp: bool = True
    preemption: str = "none"
    one_cpu: bool = False
    gather: bool = True
    page_size: int = 4096
    pointer_size: int = 8
    ptes_per_table: int = 512
    upper_entries: int = 512
    levels: int = 4
    bundle: int = 8
    max_gather_batch: int | None = None
    max_gather_batch_count: int | None = None
    rcu_table_free: bool = False
    max_table_batch: int | None = None
    merge_vmas: bool = False
    no_range: bool = False
    gather_page_size: bool = False
    runtime_p4d: bool = False
    walker: str = "caches"
    memory_model: str = "sc"
    tables_at_once: tuple[str, ...] = ()
    hw_dirty: bool = True
    user_asids: int = 0
    cont_ptes: int = 1
    capabilities: frozenset[str] = frozenset()
    family: str = ""
    kernel: str = ""
    sources: tuple[str, ...] = ()

    @property
    def batch_entries(self) -> int:
        """MAX_GATHER_BATCH: the entries that fit into a page after struct mmu_gather_batch (next, nr, max)."""
        if self.max_gather_batch is not None:
            return self.max_gather_batch
        return (self.page_size - (self.pointer_size + 8)) // self.pointer_size

    @property
    def batch_count(self) -> int:
        """MAX_GATHER_BATCH_COUNT: 10000 pages are safe to free without a preemption point."""
        if self.max_gather_batch_count is not None:
            return self.max_gather_batch_count
        return 10000 // self.batch_entries

    @property
    def table_batch_entries(self) -> int:
        """MAX_TABLE_BATCH: the entries that fit into a page after struct mmu_table_batch (rcu_head, nr)."""
        if self.max_table_batch is not None:
            return self.max_table_batch
        header = (2 * self.pointer_size if self.rcu_table_free else 0) + self.pointer_size
        return (self.page_size - header) // self.pointer_size


CAPABILITIES = {
    "access_tracking": "does not flush for an entry whose accessed bit is clear (research)",
    "batched_unmap": "CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH",
    "break_before_make": "a TLB must not hold two translations of an address (Arm ARM D8.16)",
    "cpu_queue": "queues flushes on the CPU while a lazy-MMU section is open (powerpc hash, sparc64)",
    "cpu_asids": "gives out ASIDs on each CPU by itself, in cycles (asid_cache)",
    "early_ack": "answers a flush before it has flushed (research)",
    "flush_mm": "marks an mm in flush_mm, to be flushed before anyone uses it (s390's lazy flush)",
    "gup_fast": "CONFIG_HAVE_GUP_FAST: user pages are looked up in software without any lock",
    "hash_table": "translations are also in a hash table in memory (powerpc)",
    "huge_vmap": "CONFIG_HAVE_ARCH_HUGE_VMAP: huge pages take the place of page tables of the kernel",
    "init_mm_cpumask": "every CPU that is online is in mm_cpumask(&init_mm) (powerpc, s390)",
    "lazy_tlb": "leaves CPUs that run a kernel thread out of flushes that free no table (enter_lazy_tlb)",
    "move_pmd": "CONFIG_HAVE_MOVE_PMD",
    "ordered_clear": "empties an entry by a fully ordered exchange, so that what follows sees it done (x86, riscv)",
    "per_vma_lock": "CONFIG_ARCH_SUPPORTS_PER_VMA_LOCK: a page fault takes the lock of its VMA alone (6.4)",
    "reallocation_flush": "flushes when a page is used again, not before it is freed (research)",
    "shares_pmd_tables": "CONFIG_ARCH_WANT_HUGE_PMD_SHARE",
    "thp": "CONFIG_HAVE_ARCH_TRANSPARENT_HUGEPAGE: huge pages take the place of page tables (khugepaged)",
    "tlb_gen": "numbers its flushes, and a CPU that was away sees by the number whether it has missed one (x86)",
    "refill_exclusive": "a handler of TLB misses sets the dirty bit by LL/SC, without the page-table lock",
    "refill_stores": "a handler of TLB misses sets the dirty bit by a plain store, without the page-table lock",
    "refill_by_permission": "a refill gives a clean entry its write permission, so that a store through it is not seen",
    "trims_mm_cpumask": "takes CPUs out of mm_cpumask that are not on the mm as they are flushed",
}
"""What `Facts.capabilities` may name; and VENDOR.NAME, which gates scenarios from outside and nothing else."""

MEMORY_MODELS = {
    "sc": "sequentially consistent: every store is visible at once",
    "tso": "stores wait in a buffer and become visible in order (x86, s390, sparc)",
    "weak": "stores wait and become visible in any order that barriers allow (arm64, riscv, powerpc)",
}
"""What `Facts.memory_model` may be."""

WALKERS = {
    "caches": "hardware, which may keep upper entries",
    "hardware": "hardware, which starts each walk at the root and keeps no upper entry",
    "linear": "hardware, through a TLB entry for the page of the table, which a handler finds: a linear page table",
    "handler": "a refill handler with interrupts off, which keeps nothing",
    "writes": "a refill handler with interrupts off, which keeps nothing and writes the entry back",
    "palcode": "PALcode, which no interrupt comes into, and keeps nothing behind the flush of an ASN",
    "none": "nobody: translations come from elsewhere",
}
"""What `Facts.walker` may be.

What matters of a walker is what it still goes by when a table is freed: an upper entry from an earlier walk, or only
those of the walk that is under way.  The latter ends before its CPU takes an interrupt, so a flush that asks every CPU
by interrupt waits for it, and one that hardware broadcasts does not; the grace period of RCU waits for it too.
"""

TABLE_LEVELS = ("pte", "pmd", "pud")
"""What `Facts.tables_at_once` may name; no model has p4d tables."""


POWERS_OF_TWO = ("page_size", "pointer_size", "ptes_per_table", "upper_entries", "cont_ptes")
MAY_BE_ZERO = ("bundle", "max_gather_batch_count", "user_asids")
MIN_PAGE = 64
"""Bytes of the smallest page that holds the head of a batch and something behind it."""

MOST = {"page_size": 1 << 24, "levels": 5, "ptes_per_table": 1 << 20, "upper_entries": 1 << 20}
"""Where Linux ends: pages of 1 MiB (hexagon), five levels, tables that fit some pages."""

KINDS: dict[str, Any] = get_type_hints(Facts)


def wrong(key: str, value: object) -> str:
    """What was expected of the fact `key`, and what it is instead; '' if `value` is valid."""
    problem = _wrong_type(KINDS[key], value)
    if not problem and type(value) is int:
        problem = _wrong_number(key, value)
    if not problem and key == "preemption" and value not in PREEMPTION:
        problem = f"one of {', '.join(PREEMPTION)}"
    if not problem and key == "walker" and value not in WALKERS:
        problem = f"one of {', '.join(WALKERS)}"
    if not problem and key == "memory_model" and value not in MEMORY_MODELS:
        problem = f"one of {', '.join(MEMORY_MODELS)}"
    if not problem and isinstance(value, tuple) and key == "tables_at_once" and not set(value) <= set(TABLE_LEVELS):
        problem = f"of {', '.join(TABLE_LEVELS)}"
    unknown = sorted(n for n in value if n not in CAPABILITIES and "." not in n) if isinstance(value, frozenset) else ()
    if not problem and unknown:
        known = f"{', '.join(CAPABILITIES)}, or VENDOR.NAME for one of your own"
        return f"there is no {', '.join(unknown)}; expected of {known}"
    return f"expected {problem}, got {value!r}" if problem else ""


def first_wrong(facts: Facts) -> str:
    """The first invalid fact, as 'key: what is wrong'; '' if all are valid."""
    problems = ((f.name, wrong(f.name, getattr(facts, f.name))) for f in fields(Facts))
    return next((f"{name}: {problem}" for name, problem in problems if problem), "")


def _wrong_type(kind: Any, value: object) -> str:
    origin = get_origin(kind)
    if origin in (frozenset, tuple):
        sound = isinstance(value, origin) and all(type(name) is str for name in value)
        return "" if sound else f"a {origin.__name__} of strings"
    kinds = get_args(kind) if origin is UnionType else (kind,)
    return "" if type(value) in kinds else " or ".join(k.__name__ for k in kinds if k is not type(None))


def _wrong_number(key: str, number: int) -> str:
    least = MIN_PAGE if key == "page_size" else 0 if key in MAY_BE_ZERO else 1
    if number > MOST.get(key, number):
        return f"at most {MOST[key]}"
    if key in POWERS_OF_TWO and (number < least or number & (number - 1)):
        return f"a power of two of at least {least}"
    return "" if number >= least else f"a number of at least {least}"
