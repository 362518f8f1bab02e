/* SPDX-License-Identifier: GPL-2.0-only */
/* The entry point of what maps the kernel. Included behind driver.h. */
#pragma once

u64 enter_flush_tlb_kernel_range(u64 start, u64 end)
{
	flush_tlb_kernel_range(start, end);
	return 0;
}
