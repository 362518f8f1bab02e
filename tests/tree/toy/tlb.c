// SPDX-License-Identifier: GPL-2.0-only
/* Stands in for a kernel tree: an architecture that flushes by IPI, as most do. */
#include <linux/mm.h>
#include <linux/smp.h>
#include <asm/tlbflush.h>

static void ipi_flush_tlb_mm(void *info)
{
	local_flush_tlb_mm(info);
}

void flush_tlb_mm(struct mm_struct *mm)
{
	preempt_disable();
	on_each_cpu_mask(mm_cpumask(mm), ipi_flush_tlb_mm, mm, 1);
	preempt_enable();
}

void flush_tlb_range(struct vm_area_struct *vma, unsigned long start,
		     unsigned long end)
{
	flush_tlb_mm(vma->vm_mm);
}

void flush_tlb_page(struct vm_area_struct *vma, unsigned long address)
{
	flush_tlb_mm(vma->vm_mm);
}
