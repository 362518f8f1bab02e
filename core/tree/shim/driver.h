/* SPDX-License-Identifier: GPL-2.0-only */
/* Entry points that every architecture has, and the places that operations are named by. Included behind the tree. */
#pragma once

/* What stands at an address: operations on it are named by it. The list ends with an empty one. */
struct place { const char *name; u64 address, size; };
#define FIELD(name, type, at, field) { name "." #field, (u64)(at) + offsetof(type, field), sizeof(((type *)0)->field) }
#define WORD(name, at) { name, (u64)(at), 8 }

#define MM ((struct mm_struct *)0x200000001000UL)  /* the mm that is explored */
#define OTHER_MM ((struct mm_struct *)0x200000002000UL)
#define TABLE ((void *)0x200000100000UL)           /* a page table that is being freed */
#define PTE ((pte_t *)0x200000400000UL)
#define PMD ((pmd_t *)0x200000500000UL)
#define MM_PLACES                                                        \
	{ "mm_cpumask", (u64)MM + offsetof(struct mm_struct, cpu_bitmap), 8 },  \
	FIELD("mm", struct mm_struct, MM, mm_users), FIELD("mm", struct mm_struct, MM, pgd), \
	{ "other_mm_cpumask", (u64)OTHER_MM + offsetof(struct mm_struct, cpu_bitmap), 8 },   \
	WORD("pte", PTE), WORD("pmd", PMD), WORD("cpu_online_mask", &__cpu_online_mask)

#ifndef init_mm
struct mm_struct init_mm;
#endif
struct task_struct rt_current __attribute__((section("rt_const"))) = { .mm = MM, .active_mm = MM, .pid = 1 };
cpumask_t __cpu_online_mask __attribute__((section("rt_const"))) = {{ 0xff }};

/* Bits of a gather, as core/tree/gather.py packs them. */
enum { G_FULLMM = 1, G_FREED = 2, G_PTES = 4, G_PMDS = 8, G_PUDS = 16, G_P4DS = 32, G_ALL = 64, G_UNSHARED = 128 };
#define GATHER(name, from, to, bits)                                                                       \
	struct mmu_gather name = {                                                                         \
		.mm = MM, .start = (from), .end = (to), .fullmm = !!((bits) & G_FULLMM),                   \
		.freed_tables = !!((bits) & G_FREED), .cleared_ptes = !!((bits) & G_PTES),                 \
		.cleared_pmds = !!((bits) & G_PMDS), .cleared_puds = !!((bits) & G_PUDS),                  \
		.cleared_p4ds = !!((bits) & G_P4DS), .need_flush_all = !!((bits) & G_ALL),                 \
		.unshared_tables = !!((bits) & G_UNSHARED),                                                \
	}
#define GATHER_BITS(tlb)                                                                                   \
	((tlb)->fullmm * G_FULLMM | (tlb)->freed_tables * G_FREED | (tlb)->cleared_ptes * G_PTES |         \
	 (tlb)->cleared_pmds * G_PMDS | (tlb)->cleared_puds * G_PUDS | (tlb)->cleared_p4ds * G_P4DS |      \
	 (tlb)->need_flush_all * G_ALL | (tlb)->unshared_tables * G_UNSHARED)

u64 enter_flush_tlb_mm(void)
{
	flush_tlb_mm(MM);
	return 0;
}

u64 enter_flush_tlb_range(u64 start, u64 end)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_start = start, .vm_end = end };

	flush_tlb_range(&vma, start, end);
	return 0;
}

u64 enter_flush_tlb_page(u64 address)
{
	struct vm_area_struct vma = { .vm_mm = MM, .vm_start = address, .vm_end = address + PAGE_SIZE };

	flush_tlb_page(&vma, address);
	return 0;
}
