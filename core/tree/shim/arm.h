/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ARMv7 without LPAE, whose CPUs broadcast: TLBI by coprocessor 15, and DSB, which completes it.
 *
 * A flush of a range is assembly (mm/tlb-v7.S), and one operation.  mm->context.id is the ASID of the mm, whatever its
 * generation.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 2
#define PMD_SHIFT 21
#include "mm.h"
typedef struct { atomic64_t id; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#define ASID(mm) ((unsigned int)(mm)->context.id.counter & 0xff)
#include "gather.h"

/* ---- the CPU: v7wbi_tlb_flags_smp, and nothing that an older one needs ---- */

#define possible_tlb_flags (TLB_WB | TLB_BARRIER | TLB_V7_UIS_FULL | TLB_V7_UIS_PAGE | TLB_V7_UIS_ASID | TLB_V7_UIS_BP)
#define __cpu_tlb_flags possible_tlb_flags
#define tlb_flag(flag) (possible_tlb_flags & (flag))
#define tlb_op(flag, registers, value) do { if (tlb_flag(flag)) OP1("mcr " registers, value); } while (0)
#define dsb(domain) OP("dsb " #domain)
#define dmb(domain) OP("dmb " #domain)
#define isb(x) OP("isb")
#define asm(...) OP("BUG")
#define local_flush_tlb_range(vma, start, end) \
	op("v7wbi_flush_user_tlb_range", &(vma)->vm_mm->context, start, end, 0)
#define tlb_ops_need_broadcast() 0
#define erratum_a15_798181() 0
#define a15_erratum_get_cpumask(cpu, mm, mask) ((void)0)
#define uaccess_save_and_enable() 0
#define uaccess_restore(flags) ((void)(flags))
#define local_flush_tlb_kernel_range(start, end) OP2("v7wbi_flush_kern_tlb_range", start, end)
void flush_tlb_kernel_range(unsigned long start, unsigned long end);
void flush_tlb_mm(struct mm_struct *mm);
void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
#include <asm/tlbflush.h>
