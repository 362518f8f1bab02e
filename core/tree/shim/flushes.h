/* SPDX-License-Identifier: GPL-2.0-only */
/* The flushes of a machine whose CPUs flush their own TLBs, and ask each other to: what its headers declare. */
#pragma once

#define local_flush_tlb_all() OP("local_flush_tlb_all")
void local_flush_tlb_mm(struct mm_struct *mm);
void local_flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void local_flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
void flush_tlb_mm(struct mm_struct *mm);
void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void flush_tlb_page(struct vm_area_struct *vma, unsigned long address);
void local_flush_tlb_kernel_range(unsigned long start, unsigned long end);
void flush_tlb_kernel_range(unsigned long start, unsigned long end);
