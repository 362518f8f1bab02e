/* SPDX-License-Identifier: GPL-2.0-only */
/* s390: its entry points. */
#include "driver.h"
#include "driver_gather.h"

struct lowcore lowcores[NR_CPUS];
typeof(s390_invalid_asce) s390_invalid_asce;
#define CONTEXT(field) FIELD("mm.context", mm_context_t, &MM->context, field)

const struct place places[] = {
	MM_PLACES,
	CONTEXT(lock), CONTEXT(cpu_attach_mask), CONTEXT(flush_count), CONTEXT(flush_mm), CONTEXT(asce),
	CONTEXT(asce_limit), CONTEXT(gmap_asce),
	{ "other_mm.cpu_attach_mask", (u64)&OTHER_MM->context.cpu_attach_mask, 8 },
	{ "other_mm", (u64)OTHER_MM, sizeof(struct mm_struct) },
	{ }
};

u64 enter_ptep_get_and_clear(u64 address)
{
	return ptep_get_and_clear(MM, address, PTE).pte;
}

u64 enter_ptep_get_and_clear_full(u64 address, u64 full)
{
	return ptep_get_and_clear_full(MM, address, PTE, full).pte;
}

u64 enter_ptep_clear_flush(u64 address)
{
	struct vm_area_struct vma = { .vm_mm = MM };

	return ptep_clear_flush(&vma, address, PTE).pte;
}

u64 enter_ptep_clear_flush_young(u64 address)
{
	struct vm_area_struct vma = { .vm_mm = MM };

	return ptep_clear_flush_young(&vma, address, PTE);
}

u64 enter_ptep_set_wrprotect(u64 address)
{
	ptep_set_wrprotect(MM, address, PTE);
	return 0;
}

u64 enter_pmdp_huge_get_and_clear(u64 address, u64 full)
{
	struct vm_area_struct vma = { .vm_mm = MM };

	return pmdp_huge_get_and_clear_full(&vma, address, PMD, full).pmd;
}

u64 enter_pmdp_invalidate(u64 address)
{
	struct vm_area_struct vma = { .vm_mm = MM };

	return pmdp_invalidate(&vma, address, PMD).pmd;
}

u64 enter_pmdp_collapse_flush(u64 address)
{
	struct vm_area_struct vma = { .vm_mm = MM };

	return pmdp_collapse_flush(&vma, address, PMD).pmd;
}

u64 enter_attach(void)
{
	switch_mm(OTHER_MM, MM, current);
	finish_arch_post_lock_switch();
	return 0;
}

u64 enter_detach(void)
{
	switch_mm(MM, OTHER_MM, current);
	return 0;
}

u64 enter_activate_mm(void)
{
	activate_mm(OTHER_MM, MM);
	return 0;
}
