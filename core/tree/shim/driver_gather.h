/* SPDX-License-Identifier: GPL-2.0-only */
/* Entry points with a gather, for architectures that use include/asm-generic/tlb.h; what mm/mmu_gather.c does is a word. */
#pragma once

/* Say what a gather, which was empty, has become, and empty it again. */
static void gathered(struct mmu_gather *tlb)
{
	op("gather", 0, tlb->start, tlb->end, GATHER_BITS(tlb));
	tlb->start = ~0UL;
	tlb->end = 0;
	tlb->freed_tables = tlb->cleared_ptes = tlb->cleared_pmds = tlb->cleared_puds = tlb->cleared_p4ds = 0;
}

#ifdef CONFIG_MMU_GATHER_TABLE_FREE
void tlb_remove_table(struct mmu_gather *tlb, void *table)
{
	gathered(tlb); /* it may be flushed at once */
	op("tlb_remove_table", table, 0, 0, 0);
}
#endif

void tlb_flush_mmu(struct mmu_gather *tlb)
{
	OP("BUG");
}

#ifndef CONFIG_MMU_GATHER_NO_GATHER
#if KVER >= 612
bool __tlb_remove_page_size(struct mmu_gather *tlb, struct page *page, bool delay_rmap, int page_size)
#else
bool __tlb_remove_page_size(struct mmu_gather *tlb, struct page *page, int page_size)
#endif
{
	gathered(tlb);
	op("tlb_remove_table", page, 0, 0, 0); /* only tables get here: pages are the generic core's */
	return false;
}
#endif

u64 enter_tlb_flush(u64 start, u64 end, u64 bits)
{
	GATHER(tlb, start, end, bits);

	tlb_flush(&tlb);
	return 0;
}

/* Free a table of `level`; the gather is empty before, and what it has become is the last operation. */
u64 enter_free_table(u64 level, u64 address)
{
	GATHER(gather, ~0UL, 0, 0);
	struct mmu_gather *tlb = &gather;

	if (level == 0)
		pte_free_tlb(tlb, TABLE, address);
	else if (level == 1)
		pmd_free_tlb(tlb, TABLE, address);
	else
		pud_free_tlb(tlb, TABLE, address);
	gathered(tlb);
	return 0;
}
