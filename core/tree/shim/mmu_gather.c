/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions of mm/mmu_gather.c, each on a gather that the arguments describe; what has become of it is said behind.
 *
 * rt_arguments: settings, five sizes, start, end, bits, then the call's own two, the number of tables (~0: no batch of them) and
 * the tables, the number of the active batch, the number of batches, and of each its number of slots and the slots.
 *
 * With RUNS slots and tables are runs of pages that follow one another, each as how many and the first; they are said so too.
 */
#include "driver.h"

struct rcu_synchronize;
void flush_tlb_mm(struct mm_struct *mm) { OP("BUG"); }
void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end) { OP("BUG"); }
void flush_tlb_page(struct vm_area_struct *vma, unsigned long address) { OP("BUG"); }

enum { A_SETTINGS, A_BUNDLE, A_BATCH, A_BATCHES, A_TABLE_BATCH, A_PER_FREE, A_START, A_END, A_BITS, A_CALL, A_CALL2, A_TABLES };
#define G_DELAYED 256
#define G_PFN 512
#if KVER >= 612
#define SLOTS(batch) ((batch)->encoded_pages)
#else
#define SLOTS(batch) ((batch)->pages)
#define delayed_rmap need_flush_all /* not in this version */
#endif

const struct place places[] = { MM_PLACES, FIELD("mm", struct mm_struct, MM, tlb_flush_pending), { } };

#define PAGE_STRIDE 64 /* page_pointer() of the next page */

/* Read `nr` pointers of an array. */
static void take_array(void **array, u64 nr, u64 **at)
{
	for (u64 i = 0; i < nr;) {
		u64 run = RUNS ? *(*at)++ : 1, first = *(*at)++;

		for (u64 of = 0; of < run && i < nr; of++)
			array[i++] = (void *)(first + of * PAGE_STRIDE);
	}
}

/* Say an array. */
static void say_array(const char *word, void **array, u64 nr)
{
	for (u64 i = 0, run; i < nr; i += run) {
		for (run = 1; RUNS && i + run < nr && array[i + run] == array[i] + run * PAGE_STRIDE; run++)
			;
		op(word, 0, (u64)array[i], RUNS ? run : 0, 0);
	}
}

static void take_tables(struct mmu_gather *tlb, u64 **at)
{
	u64 nr = *(*at)++;

	if (nr == ~0UL)
		return;
	tlb->batch = rt_alloc(PAGE_SIZE);
	take_array(tlb->batch->tables, nr, at);
	tlb->batch->nr = nr;
}

static void take_range(struct mmu_gather *tlb)
{
	u64 bits = rt_arguments[A_BITS];

	tlb->start = rt_arguments[A_START];
	tlb->end = rt_arguments[A_END];
#if KVER >= 612
	tlb->delayed_rmap = !!(bits & G_DELAYED);
#endif
	tlb->unshared_tables = !!(bits & G_UNSHARED);
	tlb->vma_pfn = !!(bits & G_PFN);
	tlb->fullmm = !!(bits & G_FULLMM);
	tlb->freed_tables = !!(bits & G_FREED);
	tlb->cleared_ptes = !!(bits & G_PTES);
	tlb->cleared_pmds = !!(bits & G_PMDS);
	tlb->cleared_puds = !!(bits & G_PUDS);
	tlb->cleared_p4ds = !!(bits & G_P4DS);
	tlb->need_flush_all = !!(bits & G_ALL);
}

static void take(struct mmu_gather *tlb)
{
	u64 *at = rt_arguments + A_TABLES, active, batches;
	struct mmu_gather_batch *batch = &tlb->local;

	tlb_gather_mmu(tlb, MM);
	op("gathered", 0, 0, 0, 0);
	take_range(tlb);
	take_tables(tlb, &at);
	active = *at++;
	batches = *at++;
	for (u64 i = 0; i < batches; i++) {
		u64 nr = *at++;

		if (i) {
			batch->next = rt_alloc(PAGE_SIZE);
			batch = batch->next;
			batch->max = MAX_GATHER_BATCH;
			tlb->batch_count++;
		}
		if (i == active)
			tlb->active = batch;
		take_array((void **)SLOTS(batch), nr, &at);
		batch->nr = nr;
	}
}

/* Say what the gather is, before the architecture's flush and at the end. */
void gathered(struct mmu_gather *tlb)
{
	u64 bits = GATHER_BITS(tlb) | tlb->vma_pfn * G_PFN;

#if KVER >= 612
	bits |= tlb->delayed_rmap * G_DELAYED;
#endif
	op("gather", 0, tlb->start, tlb->end, bits);
}

/* It may be flushed at once: what the C does to the gather from here on is added to what is left of it then. */
void free_table_later(struct mmu_gather *tlb)
{
	gathered(tlb);
	OP("free_table_later");
	tlb->start = ~0UL;
	tlb->end = 0;
	tlb->fullmm = tlb->need_flush_all = 0;
	tlb->freed_tables = tlb->cleared_ptes = tlb->cleared_pmds = tlb->cleared_puds = tlb->cleared_p4ds = 0;
}

static void contents(struct mmu_gather *tlb)
{
	u64 number = 0, active = 0;

	gathered(tlb);
	if (tlb->batch)
		say_array("table", tlb->batch->tables, tlb->batch->nr);
	for (struct mmu_gather_batch *batch = &tlb->local; batch; batch = batch->next, number++) {
		OP2("batch", batch->nr, batch->max);
		say_array("slot", (void **)SLOTS(batch), batch->nr);
		if (batch == tlb->active)
			active = number;
	}
	op("contents", 0, active, tlb->batch != NULL, tlb->batch_count);
}

#define ON_GATHER(name, ...)                    \
	u64 name(void)                          \
	{                                       \
		struct mmu_gather gather = { }; \
		struct mmu_gather *tlb = &gather; \
		u64 returned = 0;               \
                                                \
		take(tlb);                      \
		__VA_ARGS__;                    \
		contents(tlb);                  \
		return returned;                \
	}
/* Of a gather without its pages and tables: what changes only its range and bits. */
#define ON_RANGE(name, ...)                                        \
	u64 name(void)                                             \
	{                                                          \
		struct mmu_gather gather = { .mm = MM }, *tlb = &gather; \
                                                                   \
		take_range(tlb);                                   \
		__VA_ARGS__;                                       \
		return 0;                                          \
	}
#define CALL rt_arguments[A_CALL]
#define CALL2 rt_arguments[A_CALL2]

u64 enter_tlb_gather_mmu(void)
{
	struct mmu_gather tlb = { };

	if (CALL)
		tlb_gather_mmu_fullmm(&tlb, MM);
	else
		tlb_gather_mmu(&tlb, MM);
	contents(&tlb);
	return 0;
}

#if KVER >= 612
ON_GATHER(enter_gather_page,
	returned = CALL2 >> 1 > 1 ? __tlb_remove_folio_pages(tlb, (struct page *)CALL, CALL2 >> 1, CALL2 & 1)
				  : __tlb_remove_page_size(tlb, (struct page *)CALL, CALL2 & 1, PAGE_SIZE))
ON_GATHER(enter_tlb_flush_rmaps, struct vm_area_struct vma = { .vm_mm = MM }; tlb_flush_rmaps(tlb, &vma))
#else
ON_GATHER(enter_gather_page, returned = __tlb_remove_page_size(tlb, (struct page *)CALL, PAGE_SIZE))
#endif
/* CALL2: tables are freed by RCU; otherwise include/asm-generic/tlb.h makes them pages like others. */
ON_GATHER(enter_tlb_remove_table,
	if (CALL2)
		tlb_remove_table(tlb, (void *)CALL);
	else
		tlb_remove_page(tlb, (struct page *)CALL))
/* A range: CALL is its address, CALL2 how many bytes, with the level below them. */
ON_RANGE(enter_flush_range,
	void (*flush_range[])(struct mmu_gather *, unsigned long, unsigned long) = {
		tlb_flush_pte_range, tlb_flush_pmd_range, tlb_flush_pud_range, tlb_flush_p4d_range,
	};
	flush_range[CALL2 & 3](tlb, CALL, CALL2 & ~3UL);
	gathered(tlb))
/* A table of level CALL2 that maps what is at CALL. */
ON_RANGE(enter_free_table,
	if (CALL2 == 0)
		pte_free_tlb(tlb, TABLE, CALL);
	else if (CALL2 == 1)
		pmd_free_tlb(tlb, TABLE, CALL);
	else
		pud_free_tlb(tlb, TABLE, CALL);
	op("more", 0, tlb->start, tlb->end, GATHER_BITS(tlb)))
/* An area, with PFN mappings if CALL. */
ON_RANGE(enter_tlb_start_vma,
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = CALL ? VM_PFNMAP : 0 };
	tlb_start_vma(tlb, &vma);
	gathered(tlb))
ON_GATHER(enter_tlb_end_vma,
	struct vm_area_struct vma = { .vm_mm = MM, .vm_flags = CALL ? VM_PFNMAP : 0 };
	tlb_end_vma(tlb, &vma))
ON_GATHER(enter_tlb_flush_mmu, tlb_flush_mmu(tlb))
ON_GATHER(enter_tlb_flush_mmu_tlbonly, tlb_flush_mmu_tlbonly(tlb))
ON_GATHER(enter_tlb_finish_mmu, tlb_finish_mmu(tlb))
