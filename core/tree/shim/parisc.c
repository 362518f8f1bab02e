/* SPDX-License-Identifier: GPL-2.0-only */
/* parisc: its entry points, and assembly that it calls. */
#include "driver.h"
#include "driver_smp.h"

const struct place places[] = { MM_PLACES, FIELD("mm.context", mm_context_t, &MM->context, space_id), { } };

void flush_tlb_all_local(void *unused)
{
	OP("flush_tlb_all_local");
}
