/* SPDX-License-Identifier: GPL-2.0-only */
/* mm/huge_memory.c: huge pages, whose entries are those of a pmd (U_ bits of mm_tables.h). */
#pragma once

#define HUGE_PMD(word) ((pmd_t){ word })
#define is_pmd_migration_entry(entry) 0
spinlock_t *__pmd_trans_huge_lock(pmd_t *pmd, struct vm_area_struct *vma);
#define pmd_dirty(entry) (!!((entry).pmd & U_DIRTY))
#define pmd_write(entry) (!!((entry).pmd & U_WRITE))
#define pmd_protnone(entry) (!!((entry).pmd & U_PROTNONE))
#define pmd_same(a, b) ((a).pmd == (b).pmd)
#define pmd_wrprotect(entry) HUGE_PMD((entry).pmd & ~(u64)U_WRITE)
#define pmd_mkclean(entry) HUGE_PMD((entry).pmd & ~(u64)U_DIRTY)
#define pmd_mkwrite(entry, ...) HUGE_PMD((entry).pmd | U_WRITE)
#define pmd_mkuffd_wp(entry) HUGE_PMD((entry).pmd | U_UFFD)
#define pmd_clear_uffd_wp(entry) HUGE_PMD((entry).pmd & ~(u64)U_UFFD)
#define pmd_modify(entry, protection) HUGE_PMD((entry).pmd | U_MODIFIED)
#define pmd_mk_savedwrite(entry) (entry)
#define pmd_page(entry) PAGE
#define pmd_folio(entry) page_folio(PAGE)
#define pmd_to_swp_entry(entry) ((swp_entry_t){ 0 })
#define swp_entry_to_pmd(entry) HUGE_PMD((entry).val)
#define pmd_swp_soft_dirty(entry) 0
#define pmd_swp_mksoft_dirty(entry) (entry)
#define pmd_swp_uffd_wp(entry) 0
#define pmd_swp_mkuffd_wp(entry) (entry)
#define pmd_swp_clear_uffd_wp(entry) (entry)
#define thp_migration_supported() 1
#define can_change_pmd_writable(vma, address, entry) 0
#define is_huge_zero_pmd(entry) ((void)(entry), (bool)OP("is_huge_zero_pmd"))
#define vma_is_special_huge(vma) 0
#define total_mapcount(page) ((int)OP("folio_mapcount"))
#define arch_needs_pgtable_deposit() 0
#define zap_deposited_table(mm, pmd) ((void)0)
#define arch_check_zapped_pmd(vma, entry) ((void)0)
#define pmdp_huge_get_and_clear_full(vma, address, pmdp, full) \
	HUGE_PMD(OP2("pmdp_huge_get_and_clear", (address) >> PAGE_SHIFT, full))
#define pmd_mkinvalid(entry) (entry)
#define pmdp_establish(vma, address, pmdp, entry) \
	((void)(entry), HUGE_PMD(OP1("pmdp_establish", (address) >> PAGE_SHIFT)))
#define pmdp_invalidate_ad(vma, address, pmdp) HUGE_PMD(OP1("pmdp_invalidate_ad", (address) >> PAGE_SHIFT)) /* x86's */
#define set_pmd_at(mm, address, pmdp, entry) OP2("set_pmd_at", (address) >> PAGE_SHIFT, (entry).pmd)
#define huge_pmd_needs_flush(old, entry) ((bool)OP2("huge_pmd_needs_flush", (old).pmd, (entry).pmd))
/* A split, of which the parts are mapped by the table that has been deposited. */
#define THP_SPLIT_PMD 0
#define pgtable_trans_huge_withdraw(mm, pmd) ((pgtable_t)OP("pgtable_trans_huge_withdraw"))
#define pmd_young(entry) 1
#define pmd_soft_dirty(entry) 0
#define pmd_uffd_wp(entry) 0
#define __split_huge_zero_page_pmd(vma, address, pmd) ((void)0)

/* ---- what is not looked into: a split on the way, and huge pages of a pud ---- */

#define zap_huge_pud(tlb, vma, pud, address) 0
#define change_huge_pud(tlb, vma, pud, address, protection, flags) 1
#define __split_huge_pud(vma, pud, address) ((void)0)
#define split_huge_pmd(vma, pmd, address) OP1("split_huge_pmd", (address) >> PAGE_SHIFT)
#define __split_huge_pmd(vma, pmd, address, freeze, folio) OP1("split_huge_pmd", (address) >> PAGE_SHIFT)
#define split_huge_pud(vma, pud, address) ((void)0)
#define split_huge_pmd_locked(vma, address, pmd, freeze, ...) OP1("split_huge_pmd", (address) >> PAGE_SHIFT)
#define split_huge_pmd_address(vma, address, freeze, folio) ((void)0)
#define pmd_pfn(entry) 0
