/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mm/madvise.c: MADV_FREE, MADV_COLD and MADV_PAGEOUT of the entries of one table.
 *
 * A folio is that of the entry that was read last, and stays so until another is read, also if it is split.
 */
#pragma once

#define fatal_signal_pending(task) 0
#define EINTR 4
#define can_do_file_pageout(vma) 1
#define pmd_trans_huge_lock(pmd, vma) (pmd_trans_huge(*(pmd)) ? __pmd_trans_huge_lock(pmd, vma) : NULL)
/* No range has so many entries: those that were looked at are forgotten, so that they do not tell states apart. */
#define SWAP_CLUSTER_MAX ({ batch_count = 0; 32; })
#define LIST_HEAD(name) struct list_head name

/* ---- entries ---- */

typedef unsigned int cydp_t;
enum { CYDP_CLEAR_YOUNG = 1, CYDP_CLEAR_DIRTY = 2 };
#define set_pte(ptep, entry) OP2("set_pte_at", NUMBER(ptep), pte_val(entry))
#define pmd_mkold(entry) (entry)
#define pmdp_test_and_clear_young(vma, address, pmdp) \
	((bool)OP1("pmdp_test_and_clear_young", (address) >> PAGE_SHIFT))

/* ---- folios; what they are made of is in mm_madvise_folios.h ---- */

#define folio_clear_dirty(folio) OP("folio_clear_dirty")
#define ClearPageDirty(page) OP("folio_clear_dirty")
#define folio_mark_lazyfree(folio) OP("folio_mark_lazyfree")
#define mark_page_lazyfree(page) OP("folio_mark_lazyfree")
#define PageLRU(page) ((bool)OP("folio_test_lru"))
#define folio_isolate_lru(folio) ((bool)OP("folio_isolate_lru"))
#define isolate_lru_page(page) (!OP("folio_isolate_lru"))
#define reclaim_pages(list) OP("reclaim_pages")

/* ---- what no model has: used or not, active, unevictable ---- */

#define folio_clear_referenced(folio) ((void)0)
#define folio_test_clear_young(folio) ((void)0)
#define folio_test_active(folio) 0
#define folio_set_workingset(folio) ((void)0)
#define folio_test_unevictable(folio) 0
#define folio_putback_lru(folio) ((void)0)
#define folio_deactivate(folio) ((void)0)
#define ClearPageReferenced(page) ((void)0)
#define test_and_clear_page_young(page) ((void)0)
#define PageUnevictable(page) 0
#define putback_lru_page(page) ((void)0)
#define deactivate_page(page) ((void)0)
#define sync_mm_rss(mm) ((void)0)
