/* SPDX-License-Identifier: GPL-2.0-only */
/* arc: an entry at a time is looked for and erased, or the mm takes a new ASID on this CPU. */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_TRANSPARENT_HUGEPAGE 1
#define CONFIG_PGTABLE_LEVELS 2
#define PAGE_SHIFT 13
#define PMD_SHIFT 21
#include "current_mm.h"
#include "mm.h"
#include "smp_calls.h"

typedef struct { unsigned long asid[NR_CPUS]; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#include "gather.h"
#define destroy_context(mm) OP("drop_mmu_context")
#define get_new_mmu_context(mm) ((void)0)
#define tlb_entry_erase(address_and_asid) OP1("tlb_entry_erase", address_and_asid)
#include "flushes.h"
#include <asm/mmu_context.h>
