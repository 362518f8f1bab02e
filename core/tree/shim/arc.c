/* SPDX-License-Identifier: GPL-2.0-only */
/* arc: its entry points. */
#include "driver.h"
#include "driver_kernel.h"
#include "driver_smp.h"

#define CONTEXT(cpu) { "context[" #cpu "]", (u64)&MM->context.asid[cpu], 8 }

const struct place places[] = { MM_PLACES, CONTEXT(0), CONTEXT(1), CONTEXT(2), CONTEXT(3), CONTEXT(15), { } };
