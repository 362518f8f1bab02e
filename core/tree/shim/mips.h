/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mips without GINVT: a pair of pages is looked for in the TLB by entryhi, and overwritten.
 *
 * With interrupts off nobody else sees the steps of that: the entries that are written up to the last entryhi, which
 * puts the old one back, are one operation of the model.  A probe finds what entryhi was when it had settled (a hazard
 * barrier behind it), and always hits: the model knows what is there.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_64BIT 1
#define CONFIG_PGTABLE_LEVELS 3
#define PMD_SHIFT 21
#define PUD_SHIFT 30
#define P4D_SHIFT 30
#include "current_mm.h"
#include "mm.h"
#include "smp_calls.h"

typedef struct { u64 asid[NR_CPUS]; atomic64_t mmid; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
#include "gather.h"

struct cpuinfo_mips { u64 asid_cache; };
extern struct cpuinfo_mips cpu_data[NR_CPUS];
static const struct { int tlbsize, tlbsizeftlbsets; } this_cpu_data = { 64, 0 };
#define current_cpu_data this_cpu_data
#define cpu_asid_mask(cpu) 0x3ffUL
#define cpu_has_mmid 0

#define OLD_ENTRYHI 0xffffffff80000000UL /* also where it is kept as an int */
#define UNIQUE_ENTRYHI(index) (0x8000000000000000UL + ((u64)(index) << 13))
#define read_c0_entryhi() OLD_ENTRYHI
#define write_c0_entryhi(value) OP1("mtc0 entryhi", value)
#define write_c0_entrylo0(value) ((void)0)
#define write_c0_entrylo1(value) ((void)0)
#define tlb_probe() OP("tlbp")
#define read_c0_index() 0
#define tlb_write_indexed() OP("tlbwi")
#define read_c0_memorymapid() 0
#define write_c0_memorymapid(value) ((void)0)
#define ginvt_va_mmid(address) OP("BUG")
#define sync_ginv() ((void)0)
#define htw_stop() ((void)0)
#define htw_start() ((void)0)
#define mtc0_tlbw_hazard() OP("hazard mtc0")
#define tlb_probe_hazard() OP("hazard tlbp")
#define tlbw_use_hazard() ((void)0)
#define instruction_hazard() ((void)0)
#define flush_micro_tlb() ((void)0)
#define flush_micro_tlb_vm(vma) ((void)0)

void local_flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void local_flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
void flush_tlb_mm(struct mm_struct *mm);
void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
#define local_flush_tlb_all() OP("local_flush_tlb_all")
void local_flush_tlb_kernel_range(unsigned long start, unsigned long end);
void flush_tlb_kernel_range(unsigned long start, unsigned long end);
static inline void drop_mmu_context(struct mm_struct *mm) { OP("drop_mmu_context"); }
#include <asm/mmu_context.h>
