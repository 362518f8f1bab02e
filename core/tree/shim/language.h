/* SPDX-License-Identifier: GPL-2.0-only */
/* The language that kernel files are written in: types, attributes, arithmetic, and what does nothing here. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long s64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s64 __s64;
typedef _Bool bool;
typedef unsigned long size_t;
typedef long ssize_t;
typedef unsigned long uintptr_t;
typedef unsigned long phys_addr_t;
typedef unsigned int gfp_t;

#define true 1
#define false 0
#define NULL ((void *)0)
#define INT_MAX 2147483647
#define UL(x) x##UL
#define ULL(x) x##ULL
#define _UL(x) x##UL
#define _AC(x, suffix) x##suffix
#define __AC(x, suffix) x##suffix
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1UL << (n))
#define _BITUL(n) (1UL << (n))
#define BITS_PER_LONG 64
#define BITS_TO_LONGS(n) (((n) + 63) / 64)
#define GENMASK(high, low) ((~0UL << (low)) & (~0UL >> (63 - (high))))
#define GENMASK_ULL GENMASK
#define FIELD_PREP(mask, value) (((u64)(value) << __builtin_ctzl(mask)) & (mask))
#define FIELD_GET(mask, value) (((u64)(value) & (mask)) >> __builtin_ctzl(mask))

/* ---- attributes ---- */

#define inline inline __attribute__((unused))
#define __always_inline inline __attribute__((always_inline))
#define noinline __attribute__((noinline))
#define __noinline noinline
#define nokprobe_inline inline
#define __maybe_unused __attribute__((unused))
#define __always_unused __attribute__((unused))
#define __aligned(n) __attribute__((aligned(n)))
#define __packed __attribute__((packed))
#define fallthrough __attribute__((fallthrough))
#define asmlinkage
#define notrace
#define noinstr
#define __cold
#define __pure
#define __no_kcsan
#define __no_sanitize_address
#define noinline_for_stack
#define __counted_by(field)
#define __init
#define __initdata
#define __exit
#define __user
#define __iomem
#define __rcu
#define __force
#define __must_check
#define __releases(lock)
#define __acquires(lock)
#define __must_hold(lock)
#define __section(s)
#define __attribute_const__
#define __cacheline_aligned_in_smp
#define ____cacheline_aligned_in_smp
/* Written while booting, and only read by what is explored: constants of the machine. */
#define __read_mostly __attribute__((section("rt_const")))
#define __ro_after_init __attribute__((section("rt_const")))

/* ---- arithmetic ---- */

#define likely(x) (x)
#define unlikely(x) (x)
#define typeof_member(type, member) typeof(((type *)0)->member)
#define offsetof(type, member) __builtin_offsetof(type, member)
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define ___PASTE(a, b) a##b
#define __PASTE(a, b) ___PASTE(a, b)
#define min(a, b) ({ typeof(a) _a = (a); typeof(b) _b = (b); _a < _b ? _a : _b; })
#define max(a, b) ({ typeof(a) _a = (a); typeof(b) _b = (b); _a > _b ? _a : _b; })
#define min3(a, b, c) min(min(a, b), c)
#define max3(a, b, c) max(max(a, b), c)
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))
#define clamp(x, low, high) min(max(x, low), high)
#define clamp_t(type, x, low, high) clamp((type)(x), (type)(low), (type)(high))
#define swap(a, b) ({ typeof(a) _swapped = (a); (a) = (b); (b) = _swapped; })
#define abs(x) ({ typeof(x) _x = (x); _x < 0 ? -_x : _x; })
#define roundup(x, y) (((x) + (y) - 1) / (y) * (y))
#define rounddown(x, y) ((x) - (x) % (y))
#define is_power_of_2(x) ({ typeof(x) _x = (x); _x && !(_x & (_x - 1)); })
#define PTR_ALIGN(p, a) ((typeof(p))ALIGN((unsigned long)(p), a))
#define ALIGN(x, a) (((x) + (a) - 1) & ~((typeof(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((typeof(x))(a) - 1))
#define IS_ALIGNED(x, a) (((x) & ((typeof(x))(a) - 1)) == 0)
#define round_down(x, y) ((x) & ~((typeof(x))((y) - 1)))
#define round_up(x, y) ((((x) - 1) | ((typeof(x))((y) - 1))) + 1)
#define DIV_ROUND_UP(a, b) (((a) + (b) - 1) / (b))
static inline int ilog2(u64 x) { return 63 - __builtin_clzl(x); }
static inline int fls64(u64 x) { return x ? 64 - __builtin_clzl(x) : 0; }
#define fls_long fls64
#define fls fls64
#define __fls ilog2
#define __ffs(x) ((unsigned long)__builtin_ctzl(x))
#define ffs(x) __builtin_ffs(x)
#define hweight_long(x) __builtin_popcountl(x)
#define hweight64 hweight_long
#define hweight32(x) __builtin_popcount(x)
static inline unsigned long roundup_pow_of_two(u64 x) { return 1UL << fls64(x - 1); }
static inline int order_base_2(u64 x) { return fls64(x - 1); }
#define memset __builtin_memset
#define memcpy __builtin_memcpy

/* IS_ENABLED(CONFIG_X): whether CONFIG_X is defined as 1. */
#define __IF_1 0,
#define __second(a, b, ...) b
#define __enabled3(hidden) __second(hidden 1, 0)
#define __enabled2(value) __enabled3(__IF_##value)
#define IS_ENABLED(option) __enabled2(option)
#define IS_BUILTIN(option) IS_ENABLED(option)

/* ---- nothing ---- */

#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define EXPORT_PER_CPU_SYMBOL(x)
#define EXPORT_PER_CPU_SYMBOL_GPL(x)
#define __setup(name, function)
#define KEEP_INITCALL(f) int (*__initcall_##f)(void) = f;
#define arch_initcall(f) KEEP_INITCALL(f)
#define early_initcall(f) KEEP_INITCALL(f)
#define core_initcall(f) KEEP_INITCALL(f)
#define device_initcall(f) KEEP_INITCALL(f)
#define late_initcall(f) KEEP_INITCALL(f)
#define pr_warn(...) ((void)0)
#define pr_warn_once(...) ((void)0)
#define pr_warn_ratelimited(...) ((void)0)
#define pr_info(...) ((void)0)
#define pr_info_once(...) ((void)0)
#define pr_err(...) ((void)0)
#define pr_crit(...) ((void)0)
#define pr_debug(...) ((void)0)
#define pr_err_once(...) ((void)0)
#define pr_notice(...) ((void)0)
#define pr_cont(...) ((void)0)
#define printk(...) ((void)0)
#define printk_once(...) ((void)0)
#define printk_ratelimited(...) ((void)0)
#define dump_stack() ((void)0)
#define dump_page(page, why) ((void)0)
#define dump_mm(mm) ((void)0)
#define dump_vma(vma) ((void)0)
#define KERN_DEBUG
#define might_sleep() ((void)0)
#define might_fault() ((void)0)
#define might_lock(lock) ((void)0)
#define cant_sleep() ((void)0)
#define lockdep_assert(condition) ((void)sizeof(!!(condition)))
#define lockdep_assert_held_write(lock) ((void)0)
#define lockdep_assert_held_read(lock) ((void)0)
#define lockdep_assert_held_once(lock) ((void)0)
#define lockdep_assert_not_held(lock) ((void)0)
#define lockdep_assert_none_held_once() ((void)0)
#define lockdep_assert_irqs_enabled() ((void)0)
#define lockdep_assert_preemption_enabled() ((void)0)
#define lockdep_assert_in_irq() ((void)0)
#define lockdep_is_held(lock) 1
#define lockdep_assert_held(lock) ((void)0)
#define lockdep_assert_irqs_disabled() ((void)0)
#define lockdep_assert_preemption_disabled() ((void)0)
#define CREATE_TRACE_POINTS
#define count_vm_event(event) ((void)0)
#define count_vm_events(event, nr) ((void)0)
#define __count_vm_event(event) ((void)0)
#define __count_vm_events(event, nr) ((void)0)
#define count_vm_tlb_event(event) ((void)0)
#define count_vm_tlb_events(event, nr) ((void)0)
#define static_assert(condition, ...) _Static_assert(condition, #condition)
#define BUILD_BUG_ON_INVALID(condition) ((void)sizeof(!!(condition)))
#define BUILD_BUG_ON_MSG(condition, said) BUILD_BUG_ON(condition)
#define BUILD_BUG_ON(condition) _Static_assert(!(condition), #condition)
#define BUILD_BUG() do { } while (0)
#define VM_WARN_ON(condition) ((void)sizeof(!!(condition)))
#define VM_WARN_ON_ONCE(condition) ((void)sizeof(!!(condition)))
#define VM_BUG_ON(condition) ((void)sizeof(!!(condition)))
#define VM_WARN(condition, ...) ((void)sizeof(!!(condition)))
#define VM_WARN_ONCE(condition, ...) ((void)sizeof(!!(condition)))
#define VM_WARN_ON_FOLIO(condition, folio) ((void)sizeof(!!(condition)))
#define VM_WARN_ON_ONCE_FOLIO(condition, folio) ((void)sizeof(!!(condition)))
#define VM_WARN_ON_ONCE_PAGE(condition, page) ((void)sizeof(!!(condition)))
#define VM_WARN_ON_ONCE_MM(condition, mm) ((void)sizeof(!!(condition)))
#define VM_WARN_ON_ONCE_VMA(condition, vma) ((void)sizeof(!!(condition)))
#define VM_BUG_ON_FOLIO(condition, folio) ((void)sizeof(!!(condition)))
#define VIRTUAL_WARN_ON VM_WARN_ON
#define VIRTUAL_BUG_ON VM_BUG_ON
#define mmap_assert_locked(mm) ((void)0)
#define mmap_assert_write_locked(mm) ((void)0)
#define vma_assert_locked(vma) ((void)0)
#define vma_assert_write_locked(vma) ((void)0)
