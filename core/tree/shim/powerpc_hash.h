/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * powerpc book3s64 with a hash table: what was cleared is queued on its CPU, and goes out of the hash table and the TLBs.
 *
 * The queue (ppc64_tlb_batch) is one cell of the model, so its fields are asked for, and never kept by the thread.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PPC_BOOK3S_64 1
#define CONFIG_PGTABLE_LEVELS 4
#define PAGE_SHIFT 16
#define PMD_SHIFT 24
#define PTRS_PER_PTE 256
#include "mm.h"
typedef struct { unsigned long id; atomic_t active_cpus, copros; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#include "gather.h"
typedef pte_t real_pte_t;
#define __pte(value) ((pte_t){ (value) })
#define __real_pte(entry, ptep, offset) (entry)
#define radix_enabled() 0

/* Which segment an address is in changes nothing: the address stands for its virtual page number. */
#define pte_pagesize_index(mm, address, pte) 0
#define is_kernel_addr(address) 0
#define user_segment_size(address) 0
#define get_user_vsid(context, address, ssize) 1UL
#define get_kernel_vsid(address, ssize) 1UL
#define mmu_kernel_ssize 0
#define hpt_vpn(address, vsid, ssize) (address)
#define flush_hash_page(vpn, pte, psize, ssize, local) OP2("flush_hash_page", vpn, local)
#define flush_hash_range(number, local) OP2("flush_hash_range", number, local)
static inline void flush_tlb_mm(struct mm_struct *mm) { }
static inline void flush_tlb_page(struct vm_area_struct *vma, unsigned long address) { }
static inline void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end) { }
#include <asm/tlb.h>
#include <asm/book3s/64/tlbflush-hash.h>
