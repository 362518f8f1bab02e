/* SPDX-License-Identifier: GPL-2.0-only */
/* arc: an entry at a time is looked for and erased, or the mm takes a new ASID on this CPU. */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_TRANSPARENT_HUGEPAGE 1
#define CONFIG_PGTABLE_LEVELS 2
#define PAGE_SHIFT 13
#define PMD_SHIFT 21
/* The mm of a kernel thread is NULL; whose mm it is is asked each time. */
#define current (&(struct task_struct){ .mm = OP("current->mm") ? (struct mm_struct *)0x200000001000UL : NULL })
#include "mm.h"

typedef struct { unsigned long asid[NR_CPUS]; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
struct mmu_gather {
	struct mm_struct *mm;
	unsigned long start, end;
	unsigned int fullmm, freed_tables, cleared_ptes, cleared_pmds, cleared_puds, cleared_p4ds, need_flush_all;
	unsigned int unshared_tables;
};
#define destroy_context(mm) OP("drop_mmu_context")
#define get_new_mmu_context(mm) ((void)0)
#define tlb_entry_erase(address_and_asid) OP1("tlb_entry_erase", address_and_asid)
void local_flush_tlb_mm(struct mm_struct *mm);
void local_flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void local_flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
void flush_tlb_mm(struct mm_struct *mm);
void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
#include <asm/mmu_context.h>
