/* SPDX-License-Identifier: GPL-2.0-only */
/* For mm/madvise.c alone: elsewhere a folio has one page, whose mappings nobody counts, and a split is of a huge page. */
#pragma once

#undef folio_nr_pages
#undef folio_mapcount
#undef page_mapcount
#undef split_folio
#undef split_huge_page
#define folio_nr_pages(folio) ((int)OP("folio_nr_pages"))
#define folio_mapcount(folio) ((int)OP("mapcount_of_folio"))
#define page_mapcount(page) ((int)OP("folio_mapcount"))
#define folio_estimated_sharers(folio) ((int)OP("mapcount_of_first"))
#define split_folio(folio) (OP("split_folio"), 0)
#define split_huge_page(page) split_folio(page)
/* 6.1 asks whether it is the task's own mm, to count its pages. */
#undef current
#define current (&(struct { struct mm_struct *mm; }){ 0 })
