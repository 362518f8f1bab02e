/* SPDX-License-Identifier: GPL-2.0-only */
/* What is more than a load or a store: barriers, warnings, atomics, bit operations, locks. */
#pragma once

u64 op(const char *kind, const volatile void *p, u64 a, u64 b, u64 c);
u64 rmw(const char *kind, volatile void *p, u64 size, int how, u64 a, u64 b);
void *rt_alloc(u64 size);
int rt_local(const volatile void *p);

#define OP(kind) op(kind, 0, 0, 0, 0)
#define OP1(kind, a) op(kind, 0, (u64)(a), 0, 0)
#define OP2(kind, a, b) op(kind, 0, (u64)(a), (u64)(b), 0)

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))
#define data_race(x) (x)
#define barrier() __asm__ volatile("" ::: "memory")
#define smp_mb() OP("barrier smp_mb")
#define smp_rmb() OP("barrier smp_rmb")
#define smp_wmb() OP("barrier smp_wmb")
#define mb() OP("barrier mb")
#define rmb() OP("barrier rmb")
#define wmb() OP("barrier wmb")
#define smp_mb__after_atomic() OP("barrier smp_mb__after_atomic")
#define smp_mb__before_atomic() OP("barrier smp_mb__before_atomic")
#define smp_store_release(p, value) ({ OP("barrier release"); WRITE_ONCE(*(p), value); })
#define smp_load_acquire(p) ({ typeof(*(p)) _value = READ_ONCE(*(p)); OP("barrier acquire"); _value; })
#define cpu_relax() OP("cpu_relax")

#define WARN_ON(condition) ({ bool _warned = !!(condition); if (_warned) OP("WARN_ON"); _warned; })
#define WARN_ON_ONCE WARN_ON
#define WARN(condition, ...) WARN_ON(condition)
#define WARN_ONCE(condition, ...) WARN_ON(condition)
#define BUG_ON(condition) WARN_ON(condition)
#define BUG() OP("BUG")
#define panic(...) OP("BUG")
#define VM_BUG_ON_VMA(condition, vma) WARN_ON(condition)
#define VM_BUG_ON_PAGE(condition, page) WARN_ON(condition)
#define VM_BUG_ON_MM(condition, mm) WARN_ON(condition)
#define DEBUG_LOCKS_WARN_ON WARN_ON

/* ---- atomics ---- */

typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;
typedef atomic64_t atomic_long_t;
typedef struct { atomic_t refs; } refcount_t;
#define ATOMIC_INIT(i) { (i) }
#define ATOMIC64_INIT(i) { (i) }
#define UPDATE(kind, p, how, a, b) \
	((typeof((p)->counter))rmw(kind, (void *)&(p)->counter, sizeof((p)->counter), how, (u64)(a), (u64)(b)))
#define ATOMICS(type, name)                                                                                            \
	static inline typeof(((type *)0)->counter) name##_read(const type *p)                                          \
	{ return UPDATE(#name "_read", (type *)p, 'r', 0, 0); }                                                        \
	static inline void name##_set(type *p, s64 v) { UPDATE(#name "_set", p, 'x', v, 0); }                          \
	static inline void name##_add(s64 v, type *p) { UPDATE(#name "_add", p, '+', v, 0); }                          \
	static inline void name##_inc(type *p) { UPDATE(#name "_add", p, '+', 1, 0); }                                 \
	static inline void name##_dec(type *p) { UPDATE(#name "_add", p, '+', -1L, 0); }                               \
	static inline s64 name##_add_return(s64 v, type *p) { return UPDATE(#name "_add", p, '+', v, 0) + v; }         \
	static inline s64 name##_add_return_relaxed(s64 v, type *p) { return UPDATE(#name "_add", p, '+', v, 0) + v; } \
	static inline s64 name##_inc_return(type *p) { return UPDATE(#name "_add", p, '+', 1, 0) + 1; }                \
	static inline s64 name##_dec_return(type *p) { return UPDATE(#name "_add", p, '+', -1L, 0) - 1; }              \
	static inline bool name##_dec_and_test(type *p) { return UPDATE(#name "_add", p, '+', -1L, 0) == 1; }          \
	static inline bool name##_inc_not_zero(type *p) { return UPDATE(#name "_inc_not_zero", p, 'i', 0, 0) != 0; }   \
	static inline typeof(((type *)0)->counter) name##_xchg(type *p, s64 v)                                         \
	{ return UPDATE(#name "_xchg", p, 'x', v, 0); }                                                                \
	static inline typeof(((type *)0)->counter) name##_xchg_relaxed(type *p, s64 v)                                 \
	{ return UPDATE(#name "_xchg", p, 'x', v, 0); }                                                                \
	static inline typeof(((type *)0)->counter) name##_cmpxchg(type *p, s64 from, s64 to)                           \
	{ return UPDATE(#name "_cmpxchg", p, 'c', from, to); }                                                         \
	static inline typeof(((type *)0)->counter) name##_cmpxchg_relaxed(type *p, s64 from, s64 to)                   \
	{ return UPDATE(#name "_cmpxchg", p, 'c', from, to); }                                                         \
	static inline bool name##_try_cmpxchg(type *p, typeof(((type *)0)->counter) *from, s64 to)                     \
	{                                                                                                              \
		typeof(((type *)0)->counter) wanted = *from;                                                           \
		*from = UPDATE(#name "_cmpxchg", p, 'c', wanted, to);                                                  \
		return *from == wanted;                                                                                \
	}
ATOMICS(atomic_t, atomic)
ATOMICS(atomic64_t, atomic64)
#define atomic_long_read atomic64_read
#define atomic_long_set atomic64_set
#define atomic_long_inc atomic64_inc
#define atomic_long_xchg_relaxed atomic64_xchg_relaxed
#define atomic_long_cmpxchg_relaxed atomic64_cmpxchg_relaxed
#define atomic_long_add_return_relaxed atomic64_add_return_relaxed
#define refcount_read(r) atomic_read(&(r)->refs)
#define refcount_set(r, v) atomic_set(&(r)->refs, v)
#define refcount_inc_not_zero(r) atomic_inc_not_zero(&(r)->refs)
#define refcount_dec_and_test(r) atomic_dec_and_test(&(r)->refs)
#define xchg(p, v) ((typeof(*(p)))rmw("xchg", (void *)(p), sizeof(*(p)), 'x', (u64)(v), 0))
#define xchg_relaxed xchg
#define cmpxchg(p, from, to) ((typeof(*(p)))rmw("cmpxchg", (void *)(p), sizeof(*(p)), 'c', (u64)(from), (u64)(to)))
#define cmpxchg_relaxed cmpxchg
#define try_cmpxchg(p, from, to)                                   \
	({                                                         \
		typeof(*(p)) _wanted = *(from);                    \
		typeof(*(p)) _found = cmpxchg(p, _wanted, to);     \
		*(from) = _found;                                  \
		_found == _wanted;                                 \
	})

/* ---- bits ---- */

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

/* ---- locks ---- */

typedef struct { int locked; } spinlock_t;
typedef spinlock_t raw_spinlock_t;
struct rw_semaphore { int locked; };
struct mutex { int locked; };
#define DEFINE_RAW_SPINLOCK(name) raw_spinlock_t name
#define DEFINE_SPINLOCK(name) spinlock_t name
#define DEFINE_MUTEX(name) struct mutex name
#define spin_lock_init(lock) ((void)0)
#define spin_lock(lock) ((void)op("lock", lock, 0, 0, 0))
#define spin_unlock(lock) ((void)op("unlock", lock, 0, 0, 0))
#define raw_spin_lock spin_lock
#define raw_spin_unlock spin_unlock
#define raw_spin_lock_irqsave(lock, flags) ({ (flags) = 0; op("lock", lock, 0, 0, 0); })
#define raw_spin_unlock_irqrestore(lock, flags) ({ (void)(flags); op("unlock", lock, 0, 0, 0); })
#define spin_lock_irqsave raw_spin_lock_irqsave
#define spin_unlock_irqrestore raw_spin_unlock_irqrestore
#define mutex_lock(lock) ((void)op("lock", lock, 0, 0, 0))
#define mutex_unlock(lock) ((void)op("unlock", lock, 0, 0, 0))

/* ---- static keys: constants of the machine ---- */

struct static_key_false { long on; };
struct static_key_true { long on; };
#define DEFINE_STATIC_KEY_FALSE(name) struct static_key_false name __attribute__((section("rt_const")))
#define DEFINE_STATIC_KEY_TRUE(name) struct static_key_true name __attribute__((section("rt_const"))) = { 1 }
#define DECLARE_STATIC_KEY_FALSE(name) extern struct static_key_false name __attribute__((section("rt_const")))
#define DECLARE_STATIC_KEY_TRUE(name) extern struct static_key_true name __attribute__((section("rt_const")))
#define static_branch_unlikely(key) ((key)->on)
#define static_branch_likely(key) ((key)->on)
#define static_branch_enable(key) ((key)->on = 1)
