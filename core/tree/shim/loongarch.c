/* SPDX-License-Identifier: GPL-2.0-only */
/* loongarch: its entry points. */
#include "driver.h"
#include "driver_kernel.h"
#include "driver_smp.h"

struct cpuinfo_loongarch cpu_data[NR_CPUS];
#define CONTEXT(cpu) { "context[" #cpu "]", (u64)&MM->context.asid[cpu], 8 }

const struct place places[] = {
	MM_PLACES, CONTEXT(0), CONTEXT(1), CONTEXT(2), CONTEXT(3), CONTEXT(15), { "cpu_data", (u64)cpu_data, sizeof cpu_data }, { }
};

u64 enter_tlb_flush(u64 start, u64 end, u64 bits)
{
	GATHER(tlb, start, end, bits);

	tlb_flush(&tlb);
	return 0;
}
