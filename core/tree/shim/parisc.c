/* SPDX-License-Identifier: GPL-2.0-only */
/* parisc: its entry points. */
#include "driver.h"
#include "driver_kernel.h"
#include "driver_smp.h"

const struct place places[] = { MM_PLACES, FIELD("mm.context", mm_context_t, &MM->context, space_id), { } };

/* What set_ptes() does behind the store of each entry. */
u64 enter_purge(u64 address, u64 nr)
{
	for (u64 i = 0; i < nr; i++)
		purge_tlb_entries(MM, address + i * PAGE_SIZE);
	return 0;
}
