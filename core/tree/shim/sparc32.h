/* SPDX-License-Identifier: GPL-2.0-only */
/* sparc32, sun4m: a cross call, which waits until every other CPU has served it, and the flush of this CPU. */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 3
#define PMD_SHIFT 18
/* Whose page tables this CPU is on is asked each time. */
#define current (&(struct task_struct){ \
	.active_mm = OP("current->active_mm") ? (struct mm_struct *)0x200000001000UL : NULL })
#include "mm.h"
typedef unsigned long mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#include "gather.h"
#define NO_CONTEXT (-1UL)

static inline void tlb_mm(struct mm_struct *mm) { OP("local flush mm"); }
static inline void tlb_page(struct vm_area_struct *vma, unsigned long page) { OP1("local flush page", page); }
static inline void tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{ OP2("local flush range", start, end); }
static inline void tlb_all(void) { OP("local flush mm"); }
static const struct {
	void (*tlb_all)(void);
	void (*tlb_mm)(struct mm_struct *);
	void (*tlb_page)(struct vm_area_struct *, unsigned long);
	void (*tlb_range)(struct vm_area_struct *, unsigned long, unsigned long);
} operations = { tlb_all, tlb_mm, tlb_page, tlb_range };
#define local_ops (&operations)
#define xc0(function) CROSS_CALL(function, (void))
#define flush_tlb_kernel_range(start, end) smp_flush_tlb_all()
typedef unsigned long word;
#define CROSS_CALL(function, types, ...)                                                                        \
	do {                                                                                                  \
		SHOW_HANDLER(((void (*)types)(function))(__VA_ARGS__));                                       \
		op("cross_call", (void *)(function), cpumask_word(cpu_online_mask) & ~(1UL << CPU), 0, 0);    \
	} while (0)
#define xc1(function, a) CROSS_CALL(function, (word), a)
#define xc2(function, a, b) CROSS_CALL(function, (word, word), a, b)
#define xc3(function, a, b, c) CROSS_CALL(function, (word, word, word), a, b, c)
#define flush_tlb_mm(mm) smp_flush_tlb_mm(mm)
#define flush_tlb_page(vma, page) smp_flush_tlb_page(vma, page)
#define flush_tlb_range(vma, start, end) smp_flush_tlb_range(vma, start, end)
