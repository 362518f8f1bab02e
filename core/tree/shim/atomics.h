/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Atomics: each is one operation, named by the type and by what is done: atomic_add, atomic64_cmpxchg, xchg.
 *
 * A subtraction is an addition, and _relaxed, _acquire and _release are as what is fully ordered: no binding has a meaning
 * for the difference.
 */
#pragma once

typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;
typedef atomic64_t atomic_long_t;
typedef struct { atomic_t refs; } refcount_t;
#define ATOMIC_INIT(i) { (i) }
#define ATOMIC64_INIT(i) { (i) }
#define ATOMIC_LONG_INIT(i) { (i) }
#define REFCOUNT_INIT(i) { { (i) } }
#define UPDATE(kind, p, how, a, b) \
	((typeof((p)->counter))rmw(kind, (void *)&(p)->counter, sizeof((p)->counter), how, (u64)(a), (u64)(b)))

/* What changes a counter by `v`: nothing, the new value or the old one is returned. `new` is the new value, of `old`. */
#define CHANGES(type, name, verb, kind, how, operand, new)                                                             \
	static inline void name##_##verb(s64 v, type *p) { UPDATE(kind, p, how, operand, 0); }                         \
	CHANGES_AND_RETURNS(type, name, verb, , kind, how, operand, new)                                               \
	CHANGES_AND_RETURNS(type, name, verb, _relaxed, kind, how, operand, new)                                       \
	CHANGES_AND_RETURNS(type, name, verb, _acquire, kind, how, operand, new)                                       \
	CHANGES_AND_RETURNS(type, name, verb, _release, kind, how, operand, new)
#define CHANGES_AND_RETURNS(type, name, verb, order, kind, how, operand, new)                                          \
	static inline s64 name##_##verb##_return##order(s64 v, type *p)                                                \
	{ s64 old = UPDATE(kind, p, how, operand, 0); return (typeof(p->counter))(new); }                              \
	static inline s64 name##_fetch_##verb##order(s64 v, type *p) { return UPDATE(kind, p, how, operand, 0); }

/* The same by one. */
#define STEPS(type, name, verb, by)                                                                                    \
	static inline void name##_##verb(type *p) { name##_add(by, p); }                                               \
	STEPS_AND_RETURNS(type, name, verb, , by) STEPS_AND_RETURNS(type, name, verb, _relaxed, by)                    \
	STEPS_AND_RETURNS(type, name, verb, _acquire, by) STEPS_AND_RETURNS(type, name, verb, _release, by)
#define STEPS_AND_RETURNS(type, name, verb, order, by)                                                                 \
	static inline s64 name##_##verb##_return##order(type *p) { return name##_add_return(by, p); }                  \
	static inline s64 name##_fetch_##verb##order(type *p) { return name##_fetch_add(by, p); }

#define EXCHANGES(type, name, kind, order)                                                                             \
	static inline typeof(((type *)0)->counter) name##_xchg##order(type *p, s64 v)                                  \
	{ return UPDATE(kind "_xchg", p, 'x', v, 0); }                                                                 \
	static inline typeof(((type *)0)->counter) name##_cmpxchg##order(type *p, s64 from, s64 to)                    \
	{ return UPDATE(kind "_cmpxchg", p, 'c', from, to); }                                                          \
	static inline bool name##_try_cmpxchg##order(type *p, typeof(((type *)0)->counter) *from, s64 to)              \
	{                                                                                                              \
		typeof(((type *)0)->counter) wanted = *from;                                                           \
		*from = UPDATE(kind "_cmpxchg", p, 'c', wanted, to);                                                   \
		return *from == wanted;                                                                                \
	}

#define ATOMICS(type, name, kind)                                                                                      \
	static inline typeof(((type *)0)->counter) name##_read(const type *p)                                          \
	{ return UPDATE(kind "_read", (type *)p, 'r', 0, 0); }                                                         \
	static inline typeof(((type *)0)->counter) name##_read_acquire(const type *p)                                  \
	{ s64 value = name##_read(p); OP("barrier acquire"); return value; }                                           \
	static inline void name##_set(type *p, s64 v) { UPDATE(kind "_set", p, 'x', v, 0); }                           \
	static inline void name##_set_release(type *p, s64 v) { OP("barrier release"); name##_set(p, v); }             \
	CHANGES(type, name, add, kind "_add", '+', v, old + v)                                                         \
	CHANGES(type, name, sub, kind "_add", '+', -v, old - v)                                                        \
	CHANGES(type, name, or, kind "_or", '|', v, old | v)                                                           \
	CHANGES(type, name, and, kind "_and", '&', v, old & v)                                                         \
	CHANGES(type, name, andnot, kind "_and", '&', ~v, old & ~v)                                                    \
	CHANGES(type, name, xor, kind "_xor", '^', v, old ^ v)                                                         \
	STEPS(type, name, inc, 1)                                                                                      \
	STEPS(type, name, dec, -1L)                                                                                    \
	EXCHANGES(type, name, kind, )                                                                                  \
	EXCHANGES(type, name, kind, _relaxed)                                                                          \
	EXCHANGES(type, name, kind, _acquire)                                                                          \
	EXCHANGES(type, name, kind, _release)                                                                          \
	static inline bool name##_dec_and_test(type *p) { return name##_dec_return(p) == 0; }                          \
	static inline bool name##_inc_and_test(type *p) { return name##_inc_return(p) == 0; }                          \
	static inline bool name##_sub_and_test(s64 v, type *p) { return name##_sub_return(v, p) == 0; }                \
	static inline bool name##_add_negative(s64 v, type *p) { return name##_add_return(v, p) < 0; }                 \
	static inline bool name##_inc_not_zero(type *p) { return UPDATE(kind "_inc_not_zero", p, 'i', 0, 0) != 0; }    \
	static inline s64 name##_fetch_add_unless(type *p, s64 v, s64 unless)                                          \
	{                                                                                                              \
		typeof(p->counter) old = name##_read(p);                                                               \
		while (old != unless && !name##_try_cmpxchg(p, &old, old + v))                                         \
			cpu_relax();                                                                                   \
		return old;                                                                                            \
	}                                                                                                              \
	static inline bool name##_add_unless(type *p, s64 v, s64 unless)                                               \
	{ return name##_fetch_add_unless(p, v, unless) != unless; }                                                    \
	static inline s64 name##_dec_if_positive(type *p)                                                              \
	{                                                                                                              \
		typeof(p->counter) old = name##_read(p);                                                               \
		while (old > 0 && !name##_try_cmpxchg(p, &old, old - 1))                                               \
			cpu_relax();                                                                                   \
		return old - 1;                                                                                        \
	}
ATOMICS(atomic_t, atomic, "atomic")
ATOMICS(atomic64_t, atomic64, "atomic64")
ATOMICS(atomic_long_t, atomic_long, "atomic64")

#define refcount_read(r) atomic_read(&(r)->refs)
#define refcount_set(r, v) atomic_set(&(r)->refs, v)
#define refcount_inc(r) atomic_inc(&(r)->refs)
#define refcount_dec(r) atomic_dec(&(r)->refs)
#define refcount_add(v, r) atomic_add(v, &(r)->refs)
#define refcount_inc_not_zero(r) atomic_inc_not_zero(&(r)->refs)
#define refcount_sub_and_test(v, r) atomic_sub_and_test(v, &(r)->refs)
#define refcount_dec_and_test(r) atomic_dec_and_test(&(r)->refs)

#define xchg(p, v) ((typeof(*(p)))rmw("xchg", (void *)(p), sizeof(*(p)), 'x', (u64)(v), 0))
#define xchg_relaxed xchg
#define xchg_acquire xchg
#define xchg_release xchg
#define cmpxchg(p, from, to) ((typeof(*(p)))rmw("cmpxchg", (void *)(p), sizeof(*(p)), 'c', (u64)(from), (u64)(to)))
#define cmpxchg_relaxed cmpxchg
#define cmpxchg_acquire cmpxchg
#define cmpxchg_release cmpxchg
#define cmpxchg_local cmpxchg
#define cmpxchg64 cmpxchg
#define try_cmpxchg(p, from, to)                                   \
	({                                                         \
		typeof(*(p)) _wanted = *(from);                    \
		typeof(*(p)) _found = cmpxchg(p, _wanted, to);     \
		*(from) = _found;                                  \
		_found == _wanted;                                 \
	})
#define try_cmpxchg_relaxed try_cmpxchg
#define try_cmpxchg_acquire try_cmpxchg
#define try_cmpxchg_release try_cmpxchg
#define try_cmpxchg64 try_cmpxchg
