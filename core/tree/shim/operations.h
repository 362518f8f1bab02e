/* SPDX-License-Identifier: GPL-2.0-only */
/* What is more than a load or a store: barriers, warnings, locks; atomics and bits in files of their own. */
#pragma once

u64 op(const char *kind, const volatile void *p, u64 a, u64 b, u64 c);
u64 op_at(const char *kind, u64 a, u64 b, u64 pc);
u64 rmw(const char *kind, volatile void *p, u64 size, int how, u64 a, u64 b);
void *rt_alloc(u64 size);
int rt_local(const volatile void *p);

#define OP(kind) op(kind, 0, 0, 0, 0)
#define OP1(kind, a) op(kind, 0, (u64)(a), 0, 0)
#define OP2(kind, a, b) op(kind, 0, (u64)(a), (u64)(b), 0)

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))
#define __READ_ONCE READ_ONCE
#define __WRITE_ONCE WRITE_ONCE
#define READ_ONCE_NOCHECK READ_ONCE
#define data_race(x) (x)
#define ASSERT_EXCLUSIVE_WRITER(x) ((void)sizeof(x))
#define ASSERT_EXCLUSIVE_ACCESS(x) ((void)sizeof(x))
#define ASSERT_EXCLUSIVE_BITS(x, mask) ((void)sizeof(x))
#define barrier() __asm__ volatile("" ::: "memory")
#define smp_mb() OP("barrier smp_mb")
#define smp_rmb() OP("barrier smp_rmb")
#define smp_wmb() OP("barrier smp_wmb")
#define mb() OP("barrier mb")
#define rmb() OP("barrier rmb")
#define wmb() OP("barrier wmb")
#define smp_mb__after_atomic() OP("barrier smp_mb__after_atomic")
#define smp_mb__before_atomic() OP("barrier smp_mb__before_atomic")
#define smp_mb__after_spinlock() OP("barrier smp_mb__after_spinlock")
#define smp_mb__after_unlock_lock() OP("barrier smp_mb__after_unlock_lock")
#define smp_acquire__after_ctrl_dep() OP("barrier acquire")
#define smp_store_mb(variable, value) ({ WRITE_ONCE(variable, value); smp_mb(); })
#define smp_store_release(p, value) ({ OP("barrier release"); WRITE_ONCE(*(p), value); })
#define smp_load_acquire(p) ({ typeof(*(p)) _value = READ_ONCE(*(p)); OP("barrier acquire"); _value; })
#define cpu_relax() OP("cpu_relax")
#define smp_cond_load_relaxed(p, condition)             \
	({                                              \
		typeof(*(p)) VAL;                       \
		while (VAL = READ_ONCE(*(p)), !(condition)) \
			cpu_relax();                    \
		VAL;                                    \
	})
#define smp_cond_load_acquire(p, condition) \
	({ typeof(*(p)) _value = smp_cond_load_relaxed(p, condition); OP("barrier acquire"); _value; })
#define rcu_read_lock() OP("rcu_read_lock")
#define rcu_read_unlock() OP("rcu_read_unlock")
#define rcu_dereference(p) READ_ONCE(p)
#define rcu_dereference_raw(p) READ_ONCE(p)
#define rcu_access_pointer(p) READ_ONCE(p)
#define rcu_assign_pointer(p, value) smp_store_release(&(p), value)

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
#define WARN_ON_SMP WARN_ON
#define WARN_TAINT(condition, ...) WARN_ON(condition)
#define WARN_TAINT_ONCE(condition, ...) WARN_ON(condition)

#include "atomics.h"
#include "bits.h"


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
#define spin_lock_irq(lock) ((void)OP("irq_off"), spin_lock(lock))
#define spin_unlock_irq(lock) (spin_unlock(lock), (void)OP("irq_on"))
#define spin_lock_bh spin_lock
#define spin_unlock_bh spin_unlock
#define raw_spin_lock_irq spin_lock_irq
#define raw_spin_unlock_irq spin_unlock_irq
#define assert_spin_locked(lock) ((void)(lock))
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
#define static_branch_maybe(config, key) ((key)->on)
#define static_key_enabled(key) ((key)->on)
#define static_branch_enable(key) ((key)->on = 1)
