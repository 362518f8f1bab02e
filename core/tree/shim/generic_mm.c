/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions of mm/, one by one.
 *
 * rt_arguments: the three shifts (PMD_SHIFT, PUD_SHIFT, P4D_SHIFT), then what each entry point says.
 */
#include "driver.h"

#define TLB ((struct mmu_gather *)0x200000e00000UL) /* one whose fields are the model's */

const struct place places[] = {
	MM_PLACES, { "entry", ENTRY_BASE, PMD_BASE - ENTRY_BASE },
	WORD("hugetlb_lock", &hugetlb_lock), WORD("second_lock", SECOND_LOCK), WORD("pmd_lock", PMD_LOCK),
	FIELD("page", struct page, PAGE, mapping), FIELD("table", struct page, SHARED_TABLE, pt_share_count),
	FIELD("tlb", struct mmu_gather, TLB, unshared_tables), FIELD("tlb", struct mmu_gather, TLB, fully_unshared_tables),
	FIELD("mm", struct mm_struct, MM, tlb_flush_batched),
	FIELD("ubc", struct tlbflush_unmap_batch, THIS_TASK, flush_required),
	FIELD("ubc", struct tlbflush_unmap_batch, THIS_TASK, writable),
	{ "pmd", PMD_BASE, PUD_BASE - PMD_BASE }, { "pud", PUD_BASE, P4D_BASE - PUD_BASE }, { "p4d", P4D_BASE, 0x80000 },
	{ }
};

const struct vm_operations_struct file_operations = { .page_mkwrite = handle_pte_fault };

#define ARGUMENT(n) rt_arguments[4 + (n)]
#define GATHER_OF(mm_, full) { .mm = (mm_), .fullmm = (full) }

/* start, end, VMA flags, fullmm */
u64 enter_unmap_page_range(void)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = ARGUMENT(2) };
	struct mmu_gather tlb = GATHER_OF(MM, ARGUMENT(3));

	unmap_page_range(&tlb, &vma, ARGUMENT(0), ARGUMENT(1), NULL);
	return 0;
}

/* start, end */
u64 enter_copy_pte_range(void)
{
	struct vm_area_struct dst = { .vm_mm = MM, .vm_flags = V_ANONYMOUS | V_COW }, src = dst;
	pmd_t *pmd = pmd_offset(NULL, ARGUMENT(0));

	return copy_pte_range(&dst, &src, pmd, pmd, ARGUMENT(0), ARGUMENT(1));
}

/* start, end, VMA flags, cp_flags */
u64 enter_change_protection(void)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = ARGUMENT(2) };
	struct mmu_gather tlb = GATHER_OF(MM, false);
	pgprot_t newprot = { 0 };

	change_protection_range(&tlb, &vma, ARGUMENT(0), ARGUMENT(1), newprot, ARGUMENT(3));
	return 0;
}

/* old start, new start, length, need_rmap_locks */
u64 enter_move_page_tables(void)
{
	struct vm_area_struct vma = { .vm_mm = MM }, new_vma = { .vm_mm = MM };

#if KVER >= 607
	move_page_tables(&vma, ARGUMENT(0), &new_vma, ARGUMENT(1), ARGUMENT(2), ARGUMENT(3), false);
#else
	move_page_tables(&vma, ARGUMENT(0), &new_vma, ARGUMENT(1), ARGUMENT(2), ARGUMENT(3));
#endif
	return 0;
}

/* address, VMA flags, is it a store?  Returns whether the access is to be tried again */
u64 enter_handle_pte_fault(void)
{
	struct vm_area_struct vma = {
		.vm_mm = MM, .vm_flags = ARGUMENT(1) | V_SHARED | VM_WRITE, .vm_ops = &file_operations
	};
	struct vm_fault vmf = {
		.vma = &vma, .address = ARGUMENT(0), .flags = ARGUMENT(2) ? FAULT_FLAG_WRITE : 0, .pmd = pmd_offset(NULL, ARGUMENT(0))
	};

	return !(handle_pte_fault(&vmf) & VM_FAULT_ERROR);
}

/* address */
u64 enter_do_anonymous_page(void)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = VM_WRITE };
	struct vm_fault vmf = {
		.vma = &vma, .address = ARGUMENT(0), .flags = FAULT_FLAG_WRITE | FAULT_FLAG_ORIG_PTE_VALID,
		.pmd = pmd_offset(NULL, ARGUMENT(0))
	};

	return do_anonymous_page(&vmf);
}

/* address */
u64 enter_ptep_clear_flush(void)
{
	struct vm_area_struct vma = { .vm_mm = MM };

	ptep_clear_flush(&vma, ARGUMENT(0), ENTRY(ARGUMENT(0)));
	return 0;
}

u64 enter_ptep_clear_flush_young(void)
{
	struct vm_area_struct vma = { .vm_mm = MM };

	return ptep_clear_flush_young(&vma, ARGUMENT(0), ENTRY(ARGUMENT(0)));
}

u64 enter_pmdp_collapse_flush(void)
{
	struct vm_area_struct vma = { .vm_mm = MM };

	pmdp_collapse_flush(&vma, ARGUMENT(0), pmd_offset(NULL, ARGUMENT(0)));
	return 0;
}

u64 enter_pmdp_huge_clear_flush(void)
{
	struct vm_area_struct vma = { .vm_mm = MM };

	pmdp_huge_clear_flush(&vma, ARGUMENT(0), pmd_offset(NULL, ARGUMENT(0)));
	return 0;
}

u64 enter_pmdp_invalidate(void)
{
	struct vm_area_struct vma = { .vm_mm = MM };

	pmdp_invalidate(&vma, ARGUMENT(0), pmd_offset(NULL, ARGUMENT(0)));
	return 0;
}

#if KVER >= 609
/* address, VMA flags */
u64 enter_split_huge_pmd(void)
{
	struct vm_area_struct vma = {
		.vm_mm = MM, .vm_flags = ARGUMENT(1), .vm_start = ARGUMENT(0), .vm_end = ARGUMENT(0) + PMD_SIZE
	};
	pmd_t *pmd = pmd_offset(NULL, ARGUMENT(0));
	spinlock_t *ptl = pmd_lock(MM, pmd);

	if (pmd_trans_huge(*pmd))
		__split_huge_pmd_locked(&vma, pmd, ARGUMENT(0), false);
	spin_unlock(ptl);
	return 0;
}
#endif

/* ---- rmap.c: ARGUMENT(0) is the address ---- */

u64 enter_flush_tlb_batched_pending(void)
{
	flush_tlb_batched_pending(MM);
	return 0;
}

/* address, the entry that was cleared */
u64 enter_set_tlb_ubc_flush_pending(void)
{
#if KVER >= 605
	set_tlb_ubc_flush_pending(MM, __pte(ARGUMENT(1)), ARGUMENT(0));
#else
	set_tlb_ubc_flush_pending(MM, pte_dirty(__pte(ARGUMENT(1))));
#endif
	return 0;
}

u64 enter_try_to_unmap_flush(void)
{
	try_to_unmap_flush();
	return 0;
}

u64 enter_try_to_unmap_flush_dirty(void)
{
	try_to_unmap_flush_dirty();
	return 0;
}

u64 enter_page_vma_mkclean_one(void)
{
	struct vm_area_struct vma = { .vm_mm = MM };
	struct page_vma_mapped_walk walk = { .vma = &vma, .address = ARGUMENT(0) };

	return page_vma_mkclean_one(&walk);
}

/* address, enum ttu_flags */
u64 enter_try_to_unmap_one(void)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = V_ANONYMOUS };

	return try_to_unmap_one(page_folio(PAGE), &vma, ARGUMENT(0), (void *)ARGUMENT(1));
}

u64 enter_try_to_migrate_one(void)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = V_ANONYMOUS };

	return try_to_migrate_one(page_folio(PAGE), &vma, ARGUMENT(0), (void *)ARGUMENT(1));
}

/* ---- migrate.c ---- */

u64 enter_remove_migration_pte(void)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = V_ANONYMOUS };
#if KVER >= 612
	struct rmap_walk_arg argument = { .folio = page_folio(PAGE) };
#else
	struct folio *old = page_folio(PAGE);
#define argument (*old)
#endif

	return remove_migration_pte(page_folio(PAGE), &vma, ARGUMENT(0), &argument);
}

/* ---- migrate_device.c ---- */

/* start, end */
u64 enter_migrate_vma_collect_pmd(void)
{
	struct vm_area_struct vma = { .vm_mm = MM };
	unsigned long src[8] = { 0 }, dst[8] = { 0 };
	struct migrate_vma migrate = { .vma = &vma, .src = src, .dst = dst, .flags = MIGRATE_VMA_SELECT_SYSTEM };
	struct mm_walk walk = { .vma = &vma, .private = &migrate };

	return migrate_vma_collect_pmd(pmd_offset(NULL, ARGUMENT(0)), ARGUMENT(0), ARGUMENT(1), &walk);
}

/* ---- madvise.c ---- */

/* start, end, VMA flags */
u64 enter_madvise_free_pte_range(void)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = ARGUMENT(2) };
	struct mmu_gather tlb = GATHER_OF(MM, false);
	struct mm_walk walk = { .vma = &vma, .private = &tlb };

	return madvise_free_pte_range(pmd_offset(NULL, ARGUMENT(0)), ARGUMENT(0), ARGUMENT(1), &walk);
}

/* start, end, VMA flags, whether the pages are reclaimed */
u64 enter_madvise_cold_or_pageout_pte_range(void)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = ARGUMENT(2) };
	struct mmu_gather tlb = GATHER_OF(MM, false);
	struct madvise_walk_private private = { .tlb = &tlb, .pageout = ARGUMENT(3) };
	struct mm_walk walk = { .vma = &vma, .private = &private };

	return madvise_cold_or_pageout_pte_range(pmd_offset(NULL, ARGUMENT(0)), ARGUMENT(0), ARGUMENT(1), &walk);
}

/* ---- hugetlb.c ---- */

/* start, end */
u64 enter_unmap_hugepage_range(void)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = VM_HUGETLB };

	__unmap_hugepage_range(TLB, &vma, ARGUMENT(0), ARGUMENT(1), NULL, 0);
	return 0;
}

/* ---- khugepaged.c ---- */

/* address; returns whether it was done */
u64 enter_collapse_huge_page(void)
{
	struct vm_area_struct vma = {
		.vm_mm = MM, .vm_flags = V_ANONYMOUS, .vm_start = ARGUMENT(0), .vm_end = ARGUMENT(0) + PMD_SIZE
	};
	struct collapse_control cc = { .is_khugepaged = true, .vma = &vma };

	return collapse_huge_page(MM, ARGUMENT(0), 1, 0, &cc) == SCAN_SUCCEED;
}

/* address */
u64 enter_retract_page_tables(void)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_start = ARGUMENT(0), .vm_end = ARGUMENT(0) + PMD_SIZE };
	struct address_space mapping = { .vma = &vma };
#if KVER >= 605
	retract_page_tables(&mapping, 0);
#else
	struct collapse_control cc = { .is_khugepaged = true, .vma = &vma };

	retract_page_tables(&mapping, 0, NULL, 0, NULL, &cc);
#endif
	return 0;
}
