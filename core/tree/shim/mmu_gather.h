/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mm/mmu_gather.c and include/asm-generic/tlb.h of generic SMP: what they call is an operation of the model's own text.
 *
 * tlb_flush() is the architecture's.  Before it, and at the end, the gather is said whole: gathered() in the driver.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 5
#define CONFIG_MMU_GATHER_TABLE_FREE 1
#define CONFIG_MMU_GATHER_RCU_TABLE_FREE 1
#define PMD_SHIFT 21
#include "mm.h"
#undef BUILD_BUG_ON
#define BUILD_BUG_ON(condition) ((void)0) /* encode_page() has one that needs the optimiser */
#undef free_page
#undef free_pages_and_swap_cache

typedef struct { int unused; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
struct mmu_gather;
void gathered(struct mmu_gather *tlb);
void free_table_later(struct mmu_gather *tlb);
void flush_tlb_mm(struct mm_struct *mm);
void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
void tlb_remove_table_sync_one(void);

#define hstate_vma(vma) (&hstate)
static struct hstate hstate __attribute__((section("rt_const")));
#define CONSTANT __attribute__((section("rt_const")))
extern u64 rt_arguments[];
#define NEEDS_INVALIDATE (rt_arguments[0] & 1)
#define RUNS (rt_arguments[0] & 8)
#define INIT_ON_FREE (rt_arguments[0] & 2)
#define CONFIG_MMU_GATHER_MERGE_VMAS (rt_arguments[0] & 4)
#undef IS_ENABLED
#define IS_ENABLED(option) ((option) != 0)
#define tlb_needs_table_invalidate() NEEDS_INVALIDATE
#define page_poisoning_enabled_static() 0
#define want_init_on_free() (INIT_ON_FREE != 0)
#define tlb_flush(tlb) ({ gathered(tlb); OP("tlb_flush"); })

#define __get_free_page(flags) (OP("alloc_page") ? (u64)rt_alloc(PAGE_SIZE) : 0)
#define __get_free_pages(flags, order) __get_free_page(flags)
#define free_page(address) OP("free_table_batch")
#define free_pages(address, order) OP("free_batch")
#define call_rcu(head, function) ({                                                        \
	const struct mmu_table_batch *_batch = container_of(head, struct mmu_table_batch, rcu); \
	(void)(function);                                                                  \
	for (unsigned int _i = 0; _i < _batch->nr; _i++)                                   \
		OP1("table", _batch->tables[_i]);                                          \
	OP("call_rcu"); })
#define __tlb_remove_table(table) OP1("tlb_remove_table", table)
#undef smp_call_function
/* Behind a call that does not wait nothing is certain. */
#define smp_call_function(function, info, wait) ({ (void)(function); (wait) ? OP("sync_one") : 0; })
#define kmsan_unpoison_memory(p, size) ((void)0)
#define cond_resched() OP("cond_resched")
#define folio_remove_rmap_ptes(folio, page, nr, vma) OP2("remove_rmap", page, nr)
#define page_remove_rmap(page, vma, compound) OP2("remove_rmap", page, 1)
#define free_pages_and_swap_cache(pages, nr)                                            \
	({                                                                              \
		for (unsigned int _i = 0; _i < (nr); _i++)                              \
			OP1("free_slot", (pages)[_i]);                                  \
		OP1("free_pages_and_swap_cache", nr);                                   \
	})

#define __pte_free_tlb(tlb, table, address) free_table_later(tlb)
#define __pmd_free_tlb(tlb, table, address) free_table_later(tlb)
#define __pud_free_tlb(tlb, table, address) free_table_later(tlb)

#include <linux/mm_inline.h>
#if KVER >= 612
#include <linux/mm_types.h>
#endif
#include <asm/tlb.h>

/* The sizes of batches are those of the model; where workloads are counted (RUNS), the tree's own. */
enum { OWN_BATCH = MAX_GATHER_BATCH, OWN_BATCHES = MAX_GATHER_BATCH_COUNT, OWN_TABLES = MAX_TABLE_BATCH };
#undef MAX_GATHER_BATCH
#undef MAX_GATHER_BATCH_COUNT
#undef MAX_TABLE_BATCH
#undef ARRAY_SIZE
#define ARRAY_SIZE(pages) (RUNS ? MMU_GATHER_BUNDLE : rt_arguments[1]) /* of mmu_gather.__pages, in __tlb_gather_mmu() */
#define MAX_GATHER_BATCH (RUNS ? OWN_BATCH : rt_arguments[2])
#define MAX_GATHER_BATCH_COUNT (RUNS ? OWN_BATCHES : rt_arguments[3])
#define MAX_TABLE_BATCH (RUNS ? OWN_TABLES : rt_arguments[4])
#define MAX_NR_FOLIOS_PER_FREE (RUNS ? OWN_FOLIOS_PER_FREE : rt_arguments[5])
