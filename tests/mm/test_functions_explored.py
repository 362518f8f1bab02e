"""Each function of core/mm is run by a scenario that fails if the function leaves out one thing that it does.

`EXPLORED` says for each coroutine which scenario (@ the era, if not 6.12), on generic SMP, and what is left out: an
operation by its name without numbers, "flush" for all that a flush consists of, "both X" for a lock with its release.
What is found must be the property that the third word names.  `ELSEWHERE` has the others, and who runs those.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

import core.mm
from core.conformance import SCENARIOS, judge
from core.conformance.scenarios import modules
from core.conformance.verdict import Result
from core.machine.op import Op, Outcome, doing
from core.mm import huge_memory, khugepaged
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.plugins.arch import load_object, set_up

SMP, ARM64 = "arch_plugins.generic:Smp", "arch_plugins.arm64:Arm64"

Program = Callable[..., Coroutine[Op, Any, Any]]

FLUSH = ("send IPI", "wait for IPIs", "local flush", "flush [", "flush all")

EXPLORED = {
    "aging:folio_referenced_one": ("reclaim-old", "lock ptl[#]", "lock-discipline"),
    "batched_unmap:flush_tlb_batched_pending": ("reclaim-mprotect", "flush", "stale-after-return"),
    "batched_unmap:set_tlb_ubc_flush_pending": ("reclaim-mprotect", "atomic_inc", "stale-after-return"),
    "batched_unmap:try_to_unmap_flush": ("numa-hint", "flush", "store-after-copy"),
    "batched_unmap:try_to_unmap_flush_dirty": ("reclaim-dirty", "flush", "no-lost-dirty"),
    "dax:dax_writeback_one": ("dax-writeback", "flush", "no-lost-dirty"),
    "direct_io:dio_read": ("lazyfree-dio", "set_page_dirty", "reached-by-device"),
    "exit:exit_and_mmput": ("lazy-exit", "flush", "walk-of-freed-table"),
    "exit:exit_mm": ("exit-mmap", "mmput", "all-freed"),
    "fork:copy_nonpresent_pte": ("fork-swap", "swap_duplicate", "swap-map-is-ptes"),
    "fork:copy_present_ptes": ("fork-dirty", "get_page", "all-freed"),
    "fork:copy_pte_range": ("fork-dirty", "get_page", "all-freed"),
    "fork:dup_mmap": ("fork-dirty", "get_page", "all-freed"),
    "gup:gup_fast": ("gup-fast", "local_irq_disable", "gup-in-freed-table"),
    "gup:gup_fast_huge": ("gup-fast-unshare", "local_irq_disable", "gup-of-another"),
    "gup:gup_fast_pte_range": ("gup-fast", "put_page", "all-freed of ref[0]"),
    "huge_memory:change_huge_pmd": ("huge-emptied", "both ptl[pmd,#]", "unmapped-at-end"),
    "huge_memory:mm_put_huge_zero_folio": ("huge-zero-shrink", "put_huge_zero_page", "all-freed"),
    "huge_memory:pmdp_huge_clear_flush": ("huge-pageout", "flush", "no-lost-dirty"),
    "huge_memory:split_huge_anon_pmd": ("huge-split-anon", "set_pte", "mapcount-is-ptes"),
    "huge_memory:split_huge_pmd": ("huge-split", "folio_remove_rmap_pmd", "mapcount-is-ptes"),
    "huge_memory:zap_huge_pmd": ("huge-dirty", "set_page_dirty", "no-lost-dirty"),
    "hugetlb:huge_pmd_unshare": ("hugetlb-unshare", "pmd_clear", "use-after-free"),
    "hugetlb:huge_pmd_unshare_flush": ("hugetlb-unshare", "flush", "use-after-free"),
    "hugetlb:hugetlb_vmdelete_list": ("hugetlb-unshare", "flush", "use-after-free"),
    "hugetlb:leave_and_free": ("hugetlb-walk", "both i_mmap_rwsem", "walk-of-freed-table"),
    "hugetlb:munmap_hugetlb": ("gup-fast-unshare", "flush", "gup-of-another"),
    "hugetlb:unmap_hugepage_range": ("hugetlb-unshare", "put_page", "all-freed"),
    "hugetlb:zap_hugepage_range": ("gup-fast-unshare", "flush", "gup-of-another"),
    "khugepaged:collapse_huge_page": ("collapse-copies", "flush", "store-after-copy of newer[0]"),
    "khugepaged:collapse_and_free_pmd": ("table-collapse@6.1", "flush", "walk-of-freed-table"),
    "khugepaged:retract_page_tables": ("table-collapse", "flush", "walk-of-freed-table"),
    "ksm:replace_page": ("table-reclaim-ksm", "folio_remove_rmap_pte", "mapcount-is-ptes of mapcount[0]"),
    "ksm:try_to_merge_one_page": ("merge-ksm", "flush", "store-after-copy"),
    "ksm:write_protect_page": ("merge-ksm", "flush", "store-after-copy"),
    "kthread:kthread_unuse_mm": ("kthread-use-mm", "local_irq_enable", "deadlock"),
    "kthread:kthread_use_mm": ("kthread-use-mm", "local_irq_enable", "deadlock"),
    "madvise:madvise_cold": ("madvise-cold@6.1", "ptep_get_and_clear", "mapcount-is-ptes"),
    "madvise:madvise_cold_or_pageout_pte_range": ("madvise-cold@6.1", "ptep_get_and_clear", "mapcount-is-ptes"),
    "madvise:madvise_dontneed": ("lost-dirty-dontneed", "flush", "no-lost-dirty"),
    "madvise:madvise_free": ("merge-ksm", "set_pte", "mapcount-is-ptes of mapcount[0]"),
    "madvise:madvise_free_pte_range": ("merge-ksm", "set_pte", "mapcount-is-ptes of mapcount[0]"),
    "madvise:process_madvise_cold": ("madvise-cold@6.1", "ptep_get_and_clear", "mapcount-is-ptes"),
    "madvise:process_madvise_free": ("merge-ksm", "set_pte", "mapcount-is-ptes of mapcount[0]"),
    "madvise:process_madvise_dontneed": ("process-madvise", "flush", "use-after-free"),
    "madvise:madvise_pageout": ("madvise-pageout", "set_page_dirty", "no-lost-dirty"),
    "memcg:move_charge": ("rmap-under-ptl", "NR_FILE_MAPPED of A -#", "mapped-accounting"),
    "memory:clear_not_present_full_ptes": ("swap-batch", "pte_clear", "unmapped-at-end of pte[0]"),
    "page_fault:do_numa_page": ("numa-hint", "flush", "store-after-copy"),
    "page_fault:do_user_addr_fault": ("lost-dirty-dontneed", "both PG_locked[#]", "no-lost-dirty"),
    "page_fault:do_wp_page": ("lost-dirty-dontneed", "both PG_locked[#]", "no-lost-dirty"),
    "page_fault:finish_mkwrite_fault": ("lost-dirty-dontneed", "both ptl[#]", "mapcount-is-ptes"),
    "memory:free_pgd_range": ("lazy-walk", "pmd_clear", "walk-of-freed-table"),
    "memory:free_pgtables": ("table-free", "flush", "walk-of-freed-table"),
    "memory:free_upper_range": ("lazy-walk", "pmd_clear", "walk-of-freed-table"),
    "page_fault:handle_numa_fault": ("numa-hint", "flush", "store-after-copy"),
    "page_fault:handle_pte_fault": ("lost-dirty-dontneed", "both PG_locked[#]", "no-lost-dirty"),
    "page_fault:handle_write_fault": ("lost-dirty-dontneed", "both PG_locked[#]", "no-lost-dirty"),
    "memory:unmap_page_range": ("lost-dirty-dontneed", "flush", "no-lost-dirty"),
    "memory:unmap_vmas": ("lost-dirty-munmap", "flush", "no-lost-dirty"),
    "page_fault:wp_page_copy": ("copy-soft-dirty", "copy # to #", "store-after-copy"),
    "page_fault:wp_page_shared": ("lost-dirty-dontneed", "both PG_locked[#]", "no-lost-dirty"),
    "memory:zap_page_range_single": ("lost-dirty-dontneed", "flush", "no-lost-dirty"),
    "memory:zap_present_ptes": ("lost-dirty-dontneed", "folio_remove_rmap_ptes", "mapcount-is-ptes"),
    "memory:zap_pte_range": ("lost-dirty-dontneed", "flush", "no-lost-dirty"),
    "memory:zap_upper_range": ("lost-dirty-dontneed", "flush", "no-lost-dirty"),
    "migrate:migrate_folio_move": ("numa-hint", "copy # to #", "store-after-copy"),
    "migrate:migrate_misplaced_folio": ("numa-hint", "flush", "store-after-copy"),
    "migrate:migrate_pages": ("migrate-batch", "flush", "store-after-copy"),
    "migrate:migrate_pages_batch": ("migrate-batch", "flush", "store-after-copy"),
    "migrate:migrate_vma": ("migrate-dirty", "folio_remove_rmap_pte", "mapcount-is-ptes"),
    "migrate:migrate_vma_collect_pmd": ("migrate-dirty", "folio_remove_rmap_pte", "mapcount-is-ptes"),
    "migrate:remove_migration_pte": ("numa-hint", "get_page", "use-after-free"),
    "migrate:try_to_migrate_one": ("numa-hint", "folio_remove_rmap_pte", "mapcount-is-ptes of mapcount[0]"),
    "mmap:exit_mmap": ("exit-mmap", "put_page", "all-freed"),
    "mmap:mmap_over": ("lost-dirty-mmap-over", "flush", "no-lost-dirty"),
    "mmap:munmap": ("lost-dirty-munmap", "flush", "no-lost-dirty"),
    "mmap:unlink_vmas": ("lost-dirty-munmap", "unlink VMA", "fault-into-unmapped"),
    "mmap:unmap_region": ("lost-dirty-munmap", "flush", "no-lost-dirty"),
    "mmap_lock:mmap_write_downgrade": ("lost-dirty-munmap", "mmap_write_downgrade", "lock-discipline"),
    "mmap_lock:mmap_write_unlock": ("lost-dirty-mmap-over", "mmap_write_unlock", "deadlock"),
    "mmap_lock:vma_start_write": ("lost-dirty-munmap", "vma_start_write", "fault-into-unmapped"),
    "mmu_gather:tlb_batch_pages_flush": ("use-after-free", "put_page", "all-freed"),
    "mmu_gather:tlb_finish_mmu": ("use-after-free", "put_page", "all-freed"),
    "mmu_gather:tlb_flush_mmu": ("use-after-free", "put_page", "all-freed"),
    "mmu_gather:tlb_flush_mmu_tlbonly": ("lost-dirty-dontneed", "flush", "no-lost-dirty"),
    "mmu_gather:tlb_flush_rmap_batch": ("lost-dirty-dontneed", "folio_remove_rmap_ptes", "mapcount-is-ptes"),
    "mmu_gather:tlb_flush_rmaps": ("lost-dirty-dontneed", "folio_remove_rmap_ptes", "mapcount-is-ptes"),
    "mmu_gather:tlb_gather_mmu": ("use-after-free", "inc_tlb_flush_pending", "balanced"),
    "mmu_gather:tlb_remove_table": ("table-free", "flush", "walk-of-freed-table"),
    "mmu_gather:tlb_remove_table_free": ("table-reclaim-twice", "free pte table #", "all-freed of pmd[0]"),
    "mmu_gather:tlb_remove_table_one": ("table-reclaim-gup", "free pte table #", "all-freed of pmd[0]"),
    "mmu_gather:tlb_table_flush": ("table-reclaim-twice", "free pte table #", "all-freed of pmd[0]"),
    "mmu_gather:tlb_table_invalidate": ("table-free", "flush", "walk-of-freed-table"),
    "mprotect:change_prot_numa": ("dontneed-against-numa", "set_pte", "mapcount-is-ptes"),
    "mprotect:change_protection": ("dontneed-against-mprotect", "set_pte", "mapcount-is-ptes"),
    "mprotect:change_pte_range": ("dontneed-against-mprotect", "set_pte", "mapcount-is-ptes"),
    "mprotect:change_upper_range": ("dontneed-against-mprotect", "set_pte", "mapcount-is-ptes"),
    "mprotect:change_vma": ("dontneed-against-numa", "set_pte", "mapcount-is-ptes"),
    "mprotect:mprotect": ("dontneed-against-mprotect", "set_pte", "mapcount-is-ptes"),
    "mremap:move_normal_pmd": ("mremap-table", "pmd_clear", "use-after-free"),
    "mremap:move_page_tables": ("mremap-writeback", "flush", "no-lost-dirty"),
    "mremap:move_pgt_entry": ("mremap-table", "pmd_clear", "use-after-free"),
    "mremap:move_ptes": ("mremap-writeback", "flush", "no-lost-dirty"),
    "mremap:mremap": ("mremap-writeback", "flush", "no-lost-dirty"),
    "oom_kill:oom_reap_task_mm": ("oom-reaper", "flush", "use-after-free"),
    "page_vma_mapped:page_vma_mapped_walk": ("lost-dirty-dontneed", "both ptl[#]", "lock-discipline"),
    "pagewalk:walk_page_range": ("dontneed-against-clear-refs", "set_pte", "mapcount-is-ptes"),
    "pgtable:clear_young_dirty_ptes": ("merge-ksm", "set_pte", "mapcount-is-ptes of mapcount[0]"),
    "pgtable:pte_offset_map_lock": ("lost-dirty-dontneed", "both ptl[#]", "lock-discipline"),
    "pgtable:set_ptes": ("dontneed-remap", "set_pte", "mapcount-is-ptes"),
    "pgtable:wrprotect_ptes": ("fork-protects", "ptep_set_wrprotect", "shared-writable"),
    "pt_reclaim:try_to_clear_pmd": ("table-reclaim-twice", "pmd_clear", "entry-in-freed-table"),
    "pte_missing:do_anonymous_page": ("dontneed-remap", "get_page", "use-after-free"),
    "pte_missing:handle_missing_fault": ("dontneed-remap", "get_page", "use-after-free"),
    "pte_missing:pte_alloc": ("table-reclaim-fault", "pte_alloc_one", "no-page-table"),
    "reclaim:reclaim_pages": ("lazyfree-store", "flush", "use-after-free"),
    "reclaim:pageout": ("reclaim-dirty", "write # to disk", "no-lost-dirty"),
    "reclaim:reclaim_one": ("reclaim-dirty", "flush", "no-lost-dirty"),
    "reclaim:shrink_folio_list": ("reclaim-dirty", "flush", "no-lost-dirty"),
    "reclaim:shrink_lruvec": ("reclaim-dirty", "flush", "no-lost-dirty"),
    "reclaim:try_to_unmap": ("reclaim-dirty", "folio_remove_rmap_pte", "mapcount-is-ptes"),
    "reclaim:try_to_unmap_one": ("reclaim-dirty", "folio_remove_rmap_pte", "mapcount-is-ptes"),
    "rmap:folio_remove_rmap_pmd": ("huge-split", "folio_remove_rmap_pmd", "mapcount-is-ptes"),
    "rmap:folio_remove_rmap_pte": ("numa-hint", "folio_remove_rmap_pte", "mapcount-is-ptes of mapcount[0]"),
    "rmap:folio_remove_rmap_ptes": ("lost-dirty-dontneed", "folio_remove_rmap_ptes", "mapcount-is-ptes"),
    "rmap:page_vma_mkclean_one": ("lost-dirty-munmap", "flush", "no-lost-dirty"),
    "rmap:rmap_walk": ("mremap-migrate", "both i_mmap_rwsem", "mapped-at-end"),
    "rmap:unlink_file_vma": ("table-collapse-change", "unlink_file_vma", "freed-once"),
    "sched:switch_in": ("switch-tso", "mm_cpumask += #", "use-after-free"),
    "smp:flush_by_ipi": ("lost-dirty-dontneed", "flush", "no-lost-dirty"),
    "smp:call_cpus": ("lost-dirty-dontneed", "flush", "no-lost-dirty"),
    "smp:flush_cpus_by_ipi": ("lost-dirty-dontneed", "flush", "no-lost-dirty"),
    "swap:folio_isolate_lru": ("lazyfree-store", "get_page", "use-after-free"),
    "swap:folio_putback_lru": ("lazyfree-store", "put_page", "all-freed"),
    "swap:folio_add_lru": ("lru-batch-zap", "get_page", "freed-once"),
    "swap:lru_add_drain": ("lru-batch-zap", "put_page", "all-freed of ref[0]"),
    "swap:folios_put_refs": ("use-after-free", "put_page", "all-freed"),
    "swap:free_table": ("table-reclaim-gup", "free pte table #", "all-freed of pmd[0]"),
    "swap:release_pages": ("lost-dirty-dontneed@6.1", "put_page", "no-lost-dirty"),
    "swap_fault:do_swap_page": ("swap-cache-shared", "swap_free", "swap-map-is-ptes"),
    "swap_fault:handle_swap_fault": ("swap-cache-refault", "page_add_rmap", "all-freed"),
    "swap_state:free_pages_and_swap_cache": ("use-after-free", "put_page", "all-freed"),
    "swap_state:free_swap_cache": ("swap-cache-zap", "both PG_locked[#]", "all-freed of ref[0]"),
    "swapfile:delete_from_swap_cache": ("swap-cache-both", "__delete_from_swap_cache", "freed-once"),
    "swapfile:folio_free_swap": ("swap-cache-shared", "folio_swapped", "contents-known"),
    "swapfile:free_swap_and_cache": ("swap-cache-both", "put_page", "all-freed"),
    "swapfile:swap_duplicate": ("swap-cache-refault", "swap_duplicate", "freed-once"),
    "task_mmu:clear_refs_pte_range": ("dontneed-against-clear-refs", "set_pte", "mapcount-is-ptes"),
    "task_mmu:clear_refs_write": ("dontneed-against-clear-refs", "set_pte", "mapcount-is-ptes"),
    "task_mmu:clear_soft_dirty": ("dontneed-against-clear-refs", "set_pte", "mapcount-is-ptes"),
    "truncate:truncate_inode_page": ("mremap-truncate", "put_page", "all-freed"),
    "truncate:truncate_pagecache": ("mremap-truncate", "flush", "use-after-free"),
    "truncate:unmap_mapping_range": ("pfnmap", "flush", "use-after-free"),
    "userfaultfd:mwriteprotect_range": ("dontneed-against-uffd", "set_pte", "mapcount-is-ptes"),
    "vma_exec:relocate_vma_down": ("exec-stack", "flush", "walk-of-freed-table"),
    "vma_exec:setup_arg_pages": ("exec-stack", "flush", "walk-of-freed-table"),
    "vmalloc:vunmap_range": ("kernel-range", "flush", "use-after-free"),
    "writeback:write_page": ("lost-dirty-dontneed", "write # to disk", "no-lost-dirty"),
}

GATHER = "which takes slots and asks for memory: tests/mm/test_gather_algebra.py, tests/mutants/core.py"
ASKS = "which touches no cell"
ROWS = "of rows of arches-all.toml: tests/arch_plugins"
ERA = "of other eras: golden traces, the museum"
BELOW = "below; in "
WHOLE = "of which every operation that is left out is an error or equivalent: "

ELSEWHERE = {
    "batched_unmap:should_defer_flush": "asks a hook, and touches no cell",
    "exec:exec_mmap": "exhibit of d53c3dfb23c4",
    "gup:gup_fast_pmd_leaf": "exhibit of 1013af4f585f",
    "huge_memory:folio_mkclean_pmd": "finding zap-huge-dirty: tests/conformance/test_findings.py",
    "huge_memory:generic_pmdp_establish": "of loongarch: tests/conformance/test_walkers.py",
    "huge_memory:local_pmdp_get_and_clear": "of loongarch: tests/conformance/test_walkers.py",
    "huge_memory:madvise_cold_huge_pmd": "below",
    "huge_memory:madvise_free_huge_pmd": "below",
    "khugepaged:is_refcount_suitable": "below; reads alone",
    "kthread:alone": "of alpha, sparc64 and radix: docs/findings.md, mm_users is 1 and a kernel thread takes up the mm",
    "lazy_mmu:lazy_mmu_mode_disable": "lazy-mmu-nested: tests/conformance/test_one_gather.py",
    "lazy_mmu:lazy_mmu_mode_enable": "lazy-mmu-nested: tests/conformance/test_one_gather.py",
    "lazy_mmu:lazy_mmu_mode_pause": "lazy-mmu-nested: tests/conformance/test_one_gather.py",
    "lazy_mmu:lazy_mmu_mode_resume": "lazy-mmu-nested: tests/conformance/test_one_gather.py",
    "memory:folio_pte_batch": "reads alone; too long a run: tests/wrong_policies, golden traces",
    "memory:writable_pte_batch": "reads alone; folio-fork needs what it finds: tests/mm/test_moving.py",
    "memory:swap_pte_batch": "reads alone; too long a run: tests/mutants/core.py",
    "page_fault:numa_rebuild_single_mapping": "of a page that stays: tests/mm/test_moving.py",
    "page_fault:wp_can_reuse_anon_folio": "reads alone, under a trylock: tests/mm/test_moving.py",
    "page_fault:wp_page_reuse": "one store; without it the fault comes again for ever",
    "mmap:flush_pfn_vmas": "of stable kernels: exhibits of b67fbebd4cf9",
    "mmap_lock:lock_vma_under_rcu": "without the lock the fault takes mmap_lock: tests/mm/test_mmap_lock.py",
    "mmap_lock:vma_end_write_all": "tests/mm/test_mmap_lock.py",
    "mmu_gather:gather_page": "takes slots, and touches no cell but for memory: tests/mutants/core.py",
    "mmu_gather:queue": "takes slots, and touches no cell but for memory: tests/mutants/core.py",
    "mmu_gather:tlb_change_page_size": "flushes on powerpc: golden traces",
    "mmu_gather:tlb_free_vmas": "of 7.0: golden traces",
    "mmu_gather:tlb_next_batch": "asks for memory: tests/mutants/core.py",
    "mmu_gather:tlb_remove_table_sync_one": "below",
    "page:folio_likely_mapped_shared": "reads alone; a folio that others map is left alone, for the time that it takes",
    "swap:folio_mark_lazyfree": "one operation, without which nothing is discarded: tests/mm/test_madvise.py",
    "pgtable:get_and_clear_full_ptes": "its clears are the plugin's: tests/mutants/plugins.py",
    "pgtable:pte_accessible": "reads alone: tests/mm/test_batched_unmap.py",
    "pt_reclaim:skip_none_ptes": "reads alone",
    "pt_reclaim:try_get_and_clear_pmd": "trylocks: without them try_to_clear_pmd() takes the table",
    "reclaim:may_discard": "reads alone: exhibit of 6c8e2a256915",
    "rmap:folio_mkclean": "page_vma_mkclean_one(), above, for each mapping",
    "sched:switch_out": "of s390: s390_attach",
    "smp:on_each_cpu": "of xtensa, and of core.words: tests/test_words.py",
    "swap_state:free_page_and_swap_cache": "of s390: tests/mm/test_swap_cache.py",
    "two_mms:of_second": "renames cells: two-mms",
    "vmalloc:vmap_range": "a store for each page; without it a load of the new mapping faults, which ends it",
    "vmalloc:vmap_try_huge_pmd": "of arm64 and x86: exhibit of 51696d346c49",
}


def test_every_function_stands_in_one_of_the_tables() -> None:
    found = {
        f"{module.name}:{name}"
        for module in pkgutil.iter_modules(core.mm.__path__)
        for name, value in vars(importlib.import_module(f"core.mm.{module.name}")).items()
        if inspect.iscoroutinefunction(inspect.unwrap(value))
        and value.__module__ == f"core.mm.{module.name}"
        and not name.startswith("_")
    }
    assert found == EXPLORED.keys() | ELSEWHERE.keys()
    assert not EXPLORED.keys() & ELSEWHERE.keys()


def plain(name: str) -> str:
    """An operation's name without what it is applied to: 'lock ptl[#]', 'put_page'."""
    return re.sub(r"\b(page|CPU|T)?-?\d+\b", "#", re.sub(r"\(.*?\)", "", name)).strip()


def is_left_out(name: str, what: str) -> bool:
    name = plain(name)
    if what == "flush":
        return name.startswith(FLUSH)
    if what.startswith("both "):
        return name in {f"{way} {what[5:]}" for way in ("lock", "trylock", "unlock")}
    return name == what


def leaving_out(function: Program, what: str) -> Program:
    """`function` without the operations `what`."""

    @wraps(function)
    async def without(*args: Any, **kwargs: Any) -> Any:
        async def do(op: Op) -> Any:
            return None if is_left_out(op.name, what) else await op

        return await doing(function(*args, **kwargs), do)

    return without


def put_in_place(patch: pytest.MonkeyPatch, old: Program, new: Program) -> None:
    """Whoever has imported `old` runs `new`."""
    assert list(modules())  # one that is imported later would keep what is in place then
    for module in [m for name, m in sys.modules.items() if name.startswith(("core.", "arch_plugins"))]:
        for name, value in list(vars(module).items()):
            if value is old:
                patch.setattr(module, name, new)
            elif isinstance(value, dict):
                for key in [key for key, one in value.items() if one is old]:
                    patch.setitem(value, key, new)


def judged(scenario: str, plugin: str = SMP) -> Result:
    name, _, era = scenario.partition("@")
    return judge(set_up("mutant", load_object(plugin), plugin), ERAS[era or "6.12"], SCENARIOS[name])


@pytest.mark.slow
@pytest.mark.parametrize("function", sorted(EXPLORED))
def test_a_function_that_leaves_something_out_is_found(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, what, violated = EXPLORED[function]
    module, name = function.split(":")
    original = getattr(importlib.import_module(f"core.mm.{module}"), name)
    put_in_place(monkeypatch, original, leaving_out(original, what))
    result = judged(scenario)
    assert (result.verdict, result.violated) == ("fail", violated)


def test_what_is_left_out_is_there_otherwise() -> None:
    """The scenarios pass as they are."""
    assert {judged(scenario).verdict for scenario in ("use-after-free", "exec-stack", "collapse-copies")} == {"pass"}


# ---- other mistakes ------------------------------------------------------------------------------------------


async def always_suitable(page: int) -> None:
    """Neither references nor mappings, as many of the one as of the other."""


def test_a_collapse_that_counts_no_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(khugepaged, "folio_ref_count", always_suitable)
    monkeypatch.setattr(khugepaged, "folio_mapcount", always_suitable)
    assert judged("collapse-gup").violated == "store-after-copy of newer[0]"


async def young_by_load_and_store(mm: Mm, addr: int) -> bool:
    pmd = await huge_memory.pmdp_get(mm, addr)
    await huge_memory.set_pmd_at(mm, addr, pmd)
    return True


def test_a_huge_entry_that_is_made_old_by_a_load_and_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_memory, "pmdp_test_and_clear_young", young_by_load_and_store)
    assert judged("huge-cold", "arch_plugins.x86:X86").violated == "no-lost-dirty"


def nothing(*args: object) -> None:
    pass


def test_a_huge_page_that_is_freed_lazily_without_any_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    original = huge_memory.madvise_free_huge_pmd
    put_in_place(monkeypatch, original, leaving_out(original, "flush"))
    assert judged("huge-free").verdict == "pass", "the gather flushes too"
    monkeypatch.setattr(huge_memory, "tlb_flush_pmd_range", nothing)
    assert judged("huge-free").violated == "no-lost-dirty"


async def stays_as_it_is(mm: Mm, addr: int) -> Any:
    """pmdp_invalidate() that only reads."""

    def step(pmd: Any) -> list[Outcome]:
        return [Outcome(pmd)]

    read = huge_memory.pmdp_get(mm, addr)
    return await Op(read.name, read.reads, (), step, order=read.order)


def test_a_split_that_leaves_the_huge_entry_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    import arch_plugins.generic

    monkeypatch.setattr(arch_plugins.generic, "establish_invalid_pmd", stays_as_it_is)
    assert judged("huge-split-anon").verdict == "fail"


async def no_sync(mm: Mm) -> None:
    pass


def test_a_table_that_is_freed_at_once_without_its_sync_ipi(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.mm import mmu_gather

    put_in_place(monkeypatch, mmu_gather.tlb_remove_table_sync_one, no_sync)
    assert judged("gup-fast", ARM64).violated == "gup-in-freed-table"
