/* SPDX-License-Identifier: GPL-2.0-only */
/* The mm of a kernel thread is NULL; whose mm it is is asked each time. Included before mm.h. */
#pragma once

#define current (&(struct task_struct){ .mm = OP("current->mm") ? (struct mm_struct *)0x200000001000UL : NULL })
