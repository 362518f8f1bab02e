/* SPDX-License-Identifier: GPL-2.0-only */
/* powerpc hash: its entry points. */
#include "driver.h"
#include "queue.h"

#define BATCH(field) FIELD("batch", struct ppc64_tlb_batch, &ppc64_tlb_batch, field)
DEFINE_PER_CPU(struct ppc64_tlb_batch, ppc64_tlb_batch);

const struct place places[] = {
	MM_PLACES, FIELD("mm.context", mm_context_t, &MM->context, active_cpus),
	BATCH(active), BATCH(index), BATCH(mm), BATCH(pte), BATCH(vpn), BATCH(psize), BATCH(ssize), { }
};

u64 enter_changed(u64 address)
{
	hpte_need_flush(MM, address, PTE, 1, 0);
	return 0;
}

u64 enter_tlb_flush(void)
{
	hash__tlb_flush((struct mmu_gather *)0);
	return 0;
}
