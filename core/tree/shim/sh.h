/* SPDX-License-Identifier: GPL-2.0-only */
/* sh of SH-X3, a UTLB of 64 entries: one entry at a time, or a new context. */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 3
#include "current_mm.h"
#include "mm.h"
#include "smp_calls.h"

typedef struct { unsigned long id[NR_CPUS]; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#include "gather.h"
#define MMU_NTLB_ENTRIES 64
#define get_asid() 0UL
#define set_asid(asid) ((void)0)
#define activate_context(mm, cpu) OP("drop_mmu_context")
#define local_flush_tlb_one(asid, page) OP2("local_flush_tlb_one", page, asid)
#include "flushes.h"
#include <asm/mmu_context.h>
