/* SPDX-License-Identifier: GPL-2.0-only */
/* What kernel/smp.c allocates for each CPU as it comes up. Included behind the tree. */
#pragma once

#if KVER < 612
DEFINE_PER_CPU(struct cfd_percpu, rt_csd);
DEFINE_PER_CPU(struct call_function_data, cfd_data) = { .pcpu = &rt_csd };
#else
DEFINE_PER_CPU(call_single_data_t, rt_csd);
DEFINE_PER_CPU(struct call_function_data, cfd_data) = { .csd = &rt_csd };
#endif
DEFINE_PER_CPU(struct llist_head, call_single_queue);
DEFINE_PER_CPU(call_single_data_t, csd_data);
