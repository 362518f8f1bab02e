/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mm/hugetlb.c: leaving a table that two processes share.
 *
 * A pud leads to the table, whose entries are huge pages: in the model it is the entry above a table, and the huge page
 * is an entry of that.  The highest tables are always there.
 */
#pragma once

#define CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING 1
#define pgd_present(entry) 1
#define p4d_present(entry) 1
#define pud_present(entry) (!!(entry).pud)
#define pud_clear(pud) OP1("pud_clear", (pud) - (pud_t *)PUD_BASE)

/* ---- the table, and who has it ---- */

#define SHARED_TABLE ((struct page *)(PAGE_BASE + 0x2000))
#undef virt_to_page
#undef virt_to_ptdesc
#define virt_to_page(p) ((void)(p), SHARED_TABLE)
#define virt_to_ptdesc(p) ((void)(p), (struct ptdesc *)SHARED_TABLE)
#if KVER >= 612
#define ptdesc_pmd_is_shared(table) (!!atomic_read(&(table)->page.pt_share_count))
#define ptdesc_pmd_pts_dec(table) atomic_dec(&(table)->page.pt_share_count)
#endif
#define huge_pte_lock(h, mm, ptep) ((void)(h), pmd_lock(mm, (pmd_t *)(ptep)))
#define mm_dec_nr_pmds(mm) ((void)0)
#define tlb_remove_table_sync_one() OP("tlb_remove_table_sync_one")

/* ---- locks and reservations of an area ---- */

#define i_mmap_assert_write_locked(mapping) ((void)0)
#define hugetlb_vma_assert_locked(vma) ((void)0)
#define hugetlb_vma_unlock_write(vma) ((void)0)
#define __vma_private_lock(vma) 0
#define vma_needs_reservation(h, vma, address) 0
#define vma_add_reservation(h, vma, address) ((void)0)
#define folio_set_hugetlb_restore_reserve(folio) ((void)0)
#define folio_clear_hugetlb_restore_reserve(folio) ((void)0)
#define set_vma_resv_flags(vma, flags) ((void)0)
static spinlock_t hugetlb_lock;

/* ---- huge pages ---- */

typedef unsigned int zap_flags_t;
unsigned long hugetlb_mask_last_page(struct hstate *h);
pte_t *huge_pte_offset(struct mm_struct *mm, unsigned long addr, unsigned long sz);
int huge_pmd_unshare(struct mmu_gather *tlb, struct vm_area_struct *vma, unsigned long addr, pte_t *ptep);
void huge_pmd_unshare_flush(struct mmu_gather *tlb, struct vm_area_struct *vma);

static struct hstate hstate __attribute__((section("rt_const")));
#define hstate_vma(vma) (&hstate)
#define surplus_huge_pages order /* none */
#undef huge_page_size
#define huge_page_size(h) ((void)(h), PMD_SIZE)
#define huge_page_mask(h) ((void)(h), PMD_MASK)
#define pages_per_huge_page(h) 1
#define adjust_range_if_pmd_sharing_possible(vma, start, end) ((void)0)
#define huge_ptep_get(...) __pte(OP("huge_ptep_get"))
#define pte_page(entry) PAGE
#define huge_pte_none(entry) pte_none(entry)
#define huge_pte_dirty(entry) pte_dirty(entry)
#define huge_pte_uffd_wp(entry) 0
#define pte_swp_uffd_wp_any(entry) 0
#define huge_ptep_get_and_clear(...) __pte(OP("huge_ptep_get_and_clear"))
#define huge_pte_clear(...) ((void)0)
#define set_huge_pte_at(...) ((void)0)
#define hugetlb_count_sub(...) ((void)0)
#define hugetlb_remove_rmap(folio) OP("folio_remove_rmap_pmd")
#define folio_mapped(folio) 0
#define tlb_flush_pud_range(tlb, address, size) ((void)0)
#define tlb_flush_p4d_range(tlb, address, size) ((void)0)
#define __tlb_remove_tlb_entry(tlb, ptep, address) ((void)0)
