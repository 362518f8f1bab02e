/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables: the entries above, and their locks.
 *
 * U_ bits tell a table from a huge page, and huge pages (mm_huge.h) as E_ bits do pages.
 */
#pragma once

enum { U_TABLE = 1, U_HUGE = 2, U_DIRTY = 4, U_WRITE = 8, U_PROTNONE = 16, U_UFFD = 32, U_MODIFIED = 64 };

/* The entries above: each level has a table of its own, which the model reads. */
#define PMD_BASE 0x200000b00000UL
#define PUD_BASE 0x200000b80000UL
#define P4D_BASE 0x200000c00000UL
#define pmd_offset(pud, address) ((pmd_t *)PMD_BASE + ((address) >> PMD_SHIFT))
#define pud_offset(p4d, address) ((pud_t *)PUD_BASE + ((address) >> PUD_SHIFT))
#define p4d_offset(pgd, address) ((p4d_t *)P4D_BASE + ((address) >> P4D_SHIFT))
#define pmd_none(entry) (!(entry).pmd)
#define pmd_present(entry) (!!(entry).pmd)
#define pmd_bad(entry) 0
#define pmd_clear_bad(pmd) ((void)0)
#define pmd_trans_huge(entry) (!!((entry).pmd & U_HUGE))
#define pmd_leaf(entry) pmd_trans_huge(entry)
#define pmd_devmap(entry) 0
#define is_swap_pmd(entry) 0
#define pud_none(entry) (!(entry).pud)
#define pud_bad(entry) 0
#define pud_clear_bad(pud) ((void)0)
#define pud_trans_huge(entry) ((void)(entry), 0)
#define pud_leaf(entry) 0
#define pud_devmap(entry) 0
#define pudp_get(pud) READ_ONCE(*(pud))
#define pmd_pgtable(entry) ((pgtable_t)(entry).pmd)
#define pmd_clear(pmd) OP1("pmd_clear", (pmd) - (pmd_t *)PMD_BASE)
#define pmd_populate(mm, pmd, table) \
	(rt_local(pmd) ? 0 : OP2("pmd_populate", (pmd) - (pmd_t *)PMD_BASE, table)) /* a pmd of its own is nobody else's */
#define pud_alloc(mm, p4d, address) pud_offset(p4d, address)
#define pmd_alloc(mm, pud, address) pmd_offset(pud, address)
#define pte_alloc(mm, pmd) 0
#define pmdp_huge_get_and_clear(mm, address, pmdp) \
	((pmd_t){ OP1("pmdp_huge_get_and_clear", (address) >> PAGE_SHIFT) })
#define p4d_none(entry) (!(entry).p4d)
#define p4d_bad(entry) 0
#define p4d_clear_bad(p4d) ((void)0)
/* There is one table of the highest level, and it is always there. */
#define pgd_offset(mm, address) ((pgd_t *)0)
#define pgd_addr_end(address, end) (end)
#define pgd_none_or_clear_bad(pgd) 0
#define pmd_read_atomic(pmd) READ_ONCE(*(pmd))
#define pmdp_get_lockless(pmd) READ_ONCE(*(pmd))
#define pmd_trans_unstable(pmd) ({ pmd_t _value = *(pmd); pmd_none(_value) || pmd_trans_huge(_value); })

/* ---- locks ---- */

/* An address is mapped by the table of its own pmd: with another's, C goes on in entries that nobody has asked it for. */
#define OF_PMD(pmd, address) \
	(rt_local(pmd) || (pmd) == pmd_offset(NULL, address) ? (void)0 : (void)OP1("table_of_another_pmd", (address) >> PAGE_SHIFT))
#define pte_offset_map_lock(mm, pmd, address, ptlp) \
	(OF_PMD(pmd, address), \
	 rt_local(pmd) ? (spin_lock(SECOND_LOCK), *(ptlp) = SECOND_LOCK, ENTRY(address)) /* that nobody else has */     \
	 : OP1("pte_offset_map_lock", (address) >> PAGE_SHIFT) ? (*(ptlp) = NULL, ENTRY(address)) : NO_TABLE(address))
#if KVER >= 605
#define NO_TABLE(address) NULL
#else
#define NO_TABLE(address) ENTRY(address) /* it is always there */
#endif
#define pte_unmap_unlock(ptep, ptl) \
	((ptl) == SECOND_LOCK ? spin_unlock(SECOND_LOCK) : (void)OP("pte_unmap_unlock"))
#define pte_unmap(ptep) ((void)(ptep))
/* The table of a second place: locked by itself, unless it is the one that is locked already. */
#define SECOND_LOCK ((spinlock_t *)0x200000d00000UL)
#define SECOND(address) (OP1("is_second_table", (address) >> PAGE_SHIFT) || NONE_LOCKED ? SECOND_LOCK : NULL)
#define pte_offset_map_nolock(mm, pmd, address, ptlp) (OF_PMD(pmd, address), *(ptlp) = SECOND(address), ENTRY(address))
#define pte_offset_map(pmd, address) (OF_PMD(pmd, address), ENTRY(address))
#define pte_lockptr(mm, pmd) SECOND((u64)((pmd) - (pmd_t *)PMD_BASE) << PMD_SHIFT)
#define spin_lock_nested(lock, subclass) spin_lock(lock)
#define PMD_LOCK ((spinlock_t *)0x200000d00008UL)
#define pmd_lock(mm, pmd) (OP1("pmd_lock", (pmd) - (pmd_t *)PMD_BASE), PMD_LOCK)
#define pmd_lockptr(mm, pmd) PMD_LOCK /* one table holds both */
