"""The words that scenarios, workloads and rules from outside are written in.

A file beside a patch imports from this module, from core.words and core.hookspecs, and from the architecture that it
changes (`arch_plugins`), and from nothing else: these keep their names, and docs/moved.md says what changes
(`core.words.WORDS_VERSION`).  docs/scenario-words.md is made from the words themselves.

A kernel function has its kernel name, and takes the task's view of the address space (`mm`); what it promises stands
where the kernel says it.
"""

from __future__ import annotations

from core.conformance.discipline import with_lock_discipline
from core.conformance.properties import (
    all_freed,
    dirty_known_at_end,
    held_by_mappings,
    mapcount_is_ptes,
    mapped_at_end,
    mm_users_is,
    no_lost_dirty,
    sometimes,
    store_after_copy,
    table_freed,
    tables_freed,
    unhooked_entry,
    unmapped_at_end,
)
from core.conformance.rule import PolicyRule
from core.conformance.scenario import Build, Scenario
from core.conformance.world import Program, World, load, looking, no_stale, pick, raw_stores, relying, returned, store
from core.cost.turns import Turn, Turns
from core.cost.workload import Workload
from core.explore.model import Daemon, Model, Property
from core.machine.op import executed_on
from core.machine.tlb import ref_cell
from core.mm.batched_unmap import (
    flush_tlb_batched_pending,
    set_tlb_ubc_flush_pending,
    try_to_unmap_flush,
    try_to_unmap_flush_dirty,
)
from core.mm.era import Era
from core.mm.gup import gup_fast
from core.mm.khugepaged import collapse_huge_page, retract_page_tables
from core.mm.kthread import (
    active_mm_cell,
    current_mm_cell,
    kthread_unuse_mm,
    kthread_use_mm,
    local_irq_disable,
    local_irq_enable,
    mmget_not_zero,
    mmput,
)
from core.mm.lazy_mmu import lazy_mmu_mode_disable, lazy_mmu_mode_enable, lazy_mmu_mode_pause, lazy_mmu_mode_resume
from core.mm.memory import free_pgtables, unmap_page_range, unmap_vmas
from core.mm.migrate import migrate_folio_move, migrate_pages, remove_migration_pte, try_to_migrate_one
from core.mm.mm import Choices, pte_lock, pte_unlock
from core.mm.mmap_lock import mmap_read_lock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock
from core.mm.mmu_gather import tlb_finish_mmu, tlb_flush_mmu, tlb_gather_mmu
from core.mm.mprotect import protnone, wrprotect
from core.mm.page import (
    copy_page,
    get_page,
    lock_page,
    mapcount_cell,
    pg_dirty_cell,
    pg_locked_cell,
    put_page,
    trylock_page,
    unlock_page,
    write_to_disk,
)
from core.mm.pgtable import upper_entry
from core.mm.reclaim import shrink_folio_list, try_to_unmap, try_to_unmap_one
from core.mm.sched import switch_in, switch_out
from core.mm.swap import table_cell
from core.mm.syscalls import (
    dup_mmap,
    exit_mmap,
    madvise_cold,
    madvise_dontneed,
    madvise_free,
    madvise_pageout,
    mmap_over,
    mprotect,
    mremap,
    munmap,
    process_madvise_dontneed,
    truncate_pagecache,
)
from core.plugins.arch import Arch
from core.words import Section

SECTIONS = (
    Section(
        "A scenario",
        "A `Scenario` has a build function, which makes a `World`, gives it tasks, and returns its "
        "`World.model()`. docs/add-a-scenario.md shows one whole. Where CPUs come and go (`attached`), the "
        "tasks call `switch_in` and `switch_out`, and the architecture's switch_mm() says who is told of a "
        "flush.",
        (
            "Scenario",
            "Build",
            "World",
            "Program",
            "Arch",
            "Era",
            "Choices",
            "Model",
            "Daemon",
            "Property",
            "with_lock_discipline",
        ),
    ),
    Section(
        "User code",
        "A load or a store goes through the CPU's TLB, or walks the page table. `returned`, `relying` and "
        "`looking` look at what user code would find.",
        (
            "load",
            "store",
            "raw_stores",
            "pick",
            "returned",
            "no_stale",
            "relying",
            "looking",
        ),
    ),
    Section(
        "Properties",
        "`always` hold in every state, `finally_` when all tasks have ended; `sometimes` in at least one: the "
        "window, without which a pass may mean that the danger never came up.",
        (
            "sometimes",
            "all_freed",
            "held_by_mappings",
            "no_lost_dirty",
            "dirty_known_at_end",
            "store_after_copy",
            "unmapped_at_end",
            "mapped_at_end",
            "mapcount_is_ptes",
            "mm_users_is",
            "table_freed",
            "tables_freed",
            "unhooked_entry",
        ),
    ),
    Section(
        "Cells to look at",
        "Beside those of core.words.",
        (
            "ref_cell",
            "mapcount_cell",
            "pg_dirty_cell",
            "pg_locked_cell",
            "table_cell",
            "upper_entry",
            "active_mm_cell",
            "current_mm_cell",
        ),
    ),
    Section(
        "CPUs that come and go",
        "kernel/sched/core.c and kernel/kthread.c.",
        (
            "switch_in",
            "switch_out",
            "kthread_use_mm",
            "kthread_unuse_mm",
            "mmget_not_zero",
            "mmput",
            "local_irq_disable",
            "local_irq_enable",
            "executed_on",
        ),
    ),
    Section(
        "System calls",
        "With their locks, as a thread of the process calls them.",
        (
            "madvise_cold",
            "madvise_dontneed",
            "madvise_free",
            "madvise_pageout",
            "process_madvise_dontneed",
            "munmap",
            "mmap_over",
            "mprotect",
            "mremap",
            "dup_mmap",
            "exit_mmap",
            "truncate_pagecache",
            "wrprotect",
            "protnone",
        ),
    ),
    Section(
        "Kernel threads",
        "kswapd, kcompactd and khugepaged, whole and in parts.",
        (
            "shrink_folio_list",
            "try_to_unmap",
            "try_to_unmap_one",
            "migrate_pages",
            "migrate_folio_move",
            "try_to_migrate_one",
            "remove_migration_pte",
            "set_tlb_ubc_flush_pending",
            "try_to_unmap_flush",
            "try_to_unmap_flush_dirty",
            "flush_tlb_batched_pending",
            "collapse_huge_page",
            "retract_page_tables",
            "gup_fast",
        ),
    ),
    Section(
        "Parts of system calls",
        "For a patch that changes one: the locks, the gather, the walk over a range, pages.",
        (
            "pte_lock",
            "pte_unlock",
            "mmap_read_lock",
            "mmap_read_unlock",
            "mmap_write_lock",
            "mmap_write_unlock",
            "tlb_gather_mmu",
            "tlb_flush_mmu",
            "tlb_finish_mmu",
            "unmap_page_range",
            "unmap_vmas",
            "free_pgtables",
            "lazy_mmu_mode_enable",
            "lazy_mmu_mode_disable",
            "lazy_mmu_mode_pause",
            "lazy_mmu_mode_resume",
            "lock_page",
            "trylock_page",
            "unlock_page",
            "get_page",
            "put_page",
            "copy_page",
            "write_to_disk",
        ),
    ),
    Section(
        "Numbers",
        "A workload for `workloads --workload FILE.py:NAME`; docs/cost.md says what is counted.",
        (
            "Workload",
            "Turns",
            "Turn",
        ),
    ),
    Section("Rules", "A property that `run --property FILE.py:NAME` adds to every model.", ("PolicyRule",)),
)
"""The specification, in the order of docs/scenario-words.md."""

__all__ = [
    "SECTIONS",
    "Arch",
    "Build",
    "Choices",
    "Daemon",
    "Era",
    "Model",
    "PolicyRule",
    "Program",
    "Property",
    "Scenario",
    "Turn",
    "Turns",
    "Workload",
    "World",
    "active_mm_cell",
    "all_freed",
    "collapse_huge_page",
    "copy_page",
    "current_mm_cell",
    "dirty_known_at_end",
    "dup_mmap",
    "executed_on",
    "exit_mmap",
    "flush_tlb_batched_pending",
    "free_pgtables",
    "get_page",
    "gup_fast",
    "held_by_mappings",
    "kthread_unuse_mm",
    "kthread_use_mm",
    "lazy_mmu_mode_disable",
    "lazy_mmu_mode_enable",
    "lazy_mmu_mode_pause",
    "lazy_mmu_mode_resume",
    "load",
    "local_irq_disable",
    "local_irq_enable",
    "lock_page",
    "looking",
    "madvise_cold",
    "madvise_dontneed",
    "madvise_free",
    "madvise_pageout",
    "mapcount_cell",
    "mapcount_is_ptes",
    "mapped_at_end",
    "migrate_folio_move",
    "migrate_pages",
    "mm_users_is",
    "mmap_over",
    "mmap_read_lock",
    "mmap_read_unlock",
    "mmap_write_lock",
    "mmap_write_unlock",
    "mmget_not_zero",
    "mmput",
    "mprotect",
    "mremap",
    "munmap",
    "no_lost_dirty",
    "no_stale",
    "pg_dirty_cell",
    "pg_locked_cell",
    "pick",
    "process_madvise_dontneed",
    "protnone",
    "pte_lock",
    "pte_unlock",
    "put_page",
    "raw_stores",
    "ref_cell",
    "relying",
    "remove_migration_pte",
    "retract_page_tables",
    "returned",
    "set_tlb_ubc_flush_pending",
    "shrink_folio_list",
    "sometimes",
    "store",
    "store_after_copy",
    "switch_in",
    "switch_out",
    "table_cell",
    "table_freed",
    "tables_freed",
    "tlb_finish_mmu",
    "tlb_flush_mmu",
    "tlb_gather_mmu",
    "truncate_pagecache",
    "try_to_migrate_one",
    "try_to_unmap",
    "try_to_unmap_flush",
    "try_to_unmap_flush_dirty",
    "try_to_unmap_one",
    "trylock_page",
    "unhooked_entry",
    "unlock_page",
    "unmap_page_range",
    "unmap_vmas",
    "unmapped_at_end",
    "upper_entry",
    "with_lock_discipline",
    "write_to_disk",
    "wrprotect",
]
