/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once
#include "mm.h"
typedef struct { unsigned long id; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#define __tlb_flush_all() OP("tlbia")
struct mmu_gather {
	struct mm_struct *mm;
	unsigned long start, end;
	unsigned int fullmm, freed_tables, cleared_ptes, cleared_pmds, cleared_puds, cleared_p4ds, need_flush_all;
};
void flush_tlb_mm(struct mm_struct *mm);
void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
