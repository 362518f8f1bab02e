/* SPDX-License-Identifier: GPL-2.0-only */
/* mips: its entry points. */
#include "driver.h"
#include "driver_kernel.h"
#include "driver_smp.h"

struct cpuinfo_mips cpu_data[NR_CPUS];
#define CONTEXT(cpu) { "context[" #cpu "]", (u64)&MM->context.asid[cpu], 8 }

const struct place places[] = {
	MM_PLACES, CONTEXT(0), CONTEXT(1), CONTEXT(2), CONTEXT(3), CONTEXT(15), { "cpu_data", (u64)cpu_data, sizeof cpu_data }, { }
};
