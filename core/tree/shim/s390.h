/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * s390: the instructions that invalidate, the facilities of the machine, and types.
 *
 * IPTE and IDTE set the invalid bit of an entry and purge it from TLBs, in one step that other CPUs see whole.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 5
#define CONFIG_MMU_GATHER_TABLE_FREE 1
#define CONFIG_MMU_GATHER_RCU_TABLE_FREE 1
#define CONFIG_MMU_GATHER_MERGE_VMAS 1
#define CONFIG_MMU_GATHER_NO_GATHER 1

#define PMD_SHIFT 20
#define PUD_SHIFT 31
#define P4D_SHIFT 42
#define PTRS_PER_PTE 256
#define PGTABLE_T pte_t *
#include "mm.h"
typedef struct { u64 pgste; } pgste_t;

#define pte_val(x) ((x).pte)
#define pmd_val(x) ((x).pmd)
#define pud_val(x) ((x).pud)
#define pgste_val(x) ((x).pgste)
#define pgprot_val(x) ((x).pgprot)
#define __pte(x) ((pte_t){ (x) })
#define __pmd(x) ((pmd_t){ (x) })
#define __pud(x) ((pud_t){ (x) })
#define __pgste(x) ((pgste_t){ (x) })
#define __pgprot(x) ((pgprot_t){ (x) })
#define __pa(p) ((u64)(p))
#define _PGSTE_GPS_USAGE_MASK 0x3UL
#define _PGSTE_GPS_USAGE_UNUSED 0x2UL
#define _PGSTE_GPS_NODAT 0x4UL

/* ---- facilities: a machine with IDTE and the local-clearing facility, no guest ---- */

#define CONSTANT __attribute__((section("rt_const")))
static long machine_has_tlb_guest CONSTANT = 0, machine_has_tlb_lc CONSTANT = 1, machine_has_idte CONSTANT = 1;
static long machine_has_rdp CONSTANT = 0, machine_has_nx CONSTANT = 1, machine_has_esop CONSTANT = 1;
#define MACHINE_HAS_TLB_GUEST machine_has_tlb_guest
#define MACHINE_HAS_TLB_LC machine_has_tlb_lc
#define MACHINE_HAS_IDTE machine_has_idte
#define MACHINE_HAS_RDP machine_has_rdp
#define MACHINE_HAS_NX machine_has_nx
#define MACHINE_HAS_ESOP machine_has_esop

/* ---- instructions ---- */

#define PURGE(kind, local, entry, how, bits, address) \
	((void)rmw((local) ? kind ",local" : kind, (void *)(entry), 8, how, bits, address))
#define __ptep_ipte(address, ptep, opt, asce, local) PURGE("ipte", local, ptep, '|', 0x400, address)
#define __ptep_rdp(address, ptep, local) PURGE("rdp", local, ptep, '&', ~0x200UL, address)
#define __pmdp_idte(address, pmdp, opt, asce, local) PURGE("idte pmd", local, pmdp, '|', 0x20, address)
#define __pudp_idte(address, pudp, opt, asce, local) PURGE("idte pud", local, pudp, '|', 0x20, address)
#define __pmdp_csp(pmdp) PURGE("csp pmd", 0, pmdp, '|', 0x20, 0)
#define __tlb_flush_local() OP("ptlb")
/* The ASCE of the mm is 0x1000; what is of another one has another name. */
#define __tlb_flush_idte(asce) OP1((asce) == 0x1000 ? "idte asce" : "idte of another asce", asce)
#define csp(a, b, c) OP("csp")

/* ---- guests: there are none ---- */

#define gmap_pmdp_idte_local(mm, address) OP("gmap")
#define gmap_pmdp_idte_global(mm, address) OP("gmap")
#define gmap_pmdp_csp(mm, address) OP("gmap")
#define gmap_pmdp_invalidate(mm, address) OP("gmap")
#define gmap_unlink(mm, table, address) OP("gmap")
#define ptep_notify(mm, address, ptep, bits) OP("gmap")
#define uv_convert_from_secure_pte(pte) OP("gmap")
#define uv_convert_owned_from_secure(page) OP("gmap")
#define uv_destroy_pte(pte) 0
#define uv_destroy_owned_page(page) 0

/* ---- the lowcore, and control register 7 ---- */

struct ctlreg { u64 val; };
#if KVER >= 612
struct lowcore { struct ctlreg user_asce; u64 kernel_asce; };
extern struct ctlreg s390_invalid_asce __attribute__((section("rt_const")));
#else
struct lowcore { u64 user_asce; u64 kernel_asce; };
extern u64 s390_invalid_asce __attribute__((section("rt_const")));
#endif
extern struct lowcore lowcores[NR_CPUS];
#define S390_lowcore lowcores[CPU]
#define get_lowcore() (&lowcores[CPU])
#define local_ctl_load(n, value) OP1("lctlg", (value)->val)
#define __ctl_load(value, low, high) OP1("lctlg", value)

#include <asm/mmu.h>
DEFINE_MM_STRUCT(mm_context_t)
pte_t ptep_xchg_direct(struct mm_struct *, unsigned long, pte_t *, pte_t);
pte_t ptep_xchg_lazy(struct mm_struct *, unsigned long, pte_t *, pte_t);
pmd_t pmdp_xchg_direct(struct mm_struct *, unsigned long, pmd_t *, pmd_t);
pmd_t pmdp_xchg_lazy(struct mm_struct *, unsigned long, pmd_t *, pmd_t);
void ptep_reset_dat_prot(struct mm_struct *mm, unsigned long address, pte_t *ptep, pte_t new);
void tlb_remove_table(struct mmu_gather *tlb, void *table);
#define encode_page(page, flags) ((struct encoded_page *)(page))
#define encode_nr_pages(nr) ((struct encoded_page *)(nr))
#define ENCODED_PAGE_BIT_NR_PAGES_NEXT 2

/* ---- freeing a table: after the flush, or at once ---- */

#define page_table_free_rcu(tlb, table, address) tlb_remove_table(tlb, table)
#define page_table_free(mm, table) FREE_NOW(table)
#define crst_table_free(mm, table) FREE_NOW(table)
#define pte_free(mm, table) FREE_NOW(table)
#define pmd_free(mm, table) FREE_NOW(table)
#define pud_free(mm, table) FREE_NOW(table)
#include <asm/pgtable.h>
