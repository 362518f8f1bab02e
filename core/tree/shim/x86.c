/* SPDX-License-Identifier: GPL-2.0-only */
/* x86: its entry points. */
#include "driver.h"
#include "driver_gather.h"
#include "driver_smp.h"

DEFINE_PER_CPU(struct tlb_state, cpu_tlbstate);
#define MM_FIELDS(name, mm)                                                                                   \
	FIELD(name ".context", mm_context_t, &(mm)->context, ctx_id),                                         \
	FIELD(name ".context", mm_context_t, &(mm)->context, tlb_gen)
#define TLBSTATE(field) FIELD("tlbstate", struct tlb_state, &cpu_tlbstate, field)
#define CTX(n)                                                                                                \
	{ "ctxs[" #n "].ctx_id", (u64)&cpu_tlbstate.ctxs[n].ctx_id, 8 },                                      \
	{ "ctxs[" #n "].tlb_gen", (u64)&cpu_tlbstate.ctxs[n].tlb_gen, 8 }

const struct place places[] = {
	MM_PLACES, MM_FIELDS("mm", MM), FIELD("mm.context", mm_context_t, &MM->context, next_trim_cpumask),
	MM_FIELDS("other_mm", OTHER_MM), FIELD("other_mm", struct mm_struct, OTHER_MM, pgd),
	MM_FIELDS("init_mm", &init_mm), FIELD("init_mm", struct mm_struct, &init_mm, pgd),
	TLBSTATE(loaded_mm), TLBSTATE(last_user_mm), TLBSTATE(loaded_mm_asid), TLBSTATE(next_asid),
	TLBSTATE(invalidate_other), TLBSTATE(user_pcid_flush_mask), TLBSTATE(cr4),
	CTX(0), CTX(1), CTX(2), CTX(3), CTX(4), CTX(5),
	{ "is_lazy", (u64)&cpu_tlbstate_shared.is_lazy, sizeof(bool) },
	{ }
};

/* flush_tlb_range() of hugetlb. */
u64 enter_flush_tlb_huge(u64 start, u64 end)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_start = start, .vm_end = end, .vm_flags = VM_HUGETLB };

	flush_tlb_range(&vma, start, end);
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

#if KVER >= 612
u64 enter_flush_tlb_batched_pending(void)
{
	arch_flush_tlb_batched_pending(MM);
	return 0;
}
#endif

u64 enter_flush_tlb_kernel_range(u64 start, u64 end)
{
	flush_tlb_kernel_range(start, end);
	return 0;
}

/* The request of another CPU; it is of the mm if `has_mm`, and of generation `gen`. */
u64 enter_flush_tlb_func(u64 start, u64 end, u64 shift_and_mm, u64 gen)
{
	struct flush_tlb_info info = {
		.mm = shift_and_mm & HAS_MM ? MM : NULL, .start = start, .end = end, .new_tlb_gen = gen,
		.initiating_cpu = CPU + 1, .stride_shift = shift_and_mm >> 8,
	};

	flush_tlb_func(&info);
	return 0;
}

u64 enter_switch_in(void)
{
	switch_mm_irqs_off(OTHER_MM, MM, NULL);
	return 0;
}

u64 enter_switch_out(void)
{
	switch_mm_irqs_off(MM, OTHER_MM, NULL);
	return 0;
}

u64 enter_lazy(void)
{
	enter_lazy_tlb(MM, NULL);
	return 0;
}

/* A batch is its task's own: it is given, and what has become of it is the last operation. */
u64 enter_tlbbatch_add_pending(u64 address, u64 mask)
{
	struct arch_tlbflush_unmap_batch batch = { .cpumask = {{ mask }} };

#if KVER >= 612
	arch_tlbbatch_add_pending(&batch, MM, address);
#else
	arch_tlbbatch_add_mm(&batch, MM);
#endif
	OP1("batch", batch.cpumask.bits[0]);
	return 0;
}

u64 enter_tlbbatch_flush(u64 mask)
{
	struct arch_tlbflush_unmap_batch batch = { .cpumask = {{ mask }} };

	arch_tlbbatch_flush(&batch);
	OP1("batch", batch.cpumask.bits[0]);
	return 0;
}
