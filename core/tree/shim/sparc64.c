/* SPDX-License-Identifier: GPL-2.0-only */
/* sparc64: its entry points. */
#include "driver.h"
#include "queue.h"
#include "driver_smp.h"

#define BATCH(field) FIELD("tlb_batch", struct tlb_batch, &tlb_batch, field)
#define CONTEXT(field) FIELD("mm.context", mm_context_t, &MM->context, field)
DEFINE_PER_CPU(struct mm_struct *, per_cpu_secondary_mm);
unsigned long xcall_flush_tlb_mm, xcall_flush_tlb_page, xcall_flush_tlb_kernel_range;

const struct place places[] = {
	MM_PLACES, CONTEXT(lock), CONTEXT(sparc64_ctx_val), CONTEXT(hugetlb_pte_count), CONTEXT(thp_pte_count),
	BATCH(hugepage_shift), BATCH(mm), BATCH(tlb_nr), BATCH(active), BATCH(vaddrs),
	WORD("xcall_flush_tlb_mm", &xcall_flush_tlb_mm), WORD("xcall_flush_tlb_page", &xcall_flush_tlb_page),
	{ }
};

/* An entry that was valid has been changed: what __set_pte_at() does behind the store. */
u64 enter_changed(u64 address)
{
	maybe_tlb_batch_add(MM, address, PTE, __pte(_PAGE_VALID), 0, PAGE_SHIFT);
	return 0;
}

/* A huge entry was cleared: what set_pmd_at() does behind the store. */
u64 enter_changed_huge(u64 address)
{
	__set_pmd_acct(MM, address, __pmd(_PAGE_VALID | _PAGE_PMD_HUGE), __pmd(0));
	return 0;
}

u64 enter_tlb_flush(void)
{
	tlb_flush((struct mmu_gather *)0);
	return 0;
}

u64 enter_switch_mm(void)
{
	switch_mm(OTHER_MM, MM, NULL);
	return 0;
}
