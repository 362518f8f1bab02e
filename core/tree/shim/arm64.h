/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arm64: TLBI, which is broadcast, and DSB, which completes it; capabilities of the CPUs are constants.
 *
 * How many pages an entry of each level maps is an argument of the entry point, so that C computes with the tables of
 * small models.  context.c has few ASIDs (asids.h), of which nobody pins one.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 4
#define CONFIG_MMU_GATHER_TABLE_FREE 1
#define CONFIG_MMU_GATHER_RCU_TABLE_FREE 1
extern u64 rt_arguments[256];
#define PMD_SHIFT (12 + rt_arguments[4])
#define PUD_SHIFT (12 + rt_arguments[5])
#define P4D_SHIFT (12 + rt_arguments[6])
#include "mm.h"
#define PGDIR_SHIFT P4D_SHIFT

#include "asids.h"

#define dsb(domain) OP("dsb " #domain)
#define isb() OP("isb")
#define __TLBI_0(operation, arg) OP("tlbi " #operation)
/* What is read of the mm's ASID is 1; what is of another one has another name. */
#define __TLBI_1(operation, arg) \
	OP1((u64)(arg) >> 48 == 1 ? "tlbi " #operation : "tlbi " #operation " of another ASID", arg)

enum {
	ARM64_HAS_ARMv8_4_TTL, ARM64_WORKAROUND_REPEAT_TLBI, ARM64_UNMAP_KERNEL_AT_EL0, ARM64_HAS_TLB_RANGE,
	ARM64_HAS_CNP, ARM64_HAS_LPA2, ARM64_CAPABILITIES,
};
static long capability[ARM64_CAPABILITIES] __attribute__((section("rt_const"))) = { [ARM64_HAS_ARMv8_4_TTL] = 1 };
#define alternative_has_cap_unlikely(cap) (capability[cap] != 0)
#define alternative_has_cap_likely alternative_has_cap_unlikely
#define alternative_has_feature_unlikely alternative_has_cap_unlikely
#define alternative_has_feature_likely alternative_has_cap_unlikely
#define cpus_have_const_cap alternative_has_cap_unlikely
#define cpus_have_final_cap alternative_has_cap_unlikely
#define system_supports_tlb_range() (capability[ARM64_HAS_TLB_RANGE] != 0)
#define lpa2_is_enabled() (capability[ARM64_HAS_LPA2] != 0)
#define pgtable_l4_enabled() 1
#define system_supports_cnp() (capability[ARM64_HAS_CNP] != 0)
#define system_uses_ttbr0_pan() 0
#define arm64_apply_bp_hardening() ((void)0)
#define post_ttbr_update_workaround() ((void)0)
#define update_saved_ttbr0(task, mm) ((void)0)

/* ---- page tables of user code: TTBR0, whose ASID is in TTBR1 ---- */

#define write_sysreg(value, name) OP1("msr " #name, value)
#define read_sysreg(name) 0UL
#define TTBR_CNP_BIT 1UL
#define phys_to_ttbr(address) ((u64)(address))
#define virt_to_phys(p) ((u64)(p))
#define __pa_symbol(p) ((u64)(p))
#define reserved_pg_dir ((pgd_t *)0x200000700000UL)
#define swapper_pg_dir ((pgd_t *)0x200000701000UL)

#define pte_free(mm, table) FREE_NOW(table)
#define pmd_free(mm, table) FREE_NOW(table)
#define pud_free(mm, table) FREE_NOW(table)
typedef void *bp_hardening_cb_t;
struct arch_tlbflush_unmap_batch { int unused; };

#include <asm/mmu.h>
DEFINE_MM_STRUCT(mm_context_t)
void tlb_remove_table(struct mmu_gather *tlb, void *table);
#include <asm/tlb.h>
#include <asm/pgtable.h>
void check_and_switch_context(struct mm_struct *mm);
void cpu_do_switch_mm(phys_addr_t pgd_phys, struct mm_struct *mm);
#include <asm/mmu_context.h>
