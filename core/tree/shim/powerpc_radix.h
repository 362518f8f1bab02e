/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * powerpc book3s64 with a radix tree, bare metal of POWER10: tlbie, and tlbiel of this CPU alone.
 *
 * How many pages a huge page has is an argument of the entry point, so that the ranges of small models are what C
 * computes with.  context.active_cpus is how many bits mm_cpumask has.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PPC_BOOK3S_64 1
#define CONFIG_PPC_RADIX_MMU 1
#define CONFIG_TRANSPARENT_HUGEPAGE 1
#define CONFIG_PGTABLE_LEVELS 4
#define CONFIG_MMU_GATHER_TABLE_FREE 1
#define CONFIG_MMU_GATHER_RCU_TABLE_FREE 1
#define CONFIG_MMU_GATHER_PAGE_SIZE 1
#define CONFIG_MMU_GATHER_MERGE_VMAS 1
#if KVER >= 612
#define CONFIG_MMU_LAZY_TLB_SHOOTDOWN 1
#endif
#define PAGE_SHIFT 16
extern u64 rt_arguments[256];
#define PMD_SHIFT (PAGE_SHIFT + rt_arguments[4])
#define PUD_SHIFT (PAGE_SHIFT + rt_arguments[5])
#define P4D_SHIFT 48
/* Whose mm a task has is asked each time; a kernel thread has none. */
#define current (&(struct task_struct){                                          \
	.mm = OP("current->mm") ? (struct mm_struct *)0x200000001000UL : NULL,   \
	.active_mm = OP("current->active_mm") ? (struct mm_struct *)0x200000001000UL : NULL })
#include "mm.h"
#include "smp_calls.h"

/* ---- the CPU ---- */

#define PPC_BITLSHIFT(bit) (63 - (bit))
#define PPC_BIT(bit) (1UL << PPC_BITLSHIFT(bit))
enum { RIC_FLUSH_TLB, RIC_FLUSH_PWC, RIC_FLUSH_ALL };
#define POWER9_TLB_SETS_RADIX 128
#define MMU_NO_CONTEXT 0
#define MMU_PAGE_64K 2
#define MMU_PAGE_2M 6
#define MMU_PAGE_1G 12
struct psize_def { unsigned int shift; unsigned long ap; };
#define mmu_psize_defs ((struct psize_def[16]){                                                       \
	[MMU_PAGE_64K] = { PAGE_SHIFT, 5 }, [MMU_PAGE_2M] = { PMD_SHIFT, 1 }, [MMU_PAGE_1G] = { PUD_SHIFT, 2 } })
#define mmu_virtual_psize MMU_PAGE_64K
#define mmu_psize_to_shift(psize) (mmu_psize_defs[psize].shift)
#define mmu_get_ap(psize) (mmu_psize_defs[psize].ap)
#define psize_to_rpti_pgsize(psize) 0UL
enum { CPU_FTR_ARCH_31, CPU_FTR_P9_TLBIE_ERAT_BUG, CPU_FTR_P9_TLBIE_STQ_BUG, MMU_FTR_GTSE, FEATURES };
static long feature[FEATURES] __attribute__((section("rt_const"))) = { [CPU_FTR_ARCH_31] = 1, [MMU_FTR_GTSE] = 1 };
#define cpu_has_feature(f) (feature[f])
#define mmu_has_feature(f) (feature[f])
#define H_RPTI_TARGET_CMMU 1
#define H_RPTI_TARGET_NMMU 2
#define H_RPTI_TYPE_TLB 1
#define H_RPTI_TYPE_PWC 2
#define H_RPTI_TYPE_PRT 4
#define H_RPTI_PAGE_ALL (-1UL)
#define pseries_rpt_invalidate(pid, target, type, size, start, end) OP("BUG")
static const bool tlbie_capable = true;
#define cputlb_use_tlbie() true
#define radix_enabled() 1
#define ppc_after_tlbiel_barrier() ((void)0)
#define __tlbiel_pid(pid, set, ric) OP1("tlbiel pid " #ric, pid)
#define __tlbie_pid(pid, ric) OP1("tlbie pid " #ric, pid)
/* The PID of the mm is 1; what is of another one has another name. */
#define OF_MM(pid, kind) ((pid) == 1 ? kind : "other " kind)
#define __tlbiel_va(va, pid, ap, ric) OP2(OF_MM(pid, "tlbiel va " #ric), va, ap)
#define __tlbie_va(va, pid, ap, ric) OP2(OF_MM(pid, "tlbie va " #ric), va, ap)
#define PPC_RADIX_INVALIDATE_ERAT_USER "slbia 3"
#define PPC_ISA_3_0_INVALIDATE_ERAT "slbia 7"

/* Assembly without operands: an operation that is named by its text. */
#define asm
#define volatile(...) op(#__VA_ARGS__, 0, 0, 0, 0)

/* ---- leaving an mm ---- */

#define mmgrab_lazy_tlb(mm) ((void)0)
#define mmdrop_lazy_tlb(mm) ((void)0)
#define mmgrab(mm) ((void)0)
#define mmdrop(mm) ((void)0)
#define switch_mm_irqs_off(prev, next, task) OP("switch_mm_irqs_off")
typedef struct { unsigned long id; atomic_t active_cpus, copros; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
static inline void dec_mm_active_cpus(struct mm_struct *mm) { atomic_dec(&mm->context.active_cpus); }

#define MAX_PGTABLE_INDEX_SIZE 0xf
#define PTE_INDEX 0
#define PMD_INDEX 1
#define PUD_INDEX 2
void pgtable_free_tlb(struct mmu_gather *tlb, void *table, int index);
void tlb_remove_table(struct mmu_gather *tlb, void *table);

void radix__tlb_flush(struct mmu_gather *tlb);
void radix__flush_tlb_mm(struct mm_struct *mm);
void radix__flush_all_mm(struct mm_struct *mm);
void radix__flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void radix__flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
void radix__flush_tlb_page_psize(struct mm_struct *mm, unsigned long address, int psize);
void radix__flush_tlb_range_psize(struct mm_struct *mm, unsigned long start, unsigned long end, int psize);
void radix__flush_tlb_pwc_range_psize(struct mm_struct *mm, unsigned long start, unsigned long end, int psize);
void radix__flush_tlb_kernel_range(unsigned long start, unsigned long end);
#define flush_tlb_mm(mm) radix__flush_tlb_mm(mm)
#define flush_tlb_range(vma, start, end) radix__flush_tlb_range(vma, start, end)
#define flush_tlb_page(vma, address) radix__flush_tlb_page(vma, address)
#define topology_sibling_cpumask(cpu) cpumask_of(cpu)
#define __KERNEL__ 1
#define __powerpc64__ 1
#define TLB_FLUSH_ALL -1UL
#define _PAGE_RWX 7UL
#define _PAGE_PRIVILEGED 8UL
#define _PAGE_DIRTY 0x80UL
#define _PAGE_ACCESSED 0x100UL
#define _PAGE_PRESENT (1UL << 63)
#define _PAGE_PTE (1UL << 62)
#define pgprot_val(x) ((x).pgprot)
#define PAGE_NONE ((pgprot_t){ _PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_PRIVILEGED })
#define pte_val(entry) ((entry).pte)
#define pmd_val(entry) ((entry).pmd)
#include <asm/book3s/64/tlbflush.h>
#include <asm/tlb.h>
#include <asm/book3s/64/pgalloc.h>
