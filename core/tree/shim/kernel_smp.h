/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/smp.c without any architecture, and with the CPU that is interrupted: requests of which nothing is known.
 *
 * The queue of a CPU (llist) is its thread's own memory.  That a request is unlocked is an operation, whoever waits.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#include "mm.h"
#include "smp_calls.h"
typedef struct { } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)

#define llist_entry(p, type, member) container_of(p, type, member)
#define llist_empty(head) (!READ_ONCE((head)->first))
#define llist_del_all(head) ({ OP("llist_del_all"); xchg(&(head)->first, NULL); })
#define llist_for_each_entry(p, node, member)                                        \
	for (p = llist_entry(node, typeof(*p), member); &p->member;                  \
	     p = llist_entry(p->member.next, typeof(*p), member))
#define llist_for_each_entry_safe(p, n, node, member)                                \
	for (p = llist_entry(node, typeof(*p), member);                              \
	     &p->member && (n = llist_entry(p->member.next, typeof(*n), member), true); p = n)
static inline struct llist_node *llist_reverse_order(struct llist_node *head)
{
	struct llist_node *reversed = NULL;

	while (head) {
		struct llist_node *next = head->next;

		head->next = reversed;
		reversed = head;
		head = next;
	}
	return reversed;
}

void rt_released(const volatile void *p);
#undef smp_store_release
#define smp_store_release(p, value) ({ OP("barrier release"); WRITE_ONCE(*(p), value); rt_released(p); })
#define irq_work_single(csd) OP("irq_work_single")
#define local_softirq_pending() 0
#define do_softirq_post_smp_call_flush(was) ((void)(was))
DECLARE_PER_CPU(atomic_t, trigger_backtrace);
static void __flush_smp_call_function_queue(bool warn_cpu_offline);
