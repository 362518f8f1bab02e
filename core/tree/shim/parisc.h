/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parisc PA 2.0: pdtlb and pitlb, which are broadcast, page by page; from a threshold on everything, on every CPU.
 *
 * What is cached of a page is gone when both have purged it, in the mm's space.  The threshold is the least that
 * calibration allows.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_64BIT 1
#define CONFIG_PGTABLE_LEVELS 3
#include "mm.h"
#include "smp_calls.h"
typedef struct { unsigned long space_id; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#include "gather.h"
#define SR_TEMP1 1
#define mtsp(value, register) OP1("mtsp", value)
#define pdtlb(register, address) OP1("pdtlb", address)
#define pitlb(register, address) OP1("pitlb", address)
#define purge_tlb_start(flags) ((void)((flags) = 0))
#define purge_tlb_end(flags) ((void)(flags))
#define arch_irqs_disabled() 0
#define parisc_tlb_flush_threshold 0x4000UL

/* ---- space IDs are not recycled ---- */

#define __inc_irq_stat(counter) ((void)0)
#define dirty_space_ids 0
#define RECYCLE_THRESHOLD 1
#define get_dirty_sids(number, array) ((void)0)
#define recycle_sids(number, array) ((void)0)
static spinlock_t sid_lock;
static unsigned int recycle_inuse, recycle_ndirty;
static unsigned long recycle_dirty_array[1];
static inline void flush_tlb_all_local(void *unused) { OP("flush_tlb_all_local"); }
void flush_tlb_all(void);
int __flush_tlb_range(unsigned long sid, unsigned long start, unsigned long end);
#include <asm/pgtable.h>
#include <asm/tlbflush.h>
