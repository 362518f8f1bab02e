/* SPDX-License-Identifier: GPL-2.0-only */
/* Pages: C has one at a time, PAGE, or its folio; the model knows which it is. */
#pragma once

#define PAGE_BASE 0x200000800000UL
#define PAGE ((struct page *)PAGE_BASE)
#define vm_normal_page(vma, address, entry) (OP("vm_normal_page") ? PAGE : NULL)
#define folio_test_anon(folio) ((bool)OP("folio_test_anon"))
#define PageAnon(page) ((bool)OP("folio_test_anon"))
#define folio_test_large(folio) ((bool)OP("folio_test_large"))
#define folio_test_pmd_mappable(folio) 0
#define folio_mark_dirty(folio) OP("folio_mark_dirty")
#define set_page_dirty(page) OP("folio_mark_dirty")
#define folio_mark_accessed(folio) ((void)0)
#define mark_page_accessed(page) ((void)0)
#define vma_has_recency(vma) 1
#define VM_SEQ_READ 0
#define print_bad_pte(vma, address, entry, page) ((void)0)
#define folio_maybe_dma_pinned(folio) 0
#define folio_likely_mapped_shared(folio) ((bool)OP("folio_likely_mapped_shared"))
#define vm_normal_folio(vma, address, entry) page_folio(vm_normal_page(vma, address, entry))
#define folio_is_zone_device(folio) 0
#define is_zone_device_page(page) 0
#define folio_test_ksm(folio) 0
#define PageKsm(page) 0
#define folio_is_file_lru(folio) (!folio_test_anon(folio))
#define page_is_file_lru(page) (!PageAnon(page))
#define folio_test_dirty(folio) ((bool)OP("folio_test_dirty"))
#define PageDirty(page) ((bool)OP("folio_test_dirty"))
#define folio_pfn(folio) 0
#define folio_page(folio, number) PAGE
#define folio_nr_pages(folio) 1
#define folio_order(folio) 0
#define page_to_pfn(page) E_MIGRATION
#define folio_is_device_private(folio) 0
#define folio_test_hugetlb(folio) 0
#define PageAnonExclusive(page) 0
#define PageHWPoison(page) 0
#define is_device_private_page(page) 0
#define compound_order(page) 0
#define PageHead(page) 1
#define folio_set_dirty(folio) OP("folio_mark_dirty")
#define folio_test_referenced(folio) 1
#define folio_set_referenced(folio) ((void)0)

/* ---- references and mappings ---- */

#define folio_mapcount(folio) 0
#define page_mapcount(page) 0
#define folio_put(folio) OP1("folio_put", (void *)(folio) == (void *)NEW_PAGE)
#define put_page(page) folio_put(page)
#define folio_remove_rmap_ptes(folio, page, nr, vma) OP1("folio_remove_rmap_ptes", nr)
#define folio_remove_rmap_pte(folio, page, vma) OP1("folio_remove_rmap_ptes", 1)
#define folio_remove_rmap_pmd(folio, page, vma) OP("folio_remove_rmap_pmd")
#define page_remove_rmap(page, vma, compound) \
	((compound) ? OP("folio_remove_rmap_pmd") : OP1("folio_remove_rmap_ptes", 1))
#define page_count(page) 1
#define folio_ref_count(folio) ((int)OP("folio_ref_count"))
#define folio_get(folio) OP1("folio_ref_add", 1)
#define get_page(page) OP1("folio_ref_add", 1)
#define folio_ref_add(folio, nr) OP1("folio_ref_add", nr)
#define folio_ref_sub(folio, nr) ((void)0)
#define folio_add_anon_rmap_pte(folio, page, vma, address, flags) OP1("inc_mapcount", 1)
#define page_add_anon_rmap(page, vma, address, flags) OP1("inc_mapcount", 1)
#define folio_add_file_rmap_pte(folio, page, vma) OP1("inc_mapcount", 1)
#define page_add_file_rmap(page, vma, compound) OP1("inc_mapcount", 1)
#define folio_add_anon_rmap_ptes(folio, page, nr, vma, address, flags) OP1("inc_mapcount", nr)
#define folio_try_share_anon_rmap_pmd(folio, page) 0

/* ---- swap ---- */

#define pfn_swap_entry_to_page(entry) PAGE
#define pfn_swap_entry_folio(entry) page_folio(PAGE)
#define free_swap_and_cache(entry) (OP1("free_swap_and_cache", 1), 1)
#define free_swap_and_cache_nr(entry, nr) OP1("free_swap_and_cache", nr)
#define folio_test_swapcache(folio) ((bool)OP("folio_test_swapcache"))
#define swap_duplicate(entry) (OP("swap_duplicate"), 0)
#define swap_free(entry) ((void)0)
#define folio_test_swapbacked(folio) ((bool)OP("folio_test_swapbacked"))
#define folio_set_swapbacked(folio) OP("folio_set_swapbacked")

/* Counts of an mm's pages, which no model has: forgotten before each change, so that they do not tell states apart. */
#define NR_MM_COUNTERS 1
#define MM_FILEPAGES (rss[0] = 0, 0)
#define MM_ANONPAGES MM_FILEPAGES
#define MM_SWAPENTS MM_FILEPAGES
#define mm_counter(folio) MM_FILEPAGES
#define init_rss_vec(rss) ((rss)[0] = 0)
#define add_mm_rss_vec(mm, rss) ((void)(rss))
#define mm_counter_file(folio) MM_FILEPAGES
#define add_mm_counter(mm, counter, by) ((void)0)
#define update_hiwater_rss(mm) ((void)0)
#define dec_mm_counter(mm, counter) ((void)0)
#define inc_mm_counter(mm, counter) ((void)0)
