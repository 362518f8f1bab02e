"""Each override point of the kernel that changes an entry, flushes, frees or switches is a hook, or said to be none."""

from __future__ import annotations

import pytest

from core.hookspecs import SPECS
from core.plugins.out_of_scope import OUT_OF_SCOPE

ENTRIES = """
    ptep_get ptep_get_lockless set_ptes ptep_set_access_flags ptep_set_wrprotect wrprotect_ptes ptep_clear_flush
    ptep_test_and_clear_young ptep_clear_flush_young clear_flush_young_ptes clear_young_dirty_ptes ptep_get_and_clear
    get_and_clear_full_ptes get_and_clear_ptes clear_full_ptes clear_not_present_full_ptes move_pte
    ptep_modify_prot_start ptep_modify_prot_commit pte_needs_flush
"""
HUGE = """
    pmdp_get_lockless pmdp_set_access_flags pmdp_set_wrprotect pmdp_test_and_clear_young pmdp_clear_flush_young
    pmdp_huge_get_and_clear pmdp_huge_clear_flush pmdp_invalidate pmdp_invalidate_ad pmdp_collapse_flush
    huge_pmd_needs_flush flush_pmd_tlb_range pgtable_trans_huge_deposit pudp_huge_get_and_clear
    pudp_huge_get_and_clear_full pudp_invalidate pudp_set_wrprotect huge_ptep_get huge_pte_clear set_huge_pte_at
    huge_ptep_get_and_clear huge_ptep_clear_flush huge_ptep_set_access_flags huge_ptep_set_wrprotect
    flush_hugetlb_tlb_range
"""
FLUSHES = """
    tlb_start_vma tlb_end_vma tlb_flush tlb_remove_page tlb_remove_table tlb_remove_table_sync_one
    tlb_needs_table_invalidate tlb_delay_rmap __tlb_remove_tlb_entry pte_free_tlb pmd_free_tlb pud_free_tlb p4d_free_tlb
    flush_tlb_mm flush_tlb_range flush_tlb_page flush_tlb_kernel_range flush_tlb_all flush_tlb_fix_spurious_fault
    update_mmu_cache update_mmu_tlb_range arch_tlbbatch_should_defer arch_tlbbatch_add_pending arch_tlbbatch_flush
    arch_flush_tlb_batched_pending
"""
TASKS = """
    switch_mm activate_mm deactivate_mm enter_lazy_tlb arch_enter_lazy_mmu_mode arch_leave_lazy_mmu_mode
    arch_flush_lazy_mmu_mode arch_start_context_switch arch_end_context_switch arch_prepare_to_switch init_new_context
    destroy_context arch_dup_mmap arch_exit_mmap arch_alloc_page arch_free_page exit_to_user_mode enter_from_user_mode
    arch_check_zapped_pte arch_sync_kernel_mappings
"""
"""include/linux/pgtable.h, include/asm-generic/{tlb,hugetlb,mmu_context}.h and mm/ of 6.12, and what came up to 7.0.

What only says what a value is (pte_same(), pmd_leaf(), addresses, protections) is left out.
"""


@pytest.mark.parametrize("point", [*ENTRIES.split(), *HUGE.split(), *FLUSHES.split(), *TASKS.split()])
def test_an_override_point_is_a_hook_or_said_to_be_none(point: str) -> None:
    assert (point in SPECS) != (point in OUT_OF_SCOPE)


def test_a_reason_is_given_for_nothing_that_is_a_hook() -> None:
    assert not set(OUT_OF_SCOPE) & set(SPECS)
    assert all(OUT_OF_SCOPE.values())
