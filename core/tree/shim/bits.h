/* SPDX-License-Identifier: GPL-2.0-only */
/* Bits: an atomic one is an operation; all others are loads and stores of the word. */
#pragma once

#define BIT_WORD(a, nr) ((void *)((a) + (nr) / 64))
#define BIT_IN_WORD(nr) (1UL << ((nr) % 64))
static inline void set_bit(long nr, volatile unsigned long *a)
{ rmw("set_bit", BIT_WORD(a, nr), 8, '|', BIT_IN_WORD(nr), 0); }
static inline void clear_bit(long nr, volatile unsigned long *a)
{ rmw("clear_bit", BIT_WORD(a, nr), 8, '&', ~BIT_IN_WORD(nr), 0); }
static inline bool test_and_set_bit(long nr, volatile unsigned long *a)
{ return rmw("test_and_set_bit", BIT_WORD(a, nr), 8, '|', BIT_IN_WORD(nr), 0) & BIT_IN_WORD(nr); }
static inline bool test_and_clear_bit(long nr, volatile unsigned long *a)
{ return rmw("test_and_clear_bit", BIT_WORD(a, nr), 8, '&', ~BIT_IN_WORD(nr), 0) & BIT_IN_WORD(nr); }
static inline void change_bit(long nr, volatile unsigned long *a)
{ rmw("change_bit", BIT_WORD(a, nr), 8, '^', BIT_IN_WORD(nr), 0); }
static inline bool test_and_change_bit(long nr, volatile unsigned long *a)
{ return rmw("test_and_change_bit", BIT_WORD(a, nr), 8, '^', BIT_IN_WORD(nr), 0) & BIT_IN_WORD(nr); }
#define test_and_set_bit_lock test_and_set_bit
#define clear_bit_unlock(nr, a) ({ OP("barrier release"); clear_bit(nr, a); })
#define assign_bit(nr, a, value) ((value) ? set_bit(nr, a) : clear_bit(nr, a))
#define __assign_bit(nr, a, value) ((value) ? __set_bit(nr, a) : __clear_bit(nr, a))
static inline bool test_bit(long nr, const volatile unsigned long *a)
{ return READ_ONCE(a[nr / 64]) & BIT_IN_WORD(nr); }
static inline void __set_bit(long nr, volatile unsigned long *a)
{ ((unsigned long *)a)[nr / 64] |= BIT_IN_WORD(nr); }
static inline void __clear_bit(long nr, volatile unsigned long *a)
{ ((unsigned long *)a)[nr / 64] &= ~BIT_IN_WORD(nr); }
static inline bool __test_and_set_bit(long nr, volatile unsigned long *a)
{
	unsigned long *word = (unsigned long *)a + nr / 64, old = *word;

	*word = old | BIT_IN_WORD(nr);
	return old & BIT_IN_WORD(nr);
}
static inline bool __test_and_clear_bit(long nr, volatile unsigned long *a)
{
	unsigned long *word = (unsigned long *)a + nr / 64, old = *word;

	*word = old & ~BIT_IN_WORD(nr);
	return old & BIT_IN_WORD(nr);
}
static inline unsigned long find_next_bit(const unsigned long *a, unsigned long size, unsigned long from)
{
	while (from < size && !(a[from / 64] & BIT_IN_WORD(from)))
		from++;
	return from;
}
#define find_first_bit(a, size) find_next_bit(a, size, 0)
#define find_first_zero_bit(a, size) find_next_zero_bit(a, size, 0)
#define for_each_set_bit(bit, a, size) \
	for ((bit) = 0; (bit) = find_next_bit(a, size, bit), (bit) < (size); (bit)++)
static inline unsigned long find_next_zero_bit(const unsigned long *a, unsigned long size, unsigned long from)
{
	while (from < size && (a[from / 64] & BIT_IN_WORD(from)))
		from++;
	return from;
}
#define bitmap_zero(map, nr) bitmap_clear(map, 0, nr)
#define bitmap_clear(map, from, nr) \
	do { for (unsigned long _i = 0; _i < BITS_TO_LONGS(nr); _i++) (map)[_i] = 0; } while (0)
#define bitmap_copy(to, of, nr) \
	do { for (unsigned long _i = 0; _i < BITS_TO_LONGS(nr); _i++) (to)[_i] = (of)[_i]; } while (0)
#define bitmap_zalloc(nr, flags) ((unsigned long *)rt_alloc(BITS_TO_LONGS(nr) * 8))
