/* SPDX-License-Identifier: GPL-2.0-only */
/* kernel/smp.c without any architecture: its entry points, as arch_plugins/from_c/_requests.py asks them. */
#include "driver_smp.h"

const struct place { const char *name; u64 address, size; } places[] = { { } };
cpumask_t __cpu_online_mask __attribute__((section("rt_const"))) = {{ 0xff }};
DEFINE_PER_CPU(atomic_t, trigger_backtrace);
#if KVER < 612
#define RT_CSD(cpu) (&per_cpu(rt_csd, cpu).csd)
#else
#define RT_CSD(cpu) (&per_cpu(rt_csd, cpu))
#endif

/*
 * A queue has requests of every kind.  One that is unlocked belongs to whoever sent it, who may send it anew: it is
 * filled with another function, so that C that still uses it shows.
 */
#define MOST_REQUESTS 3
struct rt_request { call_single_data_t csd; u64 unlocked; };
struct rt_queue { u64 number; struct rt_request requests[MOST_REQUESTS]; };
DEFINE_PER_CPU(struct rt_queue, rt_queue);
#define CALLER ((u64)__builtin_return_address(0))

static void rt_sent_anew(void *info) { op_at("sent anew", 0, 0, CALLER); }

static void rt_unlock(struct rt_request *request, u64 number, u64 pc)
{
	request->unlocked = 1;
	request->csd.func = rt_sent_anew;
	request->csd.info = NULL;
	request->csd.node.llist.next = NULL;
	op_at("unlock", number, 0, pc);
}

/* Which requests have been unlocked by now? */
static void rt_look(u64 pc)
{
	struct rt_queue *queue = per_cpu_ptr(&rt_queue, 0);

	for (u64 i = 0; i < queue->number; i++)
		if (!queue->requests[i].unlocked && !(queue->requests[i].csd.node.u_flags & CSD_FLAG_LOCK))
			rt_unlock(&queue->requests[i], i, pc);
}

/* smp_store_release(), also of what has been unlocked before. */
void rt_released(const volatile void *p)
{
	struct rt_queue *queue = per_cpu_ptr(&rt_queue, 0);

	for (u64 i = 0; i < queue->number; i++)
		if (p == &queue->requests[i].csd.node.u_flags && !(queue->requests[i].csd.node.u_flags & CSD_FLAG_LOCK))
			rt_unlock(&queue->requests[i], i, CALLER);
}

/* The function of each request; its argument is the request. */
static void rt_called(u64 number, void *info, u64 pc)
{
	rt_look(pc);
	op_at("called", number, info == &per_cpu_ptr(&rt_queue, 0)->requests[number], pc);
}
static void rt_called_0(void *info) { rt_called(0, info, CALLER); }
static void rt_called_1(void *info) { rt_called(1, info, CALLER); }
static void rt_called_2(void *info) { rt_called(2, info, CALLER); }

void sched_ttwu_pending(void *entries) { OP("sched_ttwu_pending"); }

/*
 * The queue that is answered has a digit for each request, the oldest in the lowest four bits: which of `types`, plus 1.
 * It is served in an interrupt, or by an idle CPU.
 */
u64 enter_serve(u64 idle)
{
	static const smp_call_func_t functions[MOST_REQUESTS] = { rt_called_0, rt_called_1, rt_called_2 };
	static const u64 types[] = { CSD_TYPE_ASYNC, CSD_TYPE_SYNC, CSD_TYPE_IRQ_WORK, CSD_TYPE_TTWU };
	struct rt_queue *queue = per_cpu_ptr(&rt_queue, 0);
	struct llist_head *head = this_cpu_ptr(&call_single_queue);

	for (u64 kinds = OP("queue"); kinds; kinds >>= 4) {
		u64 i = queue->number++;
		call_single_data_t *csd = &queue->requests[i].csd;

		csd->node.u_flags = CSD_FLAG_LOCK | types[(kinds & 15) - 1];
		csd->node.llist.next = head->first;
		head->first = &csd->node.llist;
		csd->func = functions[i];
		csd->info = &queue->requests[i];
	}
	if (idle)
		flush_smp_call_function_queue();
	else
		generic_smp_call_function_single_interrupt();
	rt_look(CALLER);
	return 0;
}

static void rt_asked(void *info) { op_at("called", 0, 1, CALLER); }
static bool rt_condition(int cpu, void *info) { return OP1("condition", cpu); }

/* The request is on its way to `cpu` still, from a call before. */
static void rt_in_use(call_single_data_t *csd, unsigned int cpu)
{
	csd->node.u_flags = CSD_FLAG_LOCK;
	csd->node.llist.next = (void *)(1UL << cpu);
}

u64 enter_call(u64 here, u64 wait, u64 condition, u64 busy)
{
	cpumask_t mask = {{ OP("mask") }};

	for (unsigned int cpu = 0; busy && cpu < nr_cpu_ids; cpu++)
		rt_in_use(RT_CSD(cpu), cpu);
	if (here)
		on_each_cpu_cond_mask(condition ? rt_condition : NULL, rt_asked, NULL, wait, &mask);
	else
		smp_call_function_many(&mask, rt_asked, NULL, wait);
	return 0;
}

/* A call that waits has its request on its stack. */
u64 enter_call_single(u64 cpu, u64 wait)
{
	rt_in_use(per_cpu_ptr(&csd_data, 0), cpu);
	smp_call_function_single(cpu, rt_asked, NULL, wait);
	return 0;
}
