/* SPDX-License-Identifier: GPL-2.0-only */
/* xtensa with 32 entries per TLB: an entry at a time is looked for, or the mm takes a new ASID on this CPU. */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 2
#define PMD_SHIFT 22
/* Whose page tables this CPU is on is asked each time. */
#define current (&(struct task_struct){ .active_mm = OP("current->active_mm") ? (struct mm_struct *)0x200000001000UL : NULL })
#include "mm.h"
#include "smp_calls.h"

typedef struct { unsigned long asid[NR_CPUS]; unsigned int cpu; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#include "gather.h"
#define NO_CONTEXT 0
#define PAGE_OFFSET 0xd0000000UL
#define ITLB_ARF_WAYS 4
#define DTLB_ARF_WAYS 4
#define XCHAL_ITLB_ARF_ENTRIES_LOG2 3
#define XCHAL_DTLB_ARF_ENTRIES_LOG2 3
#define _TLB_ENTRIES (DTLB_ARF_WAYS << XCHAL_DTLB_ARF_ENTRIES_LOG2)
#define ASID_INSERT(asid) (asid)
#define get_rasid_register() 0
#define set_rasid_register(value) OP1("wsr rasid", value)
#define activate_context(mm, cpu) ((void)0)
#define invalidate_itlb_mapping(address) ((void)0)
#define invalidate_dtlb_mapping(address) OP1("idtlb", address)
#include "flushes.h"
