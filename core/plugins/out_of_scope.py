"""Override points of Linux 6.12 to 7.0 that are no hooks of core.hookspecs."""

from __future__ import annotations

OUT_OF_SCOPE = {
    "init_new_context": "no model creates an mm; what it would set up is in `cells_on_mm` and in `declare`",
    "flush_tlb_kernel_range": "the models have no mappings of the kernel; a scenario of your own can have them",
    "flush_tlb_all": "as flush_tlb_kernel_range",
    "flush_tlb_fix_spurious_fault": "a fault drops the entry that it went through: no CPU faults on a stale one twice",
    "update_mmu_cache": "the refill handlers of the models read the page table, and preload nothing",
    "p4d_free_tlb": "no model has p4d tables",
    "pudp_huge_get_and_clear_full": "no model has huge pages of pud size",
    "pudp_invalidate": "no model has huge pages of pud size",
    "pmdp_invalidate_ad": "`pmdp_invalidate` is the hook for both",
    "pmdp_set_wrprotect": "fork() of huge pages is not modelled",
    "pmdp_test_and_clear_young": "aging of huge pages is not modelled",
    "pmdp_clear_flush_young": "aging of huge pages is not modelled",
    "huge_ptep_clear_flush": "copy on write of hugetlb pages is not modelled",
    "huge_ptep_set_wrprotect": "fork() of hugetlb pages is not modelled",
    "flush_hugetlb_tlb_range": "mprotect() of hugetlb pages is not modelled",
    "clear_full_ptes": "`get_and_clear_full_ptes` is the hook for both: the zap looks at what it has cleared",
    "get_and_clear_ptes": "`get_and_clear_full_ptes` is the hook, with `full` false",
    "tlb_remove_table": "`pte_free_tlb` and its likes say what becomes of a table",
    "arch_free_page": "what is done to a page that is free concerns no translation",
    "arch_prepare_to_switch": "`leave_mm` and `switch_to` are the two sides of a switch",
    "exit_to_user_mode": "user code is atomic steps: a CPU that acts before it returns to it does so in `switch_mm`",
}
"""By the kernel's name: why it is no hook. A plugin that defines one is told."""
