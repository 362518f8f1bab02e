/* SPDX-License-Identifier: GPL-2.0-only */
/* mm/mremap.c: tables of a pmd may be moved as a whole, higher ones are not. */
#pragma once

#define move_pte(entry, ...) (entry)
#define take_rmap_locks(vma) OP("take_rmap_locks")
#define drop_rmap_locks(vma) OP("drop_rmap_locks")
#define move_huge_pmd(vma, old_addr, new_addr, old_pmd, new_pmd) (OP1("split_huge_pmd", (old_addr) >> PAGE_SHIFT), false)
#define move_huge_pud(vma, old_addr, new_addr, old_pud, new_pud) false
#define move_normal_pud(vma, old_addr, new_addr, old_pud, new_pud) false
#define move_hugetlb_page_tables(vma, new_vma, old_addr, new_addr, len) 0
#define arch_supports_page_table_move() true
enum pgt_entry { NORMAL_PMD, HPAGE_PMD, NORMAL_PUD, HPAGE_PUD };
#define vma_has_uffd_without_event_remap(vma) false
#define try_realign_addr(old_addr, old_vma, new_addr, new_vma, mask, for_stack) ((void)0)
#define alloc_new_pud(mm, vma, address) pud_offset(NULL, address)
#define alloc_new_pmd(mm, vma, address) pmd_offset(NULL, address)
