/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * loongarch: INVTLB of a pair of pages, and drop_mmu_context(), which takes the mm a new ASID on this CPU.
 *
 * How ASIDs are given out is not part of the unit.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 3
#define PAGE_SHIFT 14
#define PMD_SHIFT 25
#define PUD_SHIFT 36
#define P4D_SHIFT 36
#define PTRS_PER_PTE 2048
#include "current_mm.h"
#include "mm.h"
#include "smp_calls.h"
#undef PGTABLE_T

typedef struct { u64 asid[NR_CPUS]; void *vdso; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#include "gather.h"
#define vm_flags_init(vma, flags) ((vma)->vm_flags = (flags))

struct cpuinfo_loongarch {
	u64 asid_cache;
	unsigned long asid_mask;
	int tlbsize, tlbsizemtlb, tlbsizestlbsets, tlbsizestlbways;
};
extern struct cpuinfo_loongarch cpu_data[NR_CPUS];
static const struct cpuinfo_loongarch this_cpu_data = { 0, 0x3ff, 64 + 2048, 64, 256, 8 };
#define current_cpu_data this_cpu_data
#define cpu_asid_mask(cpu) 0x3ffUL

enum { INVTLB_CURRENT_ALL, INVTLB_CURRENT_GTRUE, INVTLB_CURRENT_GFALSE, INVTLB_GFALSE_AND_ASID,
       INVTLB_ADDR_GFALSE_AND_ASID, INVTLB_ADDR_GTRUE_OR_ASID };
#define invtlb_addr(operation, info, address) invtlb(operation, info, address)
#define local_flush_tlb_kernel() OP("local_flush_tlb_all")
#define invtlb(operation, asid, address) OP2("invtlb " #operation, address, asid)

#include "flushes.h"
static inline void drop_mmu_context(struct mm_struct *mm, unsigned int cpu) { OP("drop_mmu_context"); }
#include <asm/mmu_context.h>
#include <asm/tlb.h>
