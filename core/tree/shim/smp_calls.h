/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/smp.c as the tree has it, down to the queue of a CPU, the word that a request is locked by, and the IPI.
 *
 * The requests of this CPU (call_single_data) are its own memory, and keep what the C writes there.  Putting one into
 * the queue of another CPU, queue_csd(function, CPU, asynchronous), says what it is about (CSD_INFO of the
 * architecture); that CPU takes it once it has been sent an IPI.  Whether it has unlocked the request is asked when this
 * CPU waits for that: wait_csd(CPU).  queue_csd answers whether the queue has another's request already, whose IPI
 * serves both: that, and what the CPU does that is interrupted, is asked of kernel/smp.c alone (kernel_smp.h).
 */
#pragma once

#undef smp_call_function_many
#undef smp_call_function
#undef on_each_cpu_mask
#undef on_each_cpu_cond_mask
#undef on_each_cpu
#undef on_each_cpu_cond
#undef smp_call_function_single

struct llist_node { struct llist_node *next; };
struct llist_head { struct llist_node *first; };
#include <linux/smp_types.h>
void on_each_cpu_cond_mask(smp_cond_func_t cond, smp_call_func_t func, void *info, bool wait, const struct cpumask *mask);
void smp_call_function_many(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait);
void smp_call_function(smp_call_func_t func, void *info, int wait);
int smp_call_function_single(int cpu, smp_call_func_t func, void *info, int wait);
void sched_ttwu_pending(void *entries);
#include <linux/smp.h>

struct call_function_data;
DECLARE_PER_CPU(struct call_function_data, cfd_data);
DECLARE_PER_CPU(struct llist_head, call_single_queue);
DECLARE_PER_CPU(call_single_data_t, csd_data);
#define __percpu
#define ENXIO 6
#define oops_in_progress 0
#define early_boot_irqs_disabled 0
#define cfd_seq_store(variable, from, to, type) ((void)0)
#define trace_csd_queue_cpu(...) ((void)0)
#define trace_csd_function_entry(...) ((void)0)
#define trace_csd_function_exit(...) ((void)0)
#define trace_ipi_send_cpu(...) ((void)0)
#define trace_ipi_send_cpumask(...) ((void)0)
#define trace_csd_queue_cpu_enabled() 0
#define call_function_single_prep_ipi(cpu) 1 /* its idle loop does not poll */

#ifndef CSD_INFO
#define CSD_INFO(info) ((void)0)
#endif
#ifndef SHOW_CSD
#define SHOW_CSD(csd) SHOW_HANDLER((csd)->func((csd)->info)) /* cpus.h */
#endif
#define CPU_OF(p) (((u64)(p) - PERCPU_BASE) / PERCPU_STRIDE)
#define llist_add(entry, head)                                                                              \
	({                                                                                                  \
		call_single_data_t *_csd = container_of(entry, call_single_data_t, node.llist);              \
		CSD_INFO(_csd->info);                                                                       \
		SHOW_CSD(_csd);                                                                             \
		_csd->node.llist.next = (void *)(1UL << CPU_OF(head)); /* for who waits */                  \
		!op("queue_csd", (void *)_csd->func, 1UL << CPU_OF(head),                                    \
		    !(_csd->node.u_flags & CSD_TYPE_SYNC), 0);                                              \
	})
#undef smp_cond_load_acquire
#define smp_cond_load_acquire(p, condition)                                                                 \
	({                                                                                                  \
		typeof(*(p)) VAL;                                                                           \
		while (VAL = *(p), !(condition))                                                            \
			*(p) = OP1("wait_csd", container_of((void *)(p), call_single_data_t, node.u_flags)->node.llist.next); \
		OP("barrier acquire");                                                                      \
		VAL;                                                                                        \
	})
#define arch_send_call_function_single_ipi(cpu) ((void)OP1("send_ipi", 1UL << (cpu)))
#define arch_send_call_function_ipi_mask(mask) ((void)OP1("send_ipi", (mask)->bits[0]))
#if KVER < 612
#define send_call_function_single_ipi arch_send_call_function_single_ipi
#endif
