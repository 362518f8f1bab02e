/* SPDX-License-Identifier: GPL-2.0-only */
/* alpha of EV5 and later: a new ASN for everything, tbi for a page. */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_64BIT 1
#define CONFIG_PGTABLE_LEVELS 3
#define CONFIG_MMU_GATHER_NO_RANGE 1
#define PAGE_SHIFT 13
#define PMD_SHIFT 23
#define PUD_SHIFT 33
#define P4D_SHIFT 33
#define PTRS_PER_PTE 1024
/* A kernel thread has no mm; whose page tables the CPU is on is another question. */
#define current (&(struct task_struct){                                          \
	.mm = OP("current->mm") ? (struct mm_struct *)0x200000001000UL : NULL,   \
	.active_mm = OP("current->active_mm") ? (struct mm_struct *)0x200000001000UL : NULL })
#include "mm.h"
#include "smp_calls.h"

typedef unsigned long mm_context_t[NR_CPUS];
DEFINE_MM_STRUCT(mm_context_t)
#define cpu_online(cpu) ((cpu) < nr_cpu_ids)
#define asn_locked() 0
#define tbi(kind, address) OP1("tbi", address)
#define tbia() OP("tbia")
#define __load_new_mm_context(mm) OP("drop_mmu_context")
#define __EXTERN_INLINE static inline
void flush_tlb_all(void);
#define flush_tlb_kernel_range(start, end) flush_tlb_all()
void flush_tlb_mm(struct mm_struct *mm);
void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
#define __pud_free_tlb(tlb, table, address) OP("BUG")
#define pte_free(mm, table) FREE_NOW(table)
#define pmd_free(mm, table) FREE_NOW(table)
#include <asm/tlbflush.h>
#include <asm/tlb.h>
