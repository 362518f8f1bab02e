/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * riscv with ASIDs: SFENCE.VMA, and the firmware's remote fence, which is sent, served and waited for.
 *
 * mm->context.id is the ASID of the mm: how it is given out (context.c) is not part of the unit.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_64BIT 1
#define CONFIG_PGTABLE_LEVELS 5
#define CONFIG_TRANSPARENT_HUGEPAGE 1
#if KVER >= 612
#define CONFIG_MMU_GATHER_TABLE_FREE 1
#define CONFIG_MMU_GATHER_RCU_TABLE_FREE 1
#endif
#include "mm.h"
#define PGDIR_SHIFT (P4D_SHIFT + 9)
#define PGDIR_SIZE (1UL << PGDIR_SHIFT)
#define SATP_ASID_SHIFT 44
#define SATP_ASID_MASK 0xffffUL
#define SATP_ASID_BITS 16

#define CONSTANT __attribute__((section("rt_const")))
static long sbi_rfence CONSTANT = 1, pgtable_l4_enabled CONSTANT = 1, pgtable_l5_enabled CONSTANT = 1;
#define riscv_use_sbi_for_rfence() sbi_rfence
#define has_svnapot() 0
#define virt_to_pfn(p) ((u64)(p) >> PAGE_SHIFT)
#define __meminit

/* ---- fences ---- */

/* The ASID of the mm is 1; what is of another one has another name. */
#define OF_MM(asid, kind) ((asid) == 1 ? kind : kind " of another ASID")
#define ALT_SFENCE_VMA_ASID(asid) OP(OF_MM(asid, "sfence.vma all"))
#define ALT_SFENCE_VMA_ADDR(address) OP1("sfence.vma page", address)
#define ALT_SFENCE_VMA_ADDR_ASID(address, asid) OP1(OF_MM(asid, "sfence.vma page"), address)
#define ALT_FLUSH_TLB_PAGE(x) OP1("sfence.vma page", addr)
static inline void local_flush_tlb_all(void) { OP("sfence.vma all"); }
#if KVER < 612
static inline void local_flush_tlb_all_asid(unsigned long asid) { ALT_SFENCE_VMA_ASID(asid); }
static inline void local_flush_tlb_page_asid(unsigned long addr, unsigned long asid)
{ ALT_SFENCE_VMA_ADDR_ASID(addr, asid); }
extern unsigned long asid_mask;
DECLARE_STATIC_KEY_TRUE(use_asid_allocator);
#endif
#define sbi_remote_sfence_vma_asid(mask, start, size, asid)                              \
	op((asid) == -1UL ? "sbi_remote_sfence_vma" : OF_MM(asid, "sbi_remote_sfence_vma"), 0, \
	   (mask) ? cpumask_word(mask) : ~0UL, start, size)
#define sbi_remote_sfence_vma(mask, start, size) sbi_remote_sfence_vma_asid(mask, start, size, -1UL)

#define hstate_vma(vma) (&hstate)
extern struct hstate hstate;
#define __pud_free(mm, table) FREE_NOW(table)
#define pmd_free(mm, table) FREE_NOW(table)
#define pte_free(mm, table) FREE_NOW(table)
struct arch_tlbflush_unmap_batch { cpumask_t cpumask; };

#include <asm/mmu.h>
DEFINE_MM_STRUCT(mm_context_t)
#include <asm/tlbflush.h>
#if KVER >= 612
void tlb_remove_table(struct mmu_gather *tlb, void *table);
#endif
#include <asm/tlb.h>
#include <asm/pgalloc.h>
