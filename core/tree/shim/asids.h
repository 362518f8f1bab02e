/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ASIDs that are given out from a bitmap (mm/context.c of an architecture): ASID_BITS are those of the numbers by which
 * ASIDs are known to C.  A look at a bit of the bitmap, a change of one and a search are operations.
 */
#pragma once

#define ASID_BITS 4
#define ASID_MAP ((unsigned long *)0x200000600000UL)

#define ASID_BIT(name, returns)                                                   \
	static inline returns asid_##name(long nr, unsigned long *map)            \
	{                                                                         \
		if (rt_local(map))                                                \
			return name(nr, map);                                     \
		return (returns)op(#name, map, nr, 0, 0);                         \
	}
ASID_BIT(__set_bit, void)
ASID_BIT(__clear_bit, void)
ASID_BIT(__test_and_set_bit, bool)
ASID_BIT(__test_and_clear_bit, bool)
ASID_BIT(test_bit, bool)
static inline unsigned long asid_find_zero(const unsigned long *map, unsigned long size, unsigned long from)
{
	return rt_local(map) ? find_next_zero_bit(map, size, from) : op("find_next_zero_bit", map, size, from, 0);
}
#undef find_first_zero_bit
#define __set_bit asid___set_bit
#define __clear_bit asid___clear_bit
#define __test_and_set_bit asid___test_and_set_bit
#define __test_and_clear_bit asid___test_and_clear_bit
#define test_bit asid_test_bit
#define find_next_zero_bit asid_find_zero
#define find_first_zero_bit(map, size) asid_find_zero(map, size, 0)

/* The mm that is switched to; what a flush reads is of MM. Used behind the tree. */
#define ASID_PLACES                                                                                        \
	FIELD("next.context", mm_context_t, &OTHER_MM->context, id), FIELD("next", struct mm_struct, OTHER_MM, pgd), \
	WORD("asid_map[]", ASID_MAP)
