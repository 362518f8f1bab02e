/* SPDX-License-Identifier: GPL-2.0-only */
/* mm/migrate.c: a page takes the place of another.  mm/migrate_device.c: the entries of a range are replaced for a device. */
#pragma once

struct rmap_walk_arg { struct folio *folio; bool map_unused_to_zeropage; };
typedef int rmap_t;
enum { RMAP_NONE, RMAP_EXCLUSIVE };
#define linear_page_index(vma, address) 0
#define try_to_map_unused_to_zeropage(...) 0
#define remove_migration_pmd(walk, page) ((void)0)
#define trace_remove_migration_pte(...) ((void)0)

struct dev_pagemap { void *owner; };
struct migrate_vma {
	struct vm_area_struct *vma;
	unsigned long *dst, *src, cpages, npages;
	void *pgmap_owner;
	unsigned long flags;
};
struct mm_walk { struct vm_area_struct *vma; void *private; };
enum { MIGRATE_PFN_VALID = 1, MIGRATE_PFN_MIGRATE = 2, MIGRATE_PFN_WRITE = 8 };
enum { MIGRATE_VMA_SELECT_SYSTEM = 1, MIGRATE_VMA_SELECT_DEVICE_PRIVATE = 2, MIGRATE_VMA_SELECT_DEVICE_COHERENT = 4 };
#define migrate_pfn(pfn) MIGRATE_PFN_VALID
#define migrate_vma_collect_hole(start, end, depth, walk) 0
#define migrate_vma_collect_skip(start, end, walk) 0
#define split_huge_page(page) (OP1("split_huge_pmd", 0), 1)
#define split_folio(folio) split_huge_page(folio)
#define is_huge_zero_folio(folio) ((bool)OP("is_huge_zero_pmd"))
#define is_huge_zero_page(page) ((bool)OP("is_huge_zero_pmd"))
#define trylock_page(page) ((bool)OP("folio_trylock"))
#define is_device_coherent_page(page) 0
#define PageTransCompound(page) ((bool)OP("folio_test_large"))
