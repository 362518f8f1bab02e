/* SPDX-License-Identifier: GPL-2.0-only */
/* mm/memory.c: the fault of a store to anonymous memory that finds nothing.  A page is always to be had, and a table. */
#pragma once

#undef pte_alloc
#define pte_alloc(mm, pmd) (NONE_LOCKED && pmd_none(*(pmd)) && __pte_alloc(mm, pmd))
#define pte_alloc_one(mm) ((pgtable_t)OP("pte_alloc_one"))
#define pte_free(mm, table) ((void)(table), OP("pte_free"))
#define mm_inc_nr_ptes(mm) ((void)0)
#define mm_forbids_zeropage(mm) 0
#define pte_mkspecial(entry) (entry)
#define pfn_pte(pfn, protection) __pte(E_PRESENT)
#define my_zero_pfn(address) 0
#define check_stable_address_space(mm) 0
#define userfaultfd_missing(vma) 0
#define VM_UFFD_MISSING 0
#define alloc_anon_folio(vmf) NEW_FOLIO
#define IS_ERR(p) 0
#define vmf_orig_pte_uffd_wp(vmf) 0
#define pte_range_none(ptep, nr) 1
#define update_mmu_tlb_range(...) ((void)0)
#define count_mthp_stat(order, item) ((void)0)
static bool vmf_pte_changed(struct vm_fault *vmf);
int __pte_alloc(struct mm_struct *mm, pmd_t *pmd);
void pmd_install(struct mm_struct *mm, pmd_t *pmd, pgtable_t *pte);
