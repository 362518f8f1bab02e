"""Which functions of mm/ a tree's unit is made of, by name, of each file."""

from __future__ import annotations

from core.tree.manifest import GENERIC_GATHER, Manifest, Source, Version, names_in

PGTABLE_H = """
    #pmd_addr_end #pud_addr_end #p4d_addr_end p4d_none_or_clear_bad pud_none_or_clear_bad
    ?pmd_none_or_trans_huge_or_clear_bad ?clear_young_dirty_ptes
    """

MEMORY_C = """
    should_zap_cows ?should_zap_page ?should_zap_folio zap_drop_file_uffd_wp zap_install_uffd_wp_if_needed
    copy_nonpresent_pte ?__copy_present_ptes ?copy_present_pte ?copy_present_ptes copy_pte_range ?zap_present_folio_ptes
    ?zap_present_ptes zap_pte_range zap_pmd_range zap_pud_range zap_p4d_range unmap_page_range
    fault_dirty_shared_page wp_page_reuse ?vmf_can_call_fault wp_page_copy finish_mkwrite_fault wp_pfn_shared
    wp_page_shared ?wp_can_reuse_anon_folio do_wp_page ?numa_migrate_prep ?numa_migrate_check
    ?numa_rebuild_single_mapping do_numa_page ?vmf_pte_changed pmd_install __pte_alloc do_anonymous_page
    handle_pte_fault
    """

MPROTECT_C = """
    change_pte_range ?pmd_none_or_clear_bad_unless_trans_huge change_pmd_range change_pud_range change_p4d_range
    change_protection_range
    """

MREMAP_C = """
    get_old_pud get_old_pmd move_soft_dirty_pte move_ptes move_normal_pmd@0 get_extent move_pgt_entry move_page_tables
    """

HUGE_MEMORY_C = "__pmd_trans_huge_lock zap_huge_pmd change_huge_pmd madvise_free_huge_pmd"

SPLIT, SPLITS_BY_FOLIO = ("__split_huge_pmd_locked",), (6, 9)
"""Before, each part is mapped and counted by itself, which the text does not do."""

HUGETLB_C = """
    hugetlb_mask_last_page@0 huge_pte_offset __unmap_hugepage_range __huge_pmd_unshare@0 huge_pmd_unshare@0
    huge_pmd_unshare_flush@0
    """

KHUGEPAGED_C = """
    ;scan_result ?pte_none_or_zero ?release_pte_page ?release_pte_folio release_pte_pages is_refcount_suitable
    __collapse_huge_page_isolate ?__collapse_huge_page_copy_succeeded ?__collapse_huge_page_copy_failed
    __collapse_huge_page_copy find_pmd_or_thp_or_none check_pmd_still_valid collapse_huge_page
    ?collapse_and_free_pmd retract_page_tables
    """

TLB_H = "tlb_unshare_pmd_ptdesc tlb_flush_unshared_tables #tlb_remove_huge_tlb_entry"

RMAP_C = """
    #TLB_FLUSH_BATCH_\\w+ flush_tlb_batched_pending set_tlb_ubc_flush_pending@0 try_to_unmap_flush@0
    try_to_unmap_flush_dirty@0 page_vma_mkclean_one try_to_unmap_one try_to_migrate_one
    """

PGTABLE_GENERIC_C = """
    ptep_clear_flush ptep_clear_flush_young pmdp_collapse_flush pmdp_huge_clear_flush pmdp_invalidate
    """


MISSING_ENDS, MISSING_BY_NAME = (("return do_anonymous_page(vmf);", "return other_fault(vmf);"),), (6, 4)
"""A fault of handle_pte_fault() that finds nothing ends there: since then that is do_pte_missing()."""

READ_MAPCOUNT = (("map_count = folio_mapcount(folio);", 'map_count = OP("folio_mapcount");'),)
"""Elsewhere it is only tested for being negative, which removing a mapping does by itself."""

MADVISE_C = "?madvise_folio_pte_batch madvise_free_pte_range madvise_cold_or_pageout_pte_range"


def manifest(version: Version) -> Manifest:
    """By name, of each file."""
    return Manifest(
        (
            Source("include/linux/pgtable.h", keep=names_in(PGTABLE_H)),
            Source("include/linux/hugetlb.h", keep=("?hugetlb_walk",)),
            Source(GENERIC_GATHER, keep=names_in(TLB_H)),
            Source("mm/pgtable-generic.c", keep=names_in(PGTABLE_GENERIC_C)),
            Source("mm/migrate.c", keep=("remove_migration_pte",)),
            Source("mm/migrate_device.c", keep=("migrate_vma_collect_pmd",)),
            Source(
                "mm/huge_memory.c",
                keep=(*names_in(HUGE_MEMORY_C), *(SPLIT if version >= SPLITS_BY_FOLIO else ())),
            ),
            Source("mm/hugetlb.c", keep=names_in(HUGETLB_C)),
            Source("mm/rmap.c", keep=names_in(RMAP_C), replace=READ_MAPCOUNT),
            Source("mm/memory.c", keep=names_in(MEMORY_C), replace=() if version >= MISSING_BY_NAME else MISSING_ENDS),
            Source("mm/mprotect.c", keep=names_in(MPROTECT_C)),
            Source("mm/mremap.c", keep=names_in(MREMAP_C)),
            Source(
                "mm/madvise.c", keep=("struct madvise_walk_private", *names_in(MADVISE_C)), before="mm_madvise_folios.h"
            ),
            Source("mm/khugepaged.c", keep=names_in(KHUGEPAGED_C), before="mm_khugepaged_pages.h"),
        ),
        "generic_mm.h",
        "generic_mm.c",
    )
