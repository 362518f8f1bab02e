/* SPDX-License-Identifier: GPL-2.0-only */
/* mm/rmap.c: a walk over the mappings of one page, each of which is found with its table locked. */
#pragma once

struct page_vma_mapped_walk {
	struct vm_area_struct *vma;
	unsigned long address;
	pte_t *pte;
	pmd_t *pmd;
	unsigned long flags, pgoff;
};
#define DEFINE_FOLIO_VMA_WALK(name, folio, vma_, address_, flags_) \
	struct page_vma_mapped_walk name = { .vma = (vma_), .address = (address_), .flags = (flags_) }
/* It finds the one mapping; asked again it finds no other, and unlocks the table. */
#define page_vma_mapped_walk(walk)                                                                  \
	((walk)->pte ? (page_vma_mapped_walk_done(walk), false)                                     \
		     : OP1("page_vma_mapped_walk", (walk)->flags) ? ((walk)->pte = ENTRY((walk)->address), true) : false)
#define page_vma_mapped_walk_done(walk) ((walk)->pte = NULL, (void)OP("page_vma_mapped_walk_done"))
#define page_vma_mapped_walk_restart(walk) ((void)0)
#define vma_address_end(walk) ((walk)->address + PAGE_SIZE)
#define PVMW_SYNC 1
#define PVMW_MIGRATION 2

enum ttu_flags {
	TTU_SPLIT_HUGE_PMD = 4, TTU_IGNORE_MLOCK = 8, TTU_SYNC = 0x10, TTU_HWPOISON = 0x20, TTU_BATCH_FLUSH = 0x40,
	TTU_RMAP_LOCKED = 0x80,
};
#define folio_try_share_anon_rmap_pte(folio, page) 0
#define page_try_share_anon_rmap(page) 0
#define hugetlb_try_share_anon_rmap(folio) 0
#define mlock_vma_folio(folio, ...) ((void)0)
#define mlock_drain_local() ((void)0)
#define mlock_page_drain_local() ((void)0)
#define arch_unmap_one(mm, vma, address, entry) 0
#define list_empty(list) 0
#define list_add(entry, list) ((void)0)
static spinlock_t mmlist_lock;
#define set_pmd_migration_entry(walk, page) 0
#define trace_set_migration_pte(...) ((void)0)

/* ---- pages of hugetlb, of which no model unmaps one by the reverse map (folio_test_hugetlb()) ---- */

#define huge_ptep_clear_flush(...) __pte(0)
#define hugetlb_vma_trylock_write(vma) 1
#define tlb_gather_mmu_vma(tlb, vma) ((void)0)
#define tlb_finish_mmu(tlb) ((void)0)

/* ---- flushes that are put off ---- */

#define arch_tlbbatch_add_pending(batch, mm, address) OP("arch_tlbbatch_add_pending")
#define arch_tlbbatch_add_mm(batch, mm) OP("arch_tlbbatch_add_pending")
#define arch_tlbbatch_flush(batch) OP("arch_tlbbatch_flush")
#define arch_flush_tlb_batched_pending(mm) OP("arch_flush_tlb_batched_pending")
#define should_defer_flush(mm, flags) (((flags) & TTU_BATCH_FLUSH) && OP("should_defer_flush"))
