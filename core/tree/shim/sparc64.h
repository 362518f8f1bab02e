/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sparc64: entries that were cleared are queued on their CPU, and flushed by a cross call.
 *
 * The queue (tlb_batch) is one cell of the model, so its fields are asked for, and never kept by the thread.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_SPARC64 1
#define CONFIG_TRANSPARENT_HUGEPAGE 1
#define CONFIG_PGTABLE_LEVELS 4
#define CONFIG_MMU_GATHER_TABLE_FREE 1
#define CONFIG_MMU_GATHER_RCU_TABLE_FREE 1
#define CONFIG_MMU_GATHER_MERGE_VMAS 1
#define CONFIG_MMU_GATHER_NO_FLUSH_CACHE 1
#define PAGE_SHIFT 13
#define PMD_SHIFT 23
#define PUD_SHIFT 33
#define P4D_SHIFT 43
#define PTRS_PER_PTE 1024
#define init_mm (*(struct mm_struct *)0x200000003000UL)
/* Whose mm a CPU is on is asked each time. */
#define current (&(struct task_struct){                                          \
	.mm = OP("current->mm") ? (struct mm_struct *)0x200000001000UL : NULL,   \
	.active_mm = OP("current->active_mm") ? (struct mm_struct *)0x200000001000UL : NULL })
#include "mm.h"
/* What others do is shown before it is sent: as a CPU that is on the mm, and as one that is not. */
#define SHOW_CSD(csd)                                    \
	({                                               \
		for (int on = 1; on >= 0; on--) {        \
			OP1("handler", on);              \
			(csd)->func((csd)->info);        \
		}                                        \
		OP("handler end");                       \
	})
#include "smp_calls.h"
#define HPAGE_SIZE PMD_SIZE
#define HPAGE_MASK PMD_MASK
#define REAL_HPAGE_SHIFT 22
#define REAL_HPAGE_SIZE (1UL << REAL_HPAGE_SHIFT)
#define _PAGE_VALID (1UL << 63)
#define _PAGE_PMD_HUGE (1UL << 8)
#define pte_val(entry) ((entry).pte)
#define pmd_val(entry) ((entry).pmd)
#define __pte(value) ((pte_t){ (value) })
#define __pmd(value) ((pmd_t){ (value) })
#define pmd_none(entry) (!pmd_val(entry))
#define pmd_present(entry) (!!(pmd_val(entry) & _PAGE_VALID))
#define pmd_trans_huge(entry) (!!(pmd_val(entry) & _PAGE_PMD_HUGE))
#define pmd_page(entry) ((struct page *)0)
#define is_huge_zero_pmd(entry) 0
#define is_huge_zero_page(page) 0
#define pte_offset_map(pmd, address) ((pte_t *)0x200000400000UL)
#define pte_unmap(pte) ((void)0)
#define pte_accessible(mm, entry) (!!(pte_val(entry) & _PAGE_VALID))
#define pte_exec(entry) 0

/* ---- sun4v: the data cache has no aliases ---- */

#define hypervisor 3
#define tlb_type 3
#define pte_dirty(entry) 0
#define pte_pfn(entry) 0UL
#define pfn_valid(pfn) 0
#define pfn_to_page(pfn) ((struct page *)0)
#define PageReserved(page) 0
#define folio_flush_mapping(folio) ((struct address_space *)0)
#define page_mapping_file(page) ((struct address_space *)0)
#define page_address(page) ((void *)0)
#define flush_dcache_folio_all(mm, folio) ((void)0)
#define flush_dcache_page_all(mm, page) ((void)0)

/* ---- contexts ---- */

typedef struct { spinlock_t lock; unsigned long sparc64_ctx_val, hugetlb_pte_count, thp_pte_count; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#define CTX_VALID(context) ((context).sparc64_ctx_val != 0)
#define CTX_HWBITS(context) ((context).sparc64_ctx_val & 0x1fff)
#define SECONDARY_CONTEXT 0x10
#define get_new_mmu_context(mm) OP("get_new_mmu_context")
#define tsb_context_switch_ctx(mm, context) OP("tsb_context_switch")
DECLARE_PER_CPU(struct mm_struct *, per_cpu_secondary_mm);

/* ---- a cross call, which is served before anything else; its argument is an address ---- */

extern unsigned long xcall_flush_tlb_mm, xcall_flush_tlb_page, xcall_flush_tlb_kernel_range;
/* The context of the mm is 1; what is of another one has another name. */
#define OF_MM(context, kind) ((context) == 1 ? kind : "other " kind)
#define smp_cross_call_masked(function, context, a, b, mask) \
	op(OF_MM(context, "cross_call"), function, cpumask_word(mask), a, b)
#define smp_cross_call(function, context, a, b) smp_cross_call_masked(function, context, a, b, cpu_online_mask)
#define __flush_tlb_mm(context, secondary) OP(OF_MM(context, "demap context"))
void smp_flush_tlb_page(struct mm_struct *mm, unsigned long vaddr);
void smp_flush_tlb_pending(struct mm_struct *mm, unsigned long nr, unsigned long *vaddrs);
void tlb_batch_add(struct mm_struct *mm, unsigned long vaddr, pte_t *ptep, pte_t orig, int fullmm, unsigned int shift);
void tlb_remove_table(struct mmu_gather *tlb, void *table);
#include <asm/mmu_context.h>
#include <asm/tlb.h>
#include <asm/pgtable.h>

/* Assembly; the prototypes are in the headers above. */
#define __flush_tlb_page(context, vaddr) OP1(OF_MM(context, "demap page"), vaddr)
#define __flush_tlb_pending(context, nr, vaddrs) op(OF_MM(context, "demap pages"), vaddrs, nr, 0, 0)
#define flush_tsb_user(batch) OP("flush_tsb_user")
#define flush_tsb_user_page(mm, vaddr, shift) OP("flush_tsb_user")
