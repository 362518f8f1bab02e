/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions of mm/ as the tree has them, on generic SMP: what they call of other files is an operation of the model's text.
 *
 * Here is what is configured, the mm and its areas, flushes and gathers.  What functions of several files use is in
 * mm_entries.h, mm_tables.h and mm_pages.h, the rest in a header for each file of the tree.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 5
#define CONFIG_TRANSPARENT_HUGEPAGE 1
#define CONFIG_ARCH_ENABLE_THP_MIGRATION 1

/* The first arguments of every entry point: how many pages an entry of a table maps in the model, and what is configured. */
extern u64 rt_arguments[];
#define PMD_SHIFT rt_arguments[0]
#define PUD_SHIFT rt_arguments[1]
#define P4D_SHIFT rt_arguments[2]
#define CONFIG_HAVE_MOVE_PMD (rt_arguments[3] & 1)
#define CONFIG_HAVE_MOVE_PUD 0
#define NONE_LOCKED (rt_arguments[3] & 2) /* by the caller, of tables */
#undef IS_ENABLED
#define IS_ENABLED(option) (option)
/* What a task has of its own: its batch of deferred flushes. */
struct arch_tlbflush_unmap_batch { int unused; };
struct tlbflush_unmap_batch { struct arch_tlbflush_unmap_batch arch; bool flush_required, writable; };
struct this_task { struct tlbflush_unmap_batch tlb_ubc; };
#define THIS_TASK ((struct this_task *)0x200000d00100UL)
#define current THIS_TASK
struct vm_operations_struct;
#define VMA_MORE \
	const struct vm_operations_struct *vm_ops; struct file *vm_file; struct anon_vma *anon_vma; \
	unsigned long vm_page_prot, vm_pgoff;
#define PAGE_MORE struct address_space *mapping; struct dev_pagemap *pgmap; atomic_t pt_share_count;
#include "mm.h"
#define P4D_MASK (~(P4D_SIZE - 1))
#define HPAGE_PMD_MASK PMD_MASK
#define HPAGE_PUD_NR 0

typedef struct { int unused; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
struct mmu_gather { struct mm_struct *mm; bool fullmm, unshared_tables, fully_unshared_tables; };
#define OP3(kind, a, b, c) op(kind, 0, (u64)(a), (u64)(b), (u64)(c))

/* ---- flushes ---- */

#define flush_tlb_mm(mm) ((void)OP("flush_tlb_mm"))
#define flush_tlb_range(vma, start, end) ((void)OP2("flush_tlb_range", (start) >> PAGE_SHIFT, (end) >> PAGE_SHIFT))
#define flush_tlb_page(vma, address) ((void)OP1("flush_tlb_page", (address) >> PAGE_SHIFT))
#define flush_pmd_tlb_range(vma, start, end) \
	OP2("flush_pmd_tlb_range", (start) >> PAGE_SHIFT, (end) >> PAGE_SHIFT)
#define update_mmu_cache(...) ((void)0)
#define flush_cache_page(vma, address, pfn) ((void)0)

/* ---- gathers ---- */

#define tlb_change_page_size(tlb, size) OP1("tlb_change_page_size", (size) >> PAGE_SHIFT)
#define tlb_start_vma(tlb, vma) OP("tlb_start_vma")
#define tlb_end_vma(tlb, vma) OP("tlb_end_vma")
#define tlb_delay_rmap(tlb) ((bool)OP("tlb_delay_rmap"))
#define tlb_remove_tlb_entry(tlb, ptep, address) OP2("tlb_remove_tlb_entries", NUMBER(ptep), 1)
#define tlb_remove_tlb_entries(tlb, ptep, nr, address) OP2("tlb_remove_tlb_entries", NUMBER(ptep), nr)
#define __tlb_remove_folio_pages(tlb, page, nr, delay_rmap) ((bool)OP2("tlb_remove_page", nr, delay_rmap))
#define __tlb_remove_page(tlb, page) ((bool)OP2("tlb_remove_page", 1, 0))
#define tlb_flush_mmu_tlbonly(tlb) OP("tlb_flush_mmu_tlbonly")
#define tlb_flush_rmaps(tlb, vma) OP("tlb_flush_rmaps")
#define tlb_flush_mmu(tlb) OP("tlb_flush_mmu")
#define tlb_flush_pte_range(tlb, address, size) \
	OP2("tlb_remove_tlb_entries", (address) >> PAGE_SHIFT, (size) >> PAGE_SHIFT)
#define tlb_remove_pmd_tlb_entry(tlb, pmdp, address) tlb_flush_pmd_range(tlb, address, HPAGE_PMD_SIZE)
#define tlb_flush_pmd_range(tlb, address, size) \
	OP2("tlb_flush_pmd_range", (address) >> PAGE_SHIFT, (size) >> PAGE_SHIFT)
#define tlb_remove_page_size(tlb, page, size) OP("tlb_remove_page_size")

/* ---- areas ---- */

enum { V_ANONYMOUS = 1, V_UFFD_WP = 2, V_COW = 4 };
#define vma_is_anonymous(vma) (!!((vma)->vm_flags & V_ANONYMOUS))
#define userfaultfd_pte_wp(vma, entry) (((vma)->vm_flags & V_UFFD_WP) && pte_uffd_wp(entry))
#define userfaultfd_wp(vma) (!!((vma)->vm_flags & V_UFFD_WP))
#define userfaultfd_armed(vma) 0
#define pte_install_uffd_wp_if_needed(vma, address, ptep, entry) OP("pte_install_uffd_wp_if_needed")
#define ksm_might_unmap_zero_page(mm, entry) ((void)0)
#define is_cow_mapping(flags) (!!((flags) & V_COW))
#define VM_LOCKED 0x2000
#define VM_DROPPABLE 0x4000

struct zap_details {
	struct folio *single_folio;
	bool even_cows;
	unsigned int zap_flags;
};
#define ZAP_FLAG_DROP_MARKER 1
#define ZAP_FLAG_UNMAP 2

/* ---- the rest of the kernel ---- */

#define need_resched() ((bool)OP("need_resched"))
#define cond_resched() OP("cond_resched")
#define spin_needbreak(lock) 0
#define arch_enter_lazy_mmu_mode() OP("arch_enter_lazy_mmu_mode")
#define arch_leave_lazy_mmu_mode() OP("arch_leave_lazy_mmu_mode")
#define pr_alert(...) ((void)0)
#define EAGAIN 11
#define ENOMEM 12
#define EIO 5
#define EBUSY 16
#define ENOENT 2
#define EHWPOISON 133

struct mmu_notifier_range { unsigned long start, end; };
#define MMU_NOTIFY_UNMAP 0
#define MMU_NOTIFY_PROTECTION_VMA 0
#define mmu_notifier_range_init(range, ...) ((range)->start = 1)
#define mmu_notifier_invalidate_range_start(range) ((void)0)
#define mmu_notifier_invalidate_range_end(range) ((void)0)
#define MMU_NOTIFY_CLEAR 0
#define MMU_NOTIFY_PROTECTION_PAGE 0

#include "mm_entries.h"
#include "mm_tables.h"
#include "mm_pages.h"
#include "mm_huge.h"
#include "mm_fork.h"
#include "mm_mremap.h"
#include "mm_mprotect.h"
#include "mm_rmap.h"
#include "mm_migrate.h"
#include "mm_madvise.h"
#include "mm_hugetlb.h"
#include <linux/pgtable.h>
#include <linux/hugetlb.h>
#include <asm-generic/tlb.h>
#include "mm_fault.h"
#include "mm_khugepaged.h"
