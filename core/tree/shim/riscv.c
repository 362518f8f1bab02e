/* SPDX-License-Identifier: GPL-2.0-only */
/* riscv: its entry points. */
#include "driver.h"
#include "driver_gather.h"

struct hstate hstate __attribute__((section("rt_const")));
#if KVER < 612
unsigned long asid_mask __attribute__((section("rt_const"))) = 0xffff;
struct static_key_true use_asid_allocator __attribute__((section("rt_const"))) = { 1 };
#endif
#define BATCH ((struct arch_tlbflush_unmap_batch *)0x200000200000UL)

const struct place places[] = {
	MM_PLACES, FIELD("mm.context", mm_context_t, &MM->context, id), WORD("batch.cpumask", BATCH), { }
};

#if KVER >= 612
u64 enter_tlbbatch_add_pending(u64 address)
{
	arch_tlbbatch_add_pending(BATCH, MM, address);
	return 0;
}

u64 enter_tlbbatch_flush(void)
{
	arch_tlbbatch_flush(BATCH);
	return 0;
}

u64 enter_flush_tlb_batched_pending(void)
{
	arch_flush_tlb_batched_pending(MM);
	return 0;
}
#endif
