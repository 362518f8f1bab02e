/* SPDX-License-Identifier: GPL-2.0-only */
/* For mm/khugepaged.c alone: elsewhere references are not counted, and who isolates a folio asks whether it is on a list. */
#pragma once

#undef folio_nr_pages
#undef folio_mapcount
#undef page_mapcount
#undef page_count
#undef folio_isolate_lru
#undef isolate_lru_page
#undef folio_putback_lru
#undef putback_lru_page
#undef PageLRU
#undef free_page_and_swap_cache
#define folio_nr_pages(folio) 1
#define folio_mapcount(folio) ((int)OP("folio_mapcount"))
#define total_mapcount(page) folio_mapcount(page)
#define page_mapcount(page) 0
#define page_count(page) folio_ref_count(page)
#define PageSwapCache(page) folio_test_swapcache(page)
#define folio_isolate_lru(folio) ((bool)OP("take_off_lru"))
#define isolate_lru_page(page) (!OP("take_off_lru"))
#define folio_putback_lru(folio) folio_put(folio)
#define putback_lru_page(page) folio_put(page)
#define PageLRU(page) 0
#define free_page_and_swap_cache(page) folio_put(page)
