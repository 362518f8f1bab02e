/* SPDX-License-Identifier: GPL-2.0-only */
/* The fields of a gather, for a unit without asm-generic/tlb.h. */
#pragma once

struct mmu_gather {
	struct mm_struct *mm;
	unsigned long start, end;
	unsigned int fullmm, freed_tables, cleared_ptes, cleared_pmds, cleared_puds, cleared_p4ds, need_flush_all;
	unsigned int unshared_tables;
};
