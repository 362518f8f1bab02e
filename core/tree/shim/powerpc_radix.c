/* SPDX-License-Identifier: GPL-2.0-only */
/* powerpc radix: its entry points. The arguments behind the fourth are those of the shim. */
#include "driver.h"
#include "driver_gather.h"
#include "driver_smp.h"

#define CONTEXT(field) FIELD("mm.context", mm_context_t, &MM->context, field)

const struct place places[] = { MM_PLACES, CONTEXT(id), CONTEXT(active_cpus), CONTEXT(copros), { } };

void tlb_flush(struct mmu_gather *tlb)
{
	radix__tlb_flush(tlb);
}

/* radix__tlb_flush() of pages of `page_size` bytes. */
u64 enter_radix_tlb_flush(u64 start, u64 end, u64 bits, u64 page_size)
{
	GATHER(tlb, start, end, bits);

	tlb.page_size = page_size;
	radix__tlb_flush(&tlb);
	return 0;
}

u64 enter_flush_pmd_tlb_range(u64 start, u64 end)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_start = start, .vm_end = end };

	radix__flush_pmd_tlb_range(&vma, start, end);
	return 0;
}

u64 enter_flush_tlb_collapsed_pmd(u64 address)
{
	radix__flush_tlb_collapsed_pmd(MM, address);
	return 0;
}

u64 enter_flush_tlb_kernel_range(void)
{
	radix__flush_tlb_kernel_range(0, PAGE_SIZE);
	return 0;
}

u64 enter_pte_needs_flush(u64 old, u64 new)
{
	return pte_needs_flush((pte_t){ old }, (pte_t){ new });
}

u64 enter_huge_pmd_needs_flush(u64 old, u64 new)
{
	return huge_pmd_needs_flush((pmd_t){ old }, (pmd_t){ new });
}

u64 enter_exit_lazy_flush_tlb(void)
{
	do_exit_flush_lazy_tlb(MM);
	return 0;
}
