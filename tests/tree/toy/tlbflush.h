/* SPDX-License-Identifier: GPL-2.0-only */
#define UNUSED_OPERAND 3

static inline void __tlb_flush_all(void)
{
	asm volatile("toy.tlbia" : : : "memory");
}

static inline void local_flush_tlb_mm(struct mm_struct *mm)
{
	if (READ_ONCE(mm->context.id))
		__tlb_flush_all();
}
