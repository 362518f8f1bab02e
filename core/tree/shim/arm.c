/* SPDX-License-Identifier: GPL-2.0-only */
/* arm: its entry points. */
#include "driver.h"
#include "driver_kernel.h"

const struct place places[] = { MM_PLACES, FIELD("mm.context", mm_context_t, &MM->context, id), { } };
