/* SPDX-License-Identifier: GPL-2.0-only */
/* sparc32: its entry points. */
#include "driver.h"
#include "driver_kernel.h"

const struct place places[] = { MM_PLACES, WORD("mm.context", &MM->context), { } };
