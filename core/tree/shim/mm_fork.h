/* SPDX-License-Identifier: GPL-2.0-only */
/* mm/memory.c: the entries of a fork's child are others, and its table is never its parent's. */
#pragma once

#define CHILD_ENTRY(address) (ENTRY(address) + (1UL << 32))
#define pte_alloc_map_lock(mm, pmd, address, ptlp) \
	(OP1("lock_child", (address) >> PAGE_SHIFT), *(ptlp) = NULL, CHILD_ENTRY(address))
#define pte_swp_exclusive(entry) 0
#define pte_swp_clear_exclusive(entry) (entry)
#define try_restore_exclusive_pte(...) 0
typedef int pte_marker;
#define copy_pte_marker(entry, vma) 0
#define copy_present_page(...) 0
#define folio_try_dup_anon_rmap_pte(folio, page, vma) (OP1("inc_mapcount", 1), 0)
#define folio_try_dup_anon_rmap_ptes(folio, page, nr, vma) (OP1("inc_mapcount", nr), 0)
#define page_try_dup_anon_rmap(page, compound, vma) (OP1("inc_mapcount", 1), 0)
#define folio_dup_file_rmap_pte(folio, page) OP1("inc_mapcount", 1)
#define folio_dup_file_rmap_ptes(folio, page, nr) OP1("inc_mapcount", nr)
#define page_dup_file_rmap(page, compound) OP1("inc_mapcount", 1)
#define vma_soft_dirty_enabled(vma) 0
#define page_copy_prealloc(...) NULL
#define add_swap_count_continuation(entry, flags) 0
