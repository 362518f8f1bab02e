/* SPDX-License-Identifier: GPL-2.0-only */
/* CPUs: masks of them, per-CPU variables, interrupts, calls to other CPUs.  The thread runs on CPU 0 and stays there. */
#pragma once

#ifdef SHOWS_HANDLERS
int rt_cpu(void);
void rt_be_cpu(int cpu);
#define CPU rt_cpu()
#else
extern int CPU;
#endif
extern u64 NCPU;
#ifndef NR_CPUS
#define NR_CPUS 16
#endif
#define nr_cpu_ids ((unsigned int)NCPU)
#define num_online_cpus() nr_cpu_ids
#define num_possible_cpus() nr_cpu_ids

/* A mask is one word: a read of it is one READ_ONCE, whatever is looked for in it. */
typedef struct cpumask { unsigned long bits[1]; } cpumask_t;
typedef cpumask_t cpumask_var_t[1];
extern cpumask_t __cpu_online_mask;
#define cpu_online_mask (&__cpu_online_mask)
#define cpu_possible_mask (&__cpu_online_mask)
#define cpu_present_mask (&__cpu_online_mask)
#define cpu_active_mask (&__cpu_online_mask)
#define CPU_BITS_NONE { 0 }
#define CPU_BITS_ALL ((1UL << NCPU) - 1)
#define cpumask_bits(mask) ((mask)->bits)
static inline unsigned long cpumask_word(const cpumask_t *m) { return READ_ONCE(m->bits[0]) & CPU_BITS_ALL; }
static inline void cpumask_set_cpu(int cpu, cpumask_t *m) { set_bit(cpu, m->bits); }
static inline void cpumask_clear_cpu(int cpu, cpumask_t *m) { clear_bit(cpu, m->bits); }
static inline void __cpumask_set_cpu(int cpu, cpumask_t *m) { __set_bit(cpu, m->bits); }
static inline void __cpumask_clear_cpu(int cpu, cpumask_t *m) { __clear_bit(cpu, m->bits); }
static inline bool cpumask_test_cpu(int cpu, const cpumask_t *m) { return cpumask_word(m) >> cpu & 1; }
static inline bool cpumask_test_and_set_cpu(int cpu, cpumask_t *m) { return test_and_set_bit(cpu, m->bits); }
static inline bool cpumask_test_and_clear_cpu(int cpu, cpumask_t *m) { return test_and_clear_bit(cpu, m->bits); }
static inline bool cpumask_empty(const cpumask_t *m) { return !cpumask_word(m); }
static inline bool cpumask_equal(const cpumask_t *a, const cpumask_t *b) { return cpumask_word(a) == cpumask_word(b); }
static inline unsigned int cpumask_weight(const cpumask_t *m) { return __builtin_popcountl(cpumask_word(m)); }
static inline void cpumask_setall(cpumask_t *m) { m->bits[0] = CPU_BITS_ALL; }
static inline void cpumask_clear(cpumask_t *m) { m->bits[0] = 0; }
static inline void cpumask_copy(cpumask_t *to, const cpumask_t *of) { to->bits[0] = of->bits[0]; }
static inline void cpumask_or(cpumask_t *to, const cpumask_t *a, const cpumask_t *b)
{ to->bits[0] = a->bits[0] | b->bits[0]; }
static inline bool cpumask_and(cpumask_t *to, const cpumask_t *a, const cpumask_t *b)
{ return to->bits[0] = a->bits[0] & b->bits[0]; }
static inline bool cpumask_andnot(cpumask_t *to, const cpumask_t *a, const cpumask_t *b)
{ return to->bits[0] = a->bits[0] & ~b->bits[0]; }
static inline void cpumask_xor(cpumask_t *to, const cpumask_t *a, const cpumask_t *b)
{ to->bits[0] = a->bits[0] ^ b->bits[0]; }
static inline void cpumask_complement(cpumask_t *to, const cpumask_t *of) { to->bits[0] = CPU_BITS_ALL & ~of->bits[0]; }
static inline bool cpumask_subset(const cpumask_t *a, const cpumask_t *b)
{ return !(cpumask_word(a) & ~cpumask_word(b)); }
static inline bool cpumask_intersects(const cpumask_t *a, const cpumask_t *b) { return cpumask_word(a) & cpumask_word(b); }
static inline bool cpumask_full(const cpumask_t *m) { return cpumask_word(m) == CPU_BITS_ALL; }
static inline unsigned int first_cpu(unsigned long word) { return word ? __builtin_ctzl(word) : nr_cpu_ids; }
static inline unsigned int cpumask_next(int cpu, const cpumask_t *m)
{ return first_cpu(cpumask_word(m) & (cpu < 0 ? ~0UL : ~((2UL << cpu) - 1))); }
static inline unsigned int cpumask_first(const cpumask_t *m) { return first_cpu(cpumask_word(m)); }
static inline unsigned int cpumask_any_but(const cpumask_t *m, unsigned int cpu)
{ return first_cpu(cpumask_word(m) & ~(1UL << cpu)); }
static inline unsigned int cpumask_last(const cpumask_t *m)
{
	unsigned long word = cpumask_word(m);

	return word ? ilog2(word) : nr_cpu_ids;
}
static inline unsigned int cpumask_first_and(const cpumask_t *a, const cpumask_t *b)
{ return first_cpu(cpumask_word(a) & cpumask_word(b)); }
static inline unsigned int cpumask_first_zero(const cpumask_t *m) { return first_cpu(~cpumask_word(m) & CPU_BITS_ALL); }
static inline unsigned int cpumask_next_and(int cpu, const cpumask_t *a, const cpumask_t *b)
{ return first_cpu(cpumask_word(a) & cpumask_word(b) & (cpu < 0 ? ~0UL : ~((2UL << cpu) - 1))); }
static inline unsigned int cpumask_next_zero(int cpu, const cpumask_t *m)
{ return first_cpu(~cpumask_word(m) & CPU_BITS_ALL & (cpu < 0 ? ~0UL : ~((2UL << cpu) - 1))); }
static inline unsigned int cpumask_any_and_but(const cpumask_t *a, const cpumask_t *b, unsigned int cpu)
{ return first_cpu(cpumask_word(a) & cpumask_word(b) & ~(1UL << cpu)); }
#define cpumask_any cpumask_first
#define cpumask_any_and cpumask_first_and
#define cpumask_any_distribute cpumask_first
#define cpumask_assign_cpu(cpu, m, value) assign_bit(cpu, (m)->bits, value)
#define __cpumask_assign_cpu(cpu, m, value) __assign_bit(cpu, (m)->bits, value)
#define alloc_cpumask_var(m, flags) 1
#define zalloc_cpumask_var(m, flags) (cpumask_clear(*(m)), 1)
#define free_cpumask_var(m) ((void)0)
#define cpu_online(cpu) cpumask_test_cpu(cpu, cpu_online_mask)
static const cpumask_t single_cpu[NR_CPUS] = {
	{{1UL << 0}}, {{1UL << 1}}, {{1UL << 2}}, {{1UL << 3}}, {{1UL << 4}}, {{1UL << 5}}, {{1UL << 6}}, {{1UL << 7}},
};
#define cpumask_of(cpu) (&single_cpu[cpu])
#define for_each_cpu(cpu, mask) for ((cpu) = -1; (cpu) = cpumask_next((cpu), (mask)), (cpu) < nr_cpu_ids;)
#define for_each_cpu_and(cpu, a, b) \
	for ((cpu) = -1; (cpu) = cpumask_next_and((cpu), (a), (b)), (cpu) < nr_cpu_ids;)
#define for_each_cpu_wrap(cpu, mask, from) for_each_cpu(cpu, mask)
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < nr_cpu_ids; (cpu)++)
#define for_each_online_cpu for_each_possible_cpu

#define raw_smp_processor_id() CPU
#define smp_processor_id() CPU
#define __smp_processor_id() CPU
#define preempt_disable() OP("preempt_disable")
#define preempt_enable() OP("preempt_enable")
#define preempt_disable_notrace preempt_disable
#define preempt_enable_notrace preempt_enable
#define preempt_enable_no_resched preempt_enable
#define migrate_disable preempt_disable
#define migrate_enable preempt_enable
#define get_cpu() ({ preempt_disable(); CPU; })
#define put_cpu() preempt_enable()
#define local_irq_save(flags) ({ (flags) = 0; OP("irq_off"); })
#define local_irq_restore(flags) ({ (void)(flags); OP("irq_on"); })
#define local_irq_disable() OP("irq_off")
#define local_irq_enable() OP("irq_on")
#define irqs_disabled() 0
#define preemptible() 0
#define in_task() 1
#define in_nmi() 0
#define in_hardirq() 0
#define in_atomic() 0
#define in_interrupt() 0

/* ---- per-CPU variables: one section, of which each CPU has a copy at a fixed address ---- */

#define PERCPU_BASE 0x300000000000UL
#define PERCPU_STRIDE 0x10000UL
extern char __start_percpu[];
#define per_cpu_ptr(p, cpu) ((typeof(*(p)) *)((char *)(p) - __start_percpu + PERCPU_BASE + (cpu) * PERCPU_STRIDE))
#define per_cpu(variable, cpu) (*per_cpu_ptr(&(variable), cpu))
#define this_cpu_ptr(p) per_cpu_ptr(p, CPU)
#define raw_cpu_ptr(p) per_cpu_ptr(p, CPU)
#define get_cpu_var(variable) (*({ preempt_disable(); this_cpu_ptr(&(variable)); }))
#define put_cpu_var(variable) preempt_enable()
#define get_cpu_ptr(p) ({ preempt_disable(); this_cpu_ptr(p); })
#define put_cpu_ptr(p) preempt_enable()
#define this_cpu_read(variable) READ_ONCE(*this_cpu_ptr(&(variable)))
#define this_cpu_write(variable, value) WRITE_ONCE(*this_cpu_ptr(&(variable)), value)
#define __this_cpu_read this_cpu_read
#define raw_cpu_read this_cpu_read
#define __this_cpu_write this_cpu_write
#define raw_cpu_write this_cpu_write
#define this_cpu_rmw(kind, variable, how, a) \
	((typeof(variable))rmw(kind, this_cpu_ptr(&(variable)), sizeof(variable), how, (u64)(a), 0))
#define this_cpu_add_return(variable, n) \
	((typeof(variable))(this_cpu_rmw("this_cpu_add", variable, '+', (s64)(n)) + (n)))
#define this_cpu_add(variable, n) ((void)this_cpu_add_return(variable, n))
#define this_cpu_sub(variable, n) this_cpu_add(variable, -(s64)(n))
#define this_cpu_cmpxchg(variable, from, to)                                                                   \
	((typeof(variable))rmw("this_cpu_cmpxchg", this_cpu_ptr(&(variable)), sizeof(variable), 'c', (u64)(from), (u64)(to)))
#define __this_cpu_add this_cpu_add
#define __this_cpu_sub this_cpu_sub
#define __this_cpu_inc this_cpu_inc
#define __this_cpu_dec this_cpu_dec
#define __this_cpu_or this_cpu_or
#define __this_cpu_and this_cpu_and
#define __this_cpu_xchg this_cpu_xchg
#define raw_cpu_add this_cpu_add
#define raw_cpu_inc this_cpu_inc
#define raw_cpu_dec this_cpu_dec
#define this_cpu_xchg(variable, value) this_cpu_rmw("this_cpu_xchg", variable, 'x', value)
#define this_cpu_inc_return(variable) (this_cpu_rmw("this_cpu_add", variable, '+', 1) + 1)
#define __this_cpu_inc_return this_cpu_inc_return
#define this_cpu_inc(variable) ((void)this_cpu_inc_return(variable))
#define this_cpu_dec(variable) ((void)this_cpu_rmw("this_cpu_add", variable, '+', -1L))
#define this_cpu_or(variable, bits) ((void)this_cpu_rmw("this_cpu_or", variable, '|', bits))
#define this_cpu_and(variable, bits) ((void)this_cpu_rmw("this_cpu_and", variable, '&', bits))
#define DEFINE_PER_CPU(type, name) __attribute__((section("percpu"))) typeof(type) name
#define DEFINE_PER_CPU_SHARED_ALIGNED DEFINE_PER_CPU
#define DEFINE_PER_CPU_ALIGNED DEFINE_PER_CPU
#define DEFINE_PER_CPU_PAGE_ALIGNED DEFINE_PER_CPU
#define DEFINE_PER_CPU_READ_MOSTLY DEFINE_PER_CPU
#define DECLARE_PER_CPU(type, name) extern __attribute__((section("percpu"))) typeof(type) name
#define DECLARE_PER_CPU_SHARED_ALIGNED DECLARE_PER_CPU
#define DECLARE_PER_CPU_ALIGNED DECLARE_PER_CPU
#define DECLARE_PER_CPU_PAGE_ALIGNED DECLARE_PER_CPU
#define DECLARE_PER_CPU_READ_MOSTLY DECLARE_PER_CPU

/*
 * ---- calls to other CPUs ----
 *
 * For a unit without kernel/smp.c (smp_calls.h has it): what smp_call_function_many_cond() does, in few words.  It sends,
 * does its own part while the others are being interrupted, and waits.  The function and its argument go with the
 * request: send_ipi(function, CPUs, argument).  A call that does not wait goes on while others have yet to be
 * interrupted; csd_lock() has it wait for its own request before that.
 */

typedef void (*smp_call_func_t)(void *info);
typedef bool (*smp_cond_func_t)(int cpu, void *info);

/*
 * What a function does on the CPUs that are interrupted is shown by the CPU that sends, before it sends: once as a CPU
 * that is on the mm has it, and once as one that is not.
 */
#ifdef SHOWS_HANDLERS
#define INTERRUPTED 15
#define SHOW_HANDLER(call)                            \
	do {                                          \
		for (int on = 1; on >= 0; on--) {     \
			OP1("handler", on);           \
			rt_be_cpu(INTERRUPTED);       \
			call;                         \
			rt_be_cpu(0);                 \
		}                                     \
		OP("handler end");                    \
	} while (0)
#else
#define SHOW_HANDLER(call) ((void)0)
#endif

static __always_inline void smp_call(const cpumask_t *mask, smp_cond_func_t cond, smp_call_func_t func, void *info, bool wait,
			    bool self)
{
	unsigned long word = cpumask_word(mask), others = 0;

	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++)
		if (cpu != CPU && (word >> cpu & 1) && (!cond || cond(cpu, info)))
			others |= 1UL << cpu;
	if (others && !wait)
		op("wait_ipi", func, others, 0, 0);
	if (others) {
		SHOW_HANDLER(func(info));
		op("send_ipi", func, others, (u64)info, 0);
	}
	if (self && (word >> CPU & 1) && (!cond || cond(CPU, info))) {
		OP("irq_off");
		func(info);
		OP("irq_on");
	}
	if (others && wait)
		op("wait_ipi", func, others, 0, 0);
}
#define smp_call_function_many(mask, f, info, wait) smp_call(mask, NULL, f, info, wait, false)
#define on_each_cpu_mask(mask, f, info, wait) smp_call(mask, NULL, f, info, wait, true)
#define on_each_cpu_cond_mask(cond, f, info, wait, mask) smp_call(mask, cond, f, info, wait, true)
#define on_each_cpu(f, info, wait) smp_call(cpu_online_mask, NULL, f, info, wait, true)
#define on_each_cpu_cond(cond, f, info, wait) on_each_cpu_cond_mask(cond, f, info, wait, cpu_online_mask)
#define smp_call_function(f, info, wait) smp_call(cpu_online_mask, NULL, f, info, wait, false)
#define smp_call_function_single(cpu, f, info, wait) smp_call(cpumask_of(cpu), NULL, f, info, wait, true)
