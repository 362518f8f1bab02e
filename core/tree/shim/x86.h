/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * x86-64 with PCIDs and INVPCID, without page-table isolation, LAM and hypervisor: INVLPG, and loads of CR3.
 *
 * A load of CR3 with the value that it has flushes what is loaded; any other goes to another address space.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_X86_64 1
#define CONFIG_PGTABLE_LEVELS 5
#define CONFIG_MMU_GATHER_TABLE_FREE 1
#define CONFIG_MMU_GATHER_RCU_TABLE_FREE 1
#define CONFIG_MMU_GATHER_MERGE_VMAS 1
#define P4D_SHIFT 39
#define init_mm (*(struct mm_struct *)0x200000003000UL)
#include "mm.h"
#undef is_vm_hugetlb_page
#define is_vm_hugetlb_page(vma) (!!((vma)->vm_flags & VM_HUGETLB))
#define hstate_vma(vma) ((struct hstate *)0)
#define huge_page_shift(h) PMD_SHIFT
#define pgtable_l5_enabled() 1
#define page_to_pfn(page) ((u64)(page) >> PAGE_SHIFT)
#define __pa(p) ((u64)(p))
#define __va(p) ((void *)(p))
#define __sme_pa(p) ((u64)(p))

/* ---- bits of an entry ---- */

typedef u64 pteval_t;
#define _PAGE_PRESENT (1UL << 0)
#define _PAGE_RW (1UL << 1)
#define _PAGE_USER (1UL << 2)
#define _PAGE_PWT (1UL << 3)
#define _PAGE_PCD (1UL << 4)
#define _PAGE_ACCESSED (1UL << 5)
#define _PAGE_DIRTY (1UL << 6)
#define _PAGE_PSE (1UL << 7)
#define _PAGE_PAT (1UL << 7)
#define _PAGE_GLOBAL (1UL << 8)
#define _PAGE_SOFTW1 (1UL << 9)
#define _PAGE_SOFTW2 (1UL << 10)
#define _PAGE_SOFTW3 (1UL << 11)
#define _PAGE_SOFTW4 (1UL << 57)
#define _PAGE_SAVED_DIRTY (1UL << 58)
#define _PAGE_PAT_LARGE (1UL << 12)
#define _PAGE_PKEY_BIT0 (1UL << 59)
#define _PAGE_PKEY_BIT1 (1UL << 60)
#define _PAGE_PKEY_BIT2 (1UL << 61)
#define _PAGE_PKEY_BIT3 (1UL << 62)
#define _PAGE_NX (1UL << 63)
#define pte_flags(entry) ((entry).pte & 0xfff0000000000fffUL)
#define pmd_flags(entry) ((entry).pmd & 0xfff0000000000fffUL)
#define pte_pfn(entry) ((entry).pte >> 12 & 0xffffffffffUL)
#define pmd_pfn(entry) ((entry).pmd >> 12 & 0xffffffffffUL)

/* ---- the CPU ---- */

#define X86_CR3_PCID_BITS 12
#define X86_CR3_PTI_PCID_USER_BIT 11
#define X86_CR3_LAM_U57_BIT 61
#define CR3_NOFLUSH (1UL << 63)
#define CR3_ADDR_MASK 0x7FFFFFFFFFFFF000UL
#define X86_CR4_PGE (1UL << 7)
#define X86_CR4_PCIDE (1UL << 17)
enum { X86_FEATURE_PCID, X86_FEATURE_PTI, X86_FEATURE_INVPCID, X86_FEATURE_INVPCID_SINGLE, X86_FEATURE_PGE, X86_FEATURES };
static long feature[X86_FEATURES] __attribute__((section("rt_const"))) = { 1, 0, 1, 1, 1 };
#define static_cpu_has(f) (feature[f] != 0)
#define boot_cpu_has static_cpu_has
#define cpu_feature_enabled static_cpu_has
#define this_cpu_has static_cpu_has
#define write_cr3(value) OP1("mov cr3", value)
#define __native_read_cr3() 0UL
#define native_write_cr3(value) OP("mov cr3, cr3")
#define __read_cr3() 0UL
#define __read_cr4() 0UL
#define native_write_cr4(value) OP1("mov cr4", value)
#define invlpg(address) OP1("invlpg", address)
#define invpcid_flush_one(pcid, address) op("invpcid_one", 0, pcid, address, 0)
#define invpcid_flush_all() OP("invpcid_all")
#define raw_local_irq_save local_irq_save
#define raw_local_irq_restore local_irq_restore
#define inc_irq_stat(counter) ((void)0)

/* ---- what flushes nothing: mitigations of speculation, tracing, the LDT, paravirtualisation ---- */

DEFINE_STATIC_KEY_FALSE(switch_mm_cond_ibpb);
DEFINE_STATIC_KEY_FALSE(switch_mm_always_ibpb);
DEFINE_STATIC_KEY_FALSE(switch_mm_cond_l1d_flush);
#define TIF_SPEC_IB 9
#define TIF_SPEC_L1D_FLUSH 10
#define read_task_thread_flags(task) 0UL
#define task_thread_info(task) (task)
#define indirect_branch_prediction_barrier() ((void)0)
#define l1d_flush_evaluate(prev, next, task) ((void)0)
#define switch_ldt(prev, next) ((void)0)
#define mm_lam_cr3_mask(mm) 0UL
#define mm_untag_mask(mm) 0UL
#define trace_tlb_flush(...) ((void)0)
#define paravirt_release_pte(pfn) ((void)0)
#define paravirt_release_pmd(pfn) ((void)0)
#define paravirt_release_pud(pfn) ((void)0)
#define paravirt_release_p4d(pfn) ((void)0)
#define paravirt_tlb_remove_table(tlb, table) tlb_remove_table(tlb, table)

/* ---- time: whether a second has passed is asked each time ---- */

#define HZ 250
#define jiffies (OP("jiffies"))
#define time_after(a, b) ((long)((b) - (a)) < 0)

/* ---- an IPI, which takes the request along: what it says goes before it ---- */

#define HAS_MM 1UL
#define CSD_INFO(info) ({                                                                                         \
	const struct flush_tlb_info *_f = (info);                                                                 \
	if (_f) {                                                                                                 \
		op("flush_tlb_info", 0, _f->start, _f->end, (_f->mm ? HAS_MM : 0) | (u64)_f->stride_shift << 8 |  \
		   _f->new_tlb_gen << 16);                                                                        \
	} })
#include "smp_calls.h"

struct arch_tlbflush_unmap_batch { cpumask_t cpumask; };
#include <asm/mmu.h>
DEFINE_MM_STRUCT(mm_context_t)
void switch_mm_irqs_off(struct mm_struct *prev, struct mm_struct *next, struct task_struct *task);
void switch_mm(struct mm_struct *prev, struct mm_struct *next, struct task_struct *task);
void tlb_remove_table(struct mmu_gather *tlb, void *table);
void ___pte_free_tlb(struct mmu_gather *tlb, struct page *table);
void ___pmd_free_tlb(struct mmu_gather *tlb, pmd_t *table);
void ___pud_free_tlb(struct mmu_gather *tlb, pud_t *table);
void ___p4d_free_tlb(struct mmu_gather *tlb, p4d_t *table);
#include <asm/tlb.h>
#include <asm/pgalloc.h>
