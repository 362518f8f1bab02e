/* SPDX-License-Identifier: GPL-2.0-only */
/* arm64: its entry points. */
#include "driver.h"
#include "driver_kernel.h"
#include "driver_gather.h"

const struct place places[] = {
	MM_PLACES, FIELD("mm.context", mm_context_t, &MM->context, id), ASID_PLACES,
	FIELD("next.context", mm_context_t, &OTHER_MM->context, pinned), { }
};

/* asids_init(), which is not run: without a function that writes them the compiler would take them for 0. */
void set_asids(void)
{
	asid_bits = ASID_BITS;
	asid_map = ASID_MAP;
	pinned_asid_map = NULL;
}

/* To another mm, OTHER_MM, from one that is not looked at. */
u64 enter_switch_mm(void)
{
	switch_mm(MM, OTHER_MM, NULL);
	return 0;
}

/* flush_pmd_tlb_range(): one entry maps PMD_SIZE. */
u64 enter_flush_pmd_tlb_range(u64 start, u64 end)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_start = start, .vm_end = end };

	flush_pmd_tlb_range(&vma, start, end);
	return 0;
}

u64 enter_flush_tlb_page_nosync(u64 address)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_start = address, .vm_end = address + PAGE_SIZE };

	flush_tlb_page_nosync(&vma, address);
	return 0;
}

#if KVER >= 612
static struct arch_tlbflush_unmap_batch batch __attribute__((section("rt_const")));

u64 enter_tlbbatch_add_pending(u64 address)
{
	arch_tlbbatch_add_pending(&batch, MM, address);
	return 0;
}

u64 enter_tlbbatch_flush(void)
{
	arch_tlbbatch_flush(&batch);
	return 0;
}

u64 enter_flush_tlb_batched_pending(void)
{
	arch_flush_tlb_batched_pending(MM);
	return 0;
}
#endif
