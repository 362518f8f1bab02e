/* SPDX-License-Identifier: GPL-2.0-only */
/* Entry points of a machine that queues the addresses of changed entries: its sections. */
#pragma once

u64 enter_lazy_mmu_mode(void)
{
	arch_enter_lazy_mmu_mode();
	return 0;
}

u64 enter_leave_lazy_mmu_mode(void)
{
	arch_leave_lazy_mmu_mode();
	return 0;
}
