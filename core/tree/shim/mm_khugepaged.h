/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mm/khugepaged.c: a huge page takes the place of small ones, or of an empty table.
 *
 * What is looked up with mmap_lock held for reading is looked up again with it held for writing, so it begins there: the
 * area is the driver's.  No folio of the table is large, so that no list of them is ever filled.
 */
#pragma once

struct collapse_control { bool is_khugepaged; struct vm_area_struct *vma; };
struct address_space { struct vm_area_struct *vma; };
typedef unsigned long pgoff_t;
#define mmap_read_lock(mm) ((void)0)
#define mmap_read_unlock(mm) ((void)0)
#define mmap_write_lock(mm) OP("mmap_write_lock")
#define mmap_write_trylock(mm) ((bool)OP("mmap_write_trylock"))
#define mmap_write_unlock(mm) OP("mmap_write_unlock")
#define vma_start_write(vma) OP("vma_start_write")
#define anon_vma_lock_write(anon_vma) OP("take_rmap_locks")
#define anon_vma_unlock_write(anon_vma) OP("drop_rmap_locks")
#define i_mmap_lock_read(mapping) OP("take_rmap_locks")
#define i_mmap_unlock_read(mapping) OP("drop_rmap_locks")
#define i_mmap_lock_write(mapping) OP("take_rmap_locks")
#define i_mmap_unlock_write(mapping) OP("drop_rmap_locks")
#define hugepage_vma_revalidate(mm, address, expect_anon, vmap, cc) (*(vmap) = (cc)->vma, SCAN_SUCCEED)
#define vma_interval_tree_foreach(vma, root, first, last) \
	for ((vma) = OP("vma_interval_tree_foreach") ? mapping->vma : NULL; (vma); (vma) = NULL)
#define hpage_collapse_test_exit(mm) 0
#define khugepaged_max_ptes_none HPAGE_PMD_NR
#define khugepaged_max_ptes_shared HPAGE_PMD_NR
#define __collapse_huge_page_swapin(...) SCAN_SUCCEED

/* ---- tables ---- */

#define mm_find_pmd(mm, address) pmd_offset(NULL, address)
#define pgtable_trans_huge_deposit(mm, pmd, table) ((void)(table))
#define pte_free_defer(mm, table) ((void)(table), OP("pte_free_defer"))
#define mm_dec_nr_ptes(mm) ((void)0)
#define page_table_check_pte_clear_range(mm, address, pmd) ((void)0)
#define pmdp_get_lockless_sync() ((void)0)
#define khugepaged_add_pte_mapped_thp(mm, address) ((void)0)
#define set_huge_pmd(vma, address, pmd, page) SCAN_SUCCEED

/* ---- the huge page ---- */

#define alloc_charge_folio(foliop, mm, cc) (*(foliop) = page_folio(NEW_PAGE), SCAN_SUCCEED)
#define alloc_charge_hpage(pagep, mm, cc) (*(pagep) = NEW_PAGE, SCAN_SUCCEED)
#define mem_cgroup_uncharge(folio) ((void)0)
#define mk_huge_pmd(page, protection) HUGE_PMD(U_HUGE)
#define pmd_mkdirty(entry) HUGE_PMD((entry).pmd | U_DIRTY)
#define maybe_pmd_mkwrite(entry, vma) HUGE_PMD((entry).pmd | U_WRITE)
#define update_mmu_cache_pmd(vma, address, pmd) ((void)0)
#define deferred_split_folio(folio, partially_mapped) ((void)0)

/* ---- small pages; what is counted of them, and how they are isolated, is in mm_khugepaged_pages.h ---- */

#define list_for_each_entry(at, list, member) for ((at) = NULL; (at);)
#define list_for_each_entry_safe(at, next, list, member) for ((at) = NULL; (at);)
#define list_add_tail(entry, list) ((void)0)
#define list_del(entry) ((void)0)
#define pfn_folio(pfn) page_folio(PAGE)
#define compound_head(page) (page)
#define compound_nr(page) 1
#define folio_test_private(folio) 0
#define copy_mc_user_highpage(to, from, address, vma) ((void)(to), (void)(from), OP("copy_page"), 0)
#define copy_user_highpage(to, from, address, vma) ((void)(to), (void)(from), OP("copy_page"))
#define clear_user_highpage(page, address) ((void)0)
#define folio_test_locked(folio) 1
#define PageLocked(page) 1
#define folio_test_young(folio) 1
#define page_is_young(page) 1
#define PageReferenced(page) 1
#define mmu_notifier_test_young(mm, address) 1
#define node_stat_mod_folio(...) ((void)0)
#define node_stat_sub_folio(...) ((void)0)
#define mod_node_page_state(...) ((void)0)
