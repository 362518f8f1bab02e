/* SPDX-License-Identifier: GPL-2.0-only */
/* sh of SH-X3, a UTLB of 64 entries: one entry at a time, or a new context. */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 3
/* The mm of a kernel thread is NULL; whose mm it is is asked each time. */
#define current (&(struct task_struct){ .mm = OP("current->mm") ? (struct mm_struct *)0x200000001000UL : NULL })
#include "mm.h"

typedef struct { unsigned long id[NR_CPUS]; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
struct mmu_gather {
	struct mm_struct *mm;
	unsigned long start, end;
	unsigned int fullmm, freed_tables, cleared_ptes, cleared_pmds, cleared_puds, cleared_p4ds, need_flush_all;
	unsigned int unshared_tables;
};
#define MMU_NTLB_ENTRIES 64
#define get_asid() 0UL
#define set_asid(asid) ((void)0)
#define activate_context(mm, cpu) OP("drop_mmu_context")
#define local_flush_tlb_one(asid, page) OP1("local_flush_tlb_one", page)
void local_flush_tlb_mm(struct mm_struct *mm);
void local_flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void local_flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
void flush_tlb_mm(struct mm_struct *mm);
void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
#include <asm/mmu_context.h>
