/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions of mm/ as the tree has them, on generic SMP: what they call of other files is an operation of the model's text.
 *
 * An entry is told apart as far as the code looks at it: E_ bits.  What it maps stays with the model, which keeps the
 * entry that was read last; its page is PAGE.  A pointer to an entry is its page's number, counted from the start of
 * what the highest table maps.
 */
#pragma once

#define CONFIG_SMP 1
#define CONFIG_MMU 1
#define CONFIG_PGTABLE_LEVELS 5
#define CONFIG_TRANSPARENT_HUGEPAGE 1
#define CONFIG_ARCH_ENABLE_THP_MIGRATION 1

/* The first arguments of every entry point: how many pages an entry of a table maps in the model, and what is configured. */
extern u64 rt_arguments[];
#define PMD_SHIFT rt_arguments[0]
#define PUD_SHIFT rt_arguments[1]
#define P4D_SHIFT rt_arguments[2]
#define CONFIG_HAVE_MOVE_PMD (rt_arguments[3] & 1)
#define CONFIG_HAVE_MOVE_PUD 0
#define IN_FAULT (rt_arguments[3] & 2)
#undef IS_ENABLED
#define IS_ENABLED(option) (option)
/* What a task has of its own: its batch of deferred flushes. */
struct arch_tlbflush_unmap_batch { int unused; };
struct tlbflush_unmap_batch { struct arch_tlbflush_unmap_batch arch; bool flush_required, writable; };
struct this_task { struct tlbflush_unmap_batch tlb_ubc; };
#define current ((struct this_task *)0x200000d00100UL)
struct vm_operations_struct;
#define VMA_MORE const struct vm_operations_struct *vm_ops; struct file *vm_file; unsigned long vm_page_prot;
#define PAGE_MORE struct address_space *mapping; struct dev_pagemap *pgmap;
#include "mm.h"
#define P4D_MASK (~(P4D_SIZE - 1))
#define HPAGE_PMD_MASK PMD_MASK
#define HPAGE_PUD_NR 0

typedef struct { int unused; } mm_context_t;
DEFINE_MM_STRUCT(mm_context_t)
struct mmu_gather { struct mm_struct *mm; bool fullmm; };
#define flush_tlb_mm(mm) ((void)OP("flush_tlb_mm"))
#define flush_tlb_range(vma, start, end) ((void)OP2("flush_tlb_range", (start) >> PAGE_SHIFT, (end) >> PAGE_SHIFT))
#define flush_tlb_page(vma, address) ((void)OP1("flush_tlb_page", (address) >> PAGE_SHIFT))

#define OP3(kind, a, b, c) op(kind, 0, (u64)(a), (u64)(b), (u64)(c))

/* ---- entries ---- */

enum { E_PRESENT = 1, E_DIRTY = 2, E_WRITE = 4, E_UFFD = 8, E_PROTNONE = 16, E_SWAP = 32, E_MIGRATION = 64 };
#define E_MODIFIED 128 /* pte_modify(): what it makes of an entry is the model's */
enum { U_TABLE = 1, U_HUGE = 2, U_DIRTY = 4, U_WRITE = 8, U_PROTNONE = 16, U_UFFD = 32, U_MODIFIED = 64 };

typedef struct { u64 val; } swp_entry_t;
#define __pte(v) ((pte_t){ v })
#define pte_val(entry) ((entry).pte)
#define pte_none(entry) (!(entry).pte)
#define pte_present(entry) (!!((entry).pte & E_PRESENT))
#define pte_dirty(entry) (!!((entry).pte & E_DIRTY))
#define pte_young(entry) 1
#define pte_write(entry) (!!((entry).pte & E_WRITE))
#define pte_protnone(entry) (!!((entry).pte & E_PROTNONE))
#define pte_uffd_wp(entry) (!!((entry).pte & E_UFFD))
#define pte_same(a, b) ((a).pte == (b).pte && OP("same_page")) /* E_ bits do not name it */
#define pte_wrprotect(entry) __pte((entry).pte & ~(u64)E_WRITE)
#define pte_mkclean(entry) __pte((entry).pte & ~(u64)E_DIRTY)
#define pte_mkwrite(entry, ...) __pte((entry).pte | E_WRITE)
#define pte_mkuffd_wp(entry) __pte((entry).pte | E_UFFD)
#define pte_clear_uffd_wp(entry) __pte((entry).pte & ~(u64)E_UFFD)
#define pte_modify(entry, protection) __pte((entry).pte | E_MODIFIED)
#define pte_mk_savedwrite(entry) (entry)
#define is_swap_pte(entry) (!pte_none(entry) && !pte_present(entry))
#define pte_swp_soft_dirty(entry) 0
#define pte_swp_mksoft_dirty(entry) (entry)
#define pte_swp_uffd_wp(entry) 0
#define pte_swp_mkuffd_wp(entry) (entry)
#define pte_swp_clear_uffd_wp(entry) (entry)
#define swp_entry_to_pte(entry) __pte((entry).val)
#define swp_offset(entry) ((entry).val)
#define is_writable_migration_entry(entry) (((entry).val & E_MIGRATION) && ((entry).val & E_WRITE))
#define make_readable_migration_entry(offset) ((swp_entry_t){ ((offset) & ~(u64)E_WRITE) | E_MIGRATION })
#define make_readable_exclusive_migration_entry make_readable_migration_entry
#define is_writable_device_private_entry(entry) 0
#define make_readable_device_private_entry make_readable_migration_entry
#define is_writable_device_exclusive_entry(entry) 0
#define make_readable_device_exclusive_entry make_readable_migration_entry
#define is_pte_marker_entry(entry) 0
#define pte_marker_uffd_wp(entry) 0
#define make_pte_marker(marker) __pte(0)
#define pte_to_swp_entry(entry) ((swp_entry_t){ (entry).pte })
#define non_swap_entry(entry) (!((entry).val & E_SWAP))
#define is_migration_entry(entry) (!!((entry).val & E_MIGRATION))
#define is_device_private_entry(entry) 0
#define is_device_exclusive_entry(entry) 0
#define is_hwpoison_entry(entry) 0
#define is_poisoned_swp_entry(entry) 0
#define is_swapin_error_entry(entry) 0
#define pte_marker_entry_uffd_wp(entry) 0

#define ENTRY_BASE 0x200000a00000UL
#define ENTRY(address) ((pte_t *)ENTRY_BASE + ((address) >> PAGE_SHIFT))
#define NUMBER(ptep) ((u64)((ptep) - (pte_t *)ENTRY_BASE))
#define ptep_get(ptep) __pte(OP1("ptep_get", NUMBER(ptep)))
#define ptep_get_and_clear(mm, address, ptep) __pte(OP2("ptep_get_and_clear", NUMBER(ptep), 1))
#define set_pte_at(mm, address, ptep, entry) OP2("set_pte_at", NUMBER(ptep), pte_val(entry))
#define pte_clear(mm, address, ptep) OP2("set_pte_at", NUMBER(ptep), 0)
#define ptep_modify_prot_start(vma, address, ptep) __pte(OP1("ptep_modify_prot_start", NUMBER(ptep)))
#define ptep_modify_prot_commit(vma, address, ptep, old, entry) \
	OP2("ptep_modify_prot_commit", NUMBER(ptep), pte_val(entry))
#define pte_needs_flush(old, entry) ((bool)OP2("pte_needs_flush", pte_val(old), pte_val(entry)))
#define tlb_flush_pte_range(tlb, address, size) \
	OP2("tlb_remove_tlb_entries", (address) >> PAGE_SHIFT, (size) >> PAGE_SHIFT)
#define ptep_test_and_clear_young(vma, address, ptep) ((bool)OP1("ptep_test_and_clear_young", NUMBER(ptep)))
#define pte_accessible(mm, entry) ((bool)OP("pte_accessible"))
#define move_pte(entry, ...) (entry)
#define pte_pfn(entry) 0
#define pte_unused(entry) 0
#define pte_soft_dirty(entry) 0
#define pte_swp_mkexclusive(entry) (entry)
#define make_writable_migration_entry(pfn) ((swp_entry_t){ E_MIGRATION | E_WRITE })
#define make_migration_entry_young(entry) (entry)
#define make_migration_entry_dirty(entry) ((swp_entry_t){ (entry).val | E_DIRTY })
#define make_hwpoison_entry(page) ((swp_entry_t){ 0 })
#define page_swap_entry(page) ((swp_entry_t){ E_SWAP })
#define page_private(page) E_SWAP
typedef swp_entry_t softleaf_t;
#define softleaf_from_pte(entry) pte_to_swp_entry(entry)
#define softleaf_to_pfn(entry) 0

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
#define pmd_pgtable(entry) ((entry).pmd)
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

/* ---- pages ---- */

#define PAGE_BASE 0x200000800000UL
#define PAGE ((struct page *)PAGE_BASE)
#define vm_normal_page(vma, address, entry) (OP("vm_normal_page") ? PAGE : NULL)
#define folio_test_anon(folio) ((bool)OP("folio_test_anon"))
#define PageAnon(page) ((bool)OP("folio_test_anon"))
#define folio_test_large(folio) ((bool)OP("folio_test_large"))
#define folio_test_pmd_mappable(folio) 0
#define folio_mark_dirty(folio) OP("folio_mark_dirty")
#define set_page_dirty(page) OP("folio_mark_dirty")
#define folio_mark_accessed(folio) ((void)0)
#define mark_page_accessed(page) ((void)0)
#define vma_has_recency(vma) 1
#define VM_SEQ_READ 0
#define folio_mapcount(folio) 0
#define page_mapcount(page) 0
#define print_bad_pte(vma, address, entry, page) ((void)0)
#define pfn_swap_entry_to_page(entry) PAGE
#define pfn_swap_entry_folio(entry) page_folio(PAGE)
#define folio_put(folio) OP1("folio_put", (void *)(folio) == (void *)NEW_PAGE)
#define put_page(page) folio_put(page)
#define folio_remove_rmap_ptes(folio, page, nr, vma) OP1("folio_remove_rmap_ptes", nr)
#define folio_remove_rmap_pte(folio, page, vma) OP1("folio_remove_rmap_ptes", 1)
#define folio_remove_rmap_pmd(folio, page, vma) OP("folio_remove_rmap_pmd")
#define page_remove_rmap(page, vma, compound) \
	((compound) ? OP("folio_remove_rmap_pmd") : OP1("folio_remove_rmap_ptes", 1))
typedef int fpb_t;
#define FPB_IGNORE_DIRTY 0
#define FPB_IGNORE_SOFT_DIRTY 0
#define folio_pte_batch(folio, address, ptep, entry, max, flags, ...) OP2("folio_pte_batch", NUMBER(ptep), max)
#define swap_pte_batch(ptep, max, entry) OP2("swap_pte_batch", NUMBER(ptep), max)
#define free_swap_and_cache(entry) (OP1("free_swap_and_cache", 1), 1)
#define free_swap_and_cache_nr(entry, nr) OP1("free_swap_and_cache", nr)

/* Counts of an mm's pages, which no model has: forgotten before each change, so that they do not tell states apart. */
#define NR_MM_COUNTERS 1
#define MM_FILEPAGES (rss[0] = 0, 0)
#define MM_ANONPAGES MM_FILEPAGES
#define MM_SWAPENTS MM_FILEPAGES
#define mm_counter(folio) MM_FILEPAGES
#define init_rss_vec(rss) ((rss)[0] = 0)
#define add_mm_rss_vec(mm, rss) ((void)(rss))

/* ---- other files' functions ---- */

#define pte_offset_map_lock(mm, pmd, address, ptlp) \
	(OP1("pte_offset_map_lock", (address) >> PAGE_SHIFT) ? (*(ptlp) = NULL, ENTRY(address)) : NO_TABLE(address))
#if KVER >= 605
#define NO_TABLE(address) NULL
#else
#define NO_TABLE(address) ENTRY(address) /* it is always there */
#endif
#define pte_unmap_unlock(ptep, ptl) \
	((ptl) == SECOND_LOCK ? spin_unlock(SECOND_LOCK) : (void)OP("pte_unmap_unlock"))
#define pte_unmap(ptep) ((void)(ptep))
/* The table of a second place: locked by itself, unless it is the one that is locked already; a fault has locked none. */
#define SECOND_LOCK ((spinlock_t *)0x200000d00000UL)
#define SECOND(address) (OP1("is_second_table", (address) >> PAGE_SHIFT) || IN_FAULT ? SECOND_LOCK : NULL)
#define pte_offset_map_nolock(mm, pmd, address, ptlp) (*(ptlp) = SECOND(address), ENTRY(address))
#define pte_offset_map(pmd, address) ENTRY(address)
#define pte_lockptr(mm, pmd) SECOND((u64)((pmd) - (pmd_t *)PMD_BASE) << PMD_SHIFT)
#define spin_lock_nested(lock, subclass) spin_lock(lock)
#define PMD_LOCK ((spinlock_t *)0x200000d00008UL)
#define pmd_lock(mm, pmd) (OP1("pmd_lock", (pmd) - (pmd_t *)PMD_BASE), PMD_LOCK)
#define pmd_lockptr(mm, pmd) PMD_LOCK /* one table holds both */
#define take_rmap_locks(vma) OP("take_rmap_locks")
#define drop_rmap_locks(vma) OP("drop_rmap_locks")
#define flush_pmd_tlb_range(vma, start, end) \
	OP2("flush_pmd_tlb_range", (start) >> PAGE_SHIFT, (end) >> PAGE_SHIFT)
#define need_resched() ((bool)OP("need_resched"))
#define cond_resched() OP("cond_resched")
#define arch_enter_lazy_mmu_mode() OP("arch_enter_lazy_mmu_mode")
#define arch_leave_lazy_mmu_mode() OP("arch_leave_lazy_mmu_mode")
#define arch_check_zapped_pte(vma, entry) ((void)0)
#define ksm_might_unmap_zero_page(mm, entry) ((void)0)
#define pr_alert(...) ((void)0)
#define tlb_change_page_size(tlb, size) OP1("tlb_change_page_size", (size) >> PAGE_SHIFT)
#define tlb_start_vma(tlb, vma) OP("tlb_start_vma")
#define tlb_end_vma(tlb, vma) OP("tlb_end_vma")
#define tlb_delay_rmap(tlb) ((bool)OP("tlb_delay_rmap"))
#define tlb_remove_tlb_entry(tlb, ptep, address) OP2("tlb_remove_tlb_entries", NUMBER(ptep), 1)
#define tlb_remove_tlb_entries(tlb, ptep, nr, address) OP2("tlb_remove_tlb_entries", NUMBER(ptep), nr)
#define __tlb_remove_folio_pages(tlb, page, nr, delay_rmap) ((bool)OP2("tlb_remove_page", nr, delay_rmap))
#define __tlb_remove_page(tlb, page) ((bool)OP2("tlb_remove_page", 1, 0))
#define tlb_flush_mmu_tlbonly(tlb) OP("tlb_flush_mmu_tlbonly")
#define tlb_flush_rmaps(tlb, vma) OP("tlb_flush_rmaps")
#define tlb_flush_mmu(tlb) OP("tlb_flush_mmu")
#define ptep_get_and_clear_full(mm, address, ptep, full) __pte(OP3("ptep_get_and_clear", NUMBER(ptep), 1, full))
#define get_and_clear_full_ptes(mm, address, ptep, nr, full) \
	__pte(OP3("get_and_clear_full_ptes", NUMBER(ptep), nr, full))
#define clear_full_ptes(mm, address, ptep, nr, full) OP3("get_and_clear_full_ptes", NUMBER(ptep), nr, full)
#define clear_not_present_full_ptes(mm, address, ptep, nr, full) OP2("clear_not_present_full_ptes", NUMBER(ptep), nr)
#define pte_clear_not_present_full(mm, address, ptep, full) OP2("clear_not_present_full_ptes", NUMBER(ptep), 1)
#define zap_huge_pud(tlb, vma, pud, address) 0
#define change_huge_pud(tlb, vma, pud, address, protection, flags) 1
#define __split_huge_pud(vma, pud, address) ((void)0)
#define split_huge_pmd(vma, pmd, address) OP1("split_huge_pmd", (address) >> PAGE_SHIFT)
#define move_huge_pmd(vma, old_addr, new_addr, old_pmd, new_pmd) (OP1("split_huge_pmd", (old_addr) >> PAGE_SHIFT), false)
#define move_huge_pud(vma, old_addr, new_addr, old_pud, new_pud) false
#define move_normal_pud(vma, old_addr, new_addr, old_pud, new_pud) false
#define move_hugetlb_page_tables(vma, new_vma, old_addr, new_addr, len) 0
#define arch_supports_page_table_move() true
enum pgt_entry { NORMAL_PMD, HPAGE_PMD, NORMAL_PUD, HPAGE_PUD };
#define alloc_new_pud(mm, vma, address) pud_offset(NULL, address)
#define alloc_new_pmd(mm, vma, address) pmd_offset(NULL, address)
#define pmd_trans_unstable(pmd) ({ pmd_t _value = *(pmd); pmd_none(_value) || pmd_trans_huge(_value); })
#define vma_has_uffd_without_event_remap(vma) false
#define try_realign_addr(old_addr, old_vma, new_addr, new_vma, mask, for_stack) ((void)0)
#define __split_huge_pmd(vma, pmd, address, freeze, folio) OP1("split_huge_pmd", (address) >> PAGE_SHIFT)
#define split_huge_pud(vma, pud, address) ((void)0)
#define vma_is_anonymous(vma) (!!((vma)->vm_flags & V_ANONYMOUS))
#define userfaultfd_pte_wp(vma, entry) (((vma)->vm_flags & V_UFFD_WP) && pte_uffd_wp(entry))
#define pte_install_uffd_wp_if_needed(vma, address, ptep, entry) OP("pte_install_uffd_wp_if_needed")
enum { V_ANONYMOUS = 1, V_UFFD_WP = 2, V_COW = 4 };

/* migrate.c: the page that takes the place of another. */
struct rmap_walk_arg { struct folio *folio; bool map_unused_to_zeropage; };
typedef int rmap_t;
enum { RMAP_NONE, RMAP_EXCLUSIVE };
#define linear_page_index(vma, address) 0
#define try_to_map_unused_to_zeropage(...) 0
#define mk_pte(page, protection) __pte(E_PRESENT)
#define pte_mkdirty(entry) __pte((entry).pte | E_DIRTY)
#define pte_mksoft_dirty(entry) (entry)
#define pte_clear_soft_dirty(entry) (entry)
#define maybe_mkwrite(entry, vma) pte_mkwrite(entry, vma)
#define is_migration_entry_young(entry) 1
#define is_migration_entry_dirty(entry) (!!((entry).val & E_DIRTY))
#define is_readable_migration_entry(entry) (!((entry).val & E_WRITE))
#define is_device_private_page(page) 0
#define make_writable_device_private_entry(pfn) ((swp_entry_t){ 0 })
#define folio_add_anon_rmap_pte(folio, page, vma, address, flags) OP1("inc_mapcount", 1)
#define page_add_anon_rmap(page, vma, address, flags) OP1("inc_mapcount", 1)
#define folio_add_file_rmap_pte(folio, page, vma) OP1("inc_mapcount", 1)
#define page_add_file_rmap(page, vma, compound) OP1("inc_mapcount", 1)
#define remove_migration_pmd(walk, page) ((void)0)
#define trace_remove_migration_pte(...) ((void)0)
#define compound_order(page) 0
#define update_mmu_cache(...) ((void)0)

/* fork: the child's entries are others. */
#define CHILD_ENTRY(address) (ENTRY(address) + (1UL << 32))
#define pte_alloc_map_lock(mm, pmd, address, ptlp) \
	(OP1("lock_child", (address) >> PAGE_SHIFT), *(ptlp) = NULL, CHILD_ENTRY(address))
#define copy_nonpresent_pte(...) (OP("copy_nonpresent_pte"), 0)
#define copy_present_page(...) 0
#define folio_try_dup_anon_rmap_pte(folio, page, vma) (OP1("inc_mapcount", 1), 0)
#define folio_try_dup_anon_rmap_ptes(folio, page, nr, vma) (OP1("inc_mapcount", nr), 0)
#define page_try_dup_anon_rmap(page, compound, vma) (OP1("inc_mapcount", 1), 0)
#define folio_dup_file_rmap_pte(folio, page) OP1("inc_mapcount", 1)
#define folio_dup_file_rmap_ptes(folio, page, nr) OP1("inc_mapcount", nr)
#define page_dup_file_rmap(page, compound) OP1("inc_mapcount", 1)
#define folio_get(folio) OP1("folio_ref_add", 1)
#define get_page(page) OP1("folio_ref_add", 1)
#define folio_ref_add(folio, nr) OP1("folio_ref_add", nr)
#define folio_ref_sub(folio, nr) ((void)0)
#define mm_counter_file(folio) MM_FILEPAGES
#define vma_soft_dirty_enabled(vma) 0
#define pte_mkold(entry) (entry)
#define wrprotect_ptes(mm, address, ptep, nr) OP2("wrprotect_ptes", NUMBER(ptep), nr)
#define ptep_set_wrprotect(mm, address, ptep) OP2("wrprotect_ptes", NUMBER(ptep), 1)
#define set_ptes(mm, address, ptep, entry, nr) OP3("set_ptes", NUMBER(ptep), pte_val(entry), nr)
#define userfaultfd_wp(vma) (!!((vma)->vm_flags & V_UFFD_WP))
#define spin_needbreak(lock) 0
#define page_copy_prealloc(...) NULL
#define add_swap_count_continuation(entry, flags) 0
#define ENOMEM 12
#define EIO 5
#define EBUSY 16
#define ENOENT 2
#define EHWPOISON 133

/* huge_memory.c */
#define HUGE_PMD(word) ((pmd_t){ word })
#define PageHead(page) 1
#define is_pmd_migration_entry(entry) 0
spinlock_t *__pmd_trans_huge_lock(pmd_t *pmd, struct vm_area_struct *vma);
#define pmd_dirty(entry) (!!((entry).pmd & U_DIRTY))
#define pmd_write(entry) (!!((entry).pmd & U_WRITE))
#define pmd_protnone(entry) (!!((entry).pmd & U_PROTNONE))
#define pmd_same(a, b) ((a).pmd == (b).pmd)
#define pmd_wrprotect(entry) HUGE_PMD((entry).pmd & ~(u64)U_WRITE)
#define pmd_mkclean(entry) HUGE_PMD((entry).pmd & ~(u64)U_DIRTY)
#define pmd_mkwrite(entry, ...) HUGE_PMD((entry).pmd | U_WRITE)
#define pmd_mkuffd_wp(entry) HUGE_PMD((entry).pmd | U_UFFD)
#define pmd_clear_uffd_wp(entry) HUGE_PMD((entry).pmd & ~(u64)U_UFFD)
#define pmd_modify(entry, protection) HUGE_PMD((entry).pmd | U_MODIFIED)
#define pmd_mk_savedwrite(entry) (entry)
#define pmd_page(entry) PAGE
#define pmd_folio(entry) page_folio(PAGE)
#define pmd_to_swp_entry(entry) ((swp_entry_t){ 0 })
#define swp_entry_to_pmd(entry) HUGE_PMD((entry).val)
#define pmd_swp_soft_dirty(entry) 0
#define pmd_swp_mksoft_dirty(entry) (entry)
#define pmd_swp_uffd_wp(entry) 0
#define pmd_swp_mkuffd_wp(entry) (entry)
#define pmd_swp_clear_uffd_wp(entry) (entry)
#define thp_migration_supported() 1
#define can_change_pmd_writable(vma, address, entry) 0
#define is_huge_zero_pmd(entry) ((void)(entry), (bool)OP("is_huge_zero_pmd"))
#define vma_is_special_huge(vma) 0
#define arch_needs_pgtable_deposit() 0
#define zap_deposited_table(mm, pmd) ((void)0)
#define arch_check_zapped_pmd(vma, entry) ((void)0)
#define add_mm_counter(mm, counter, by) ((void)0)
#define pmdp_huge_get_and_clear_full(vma, address, pmdp, full) \
	HUGE_PMD(OP2("pmdp_huge_get_and_clear", (address) >> PAGE_SHIFT, full))
#define pmd_mkinvalid(entry) (entry)
#define pmdp_establish(vma, address, pmdp, entry) \
	((void)(entry), HUGE_PMD(OP1("pmdp_establish", (address) >> PAGE_SHIFT)))
#define set_pmd_at(mm, address, pmdp, entry) OP2("set_pmd_at", (address) >> PAGE_SHIFT, (entry).pmd)
#define huge_pmd_needs_flush(old, entry) ((bool)OP2("huge_pmd_needs_flush", (old).pmd, (entry).pmd))
#define tlb_remove_pmd_tlb_entry(tlb, pmdp, address) OP1("tlb_flush_pmd_range", (address) >> PAGE_SHIFT)
#define tlb_flush_pmd_range(tlb, address, size) OP1("tlb_flush_pmd_range", (address) >> PAGE_SHIFT)
#define tlb_remove_page_size(tlb, page, size) OP("tlb_remove_page_size")
/* A split, of which the parts are mapped by the table that has been deposited. */
#define THP_SPLIT_PMD 0
#define pgtable_trans_huge_withdraw(mm, pmd) ((pgtable_t)OP("pgtable_trans_huge_withdraw"))
#define folio_set_dirty(folio) OP("folio_mark_dirty")
#define folio_test_referenced(folio) 1
#define folio_set_referenced(folio) ((void)0)
#define pmd_young(entry) 1
#define pmd_soft_dirty(entry) 0
#define pmd_uffd_wp(entry) 0
#define folio_add_anon_rmap_ptes(folio, page, nr, vma, address, flags) OP1("inc_mapcount", nr)
#define folio_try_share_anon_rmap_pmd(folio, page) 0
#define __split_huge_zero_page_pmd(vma, address, pmd) ((void)0)
#define is_readable_exclusive_migration_entry(entry) 0

/* rmap.c: a walk over the mappings of one page, each of which is found with its table locked. */
struct page_vma_mapped_walk {
	struct vm_area_struct *vma;
	unsigned long address;
	pte_t *pte;
	pmd_t *pmd;
	unsigned long flags, pgoff;
};
#define DEFINE_FOLIO_VMA_WALK(name, folio, vma_, address_, flags_) \
	struct page_vma_mapped_walk name = { .vma = (vma_), .address = (address_), .flags = (flags_) }
/* It finds the one mapping; asked again it finds no other, and unlocks the table. */
#define page_vma_mapped_walk(walk)                                                                  \
	((walk)->pte ? (page_vma_mapped_walk_done(walk), false)                                     \
		     : OP1("page_vma_mapped_walk", (walk)->flags) ? ((walk)->pte = ENTRY((walk)->address), true) : false)
#define page_vma_mapped_walk_done(walk) ((walk)->pte = NULL, (void)OP("page_vma_mapped_walk_done"))
#define page_vma_mapped_walk_restart(walk) ((void)0)
#define vma_address_end(walk) ((walk)->address + PAGE_SIZE)
#define PVMW_SYNC 1
#define PVMW_MIGRATION 2
enum ttu_flags {
	TTU_SPLIT_HUGE_PMD = 4, TTU_IGNORE_MLOCK = 8, TTU_SYNC = 0x10, TTU_HWPOISON = 0x20, TTU_BATCH_FLUSH = 0x40,
	TTU_RMAP_LOCKED = 0x80,
};
#define VM_LOCKED 0x2000
#define VM_DROPPABLE 0x4000
#define MMU_NOTIFY_CLEAR 0
#define MMU_NOTIFY_PROTECTION_PAGE 0
#define folio_pfn(folio) 0
#define folio_page(folio, number) PAGE
#define folio_nr_pages(folio) 1
#define folio_order(folio) 0
#define page_to_pfn(page) E_MIGRATION
#define folio_is_device_private(folio) 0
#define folio_test_hugetlb(folio) 0
#define PageAnonExclusive(page) 0
#define PageHWPoison(page) 0
#define folio_test_swapbacked(folio) ((bool)OP("folio_test_swapbacked"))
#define folio_test_swapcache(folio) ((bool)OP("folio_test_swapcache"))
#define folio_set_swapbacked(folio) OP("folio_set_swapbacked")
#define folio_ref_count(folio) ((int)OP("folio_ref_count"))
#define folio_try_share_anon_rmap_pte(folio, page) 0
#define page_try_share_anon_rmap(page) 0
#define hugetlb_try_share_anon_rmap(folio) 0
#define flush_cache_page(vma, address, pfn) ((void)0)
#define update_hiwater_rss(mm) ((void)0)
#define dec_mm_counter(mm, counter) ((void)0)
#define inc_mm_counter(mm, counter) ((void)0)
#define mlock_vma_folio(folio, ...) ((void)0)
#define mlock_drain_local() ((void)0)
#define mlock_page_drain_local() ((void)0)
#define userfaultfd_armed(vma) 0
#define swap_duplicate(entry) (OP("swap_duplicate"), 0)
#define swap_free(entry) ((void)0)
#define arch_unmap_one(mm, vma, address, entry) 0
#define list_empty(list) 0
#define list_add(entry, list) ((void)0)
static spinlock_t mmlist_lock;
#define split_huge_pmd_locked(vma, address, pmd, freeze, ...) OP1("split_huge_pmd", (address) >> PAGE_SHIFT)
#define split_huge_pmd_address(vma, address, freeze, folio) ((void)0)
#define set_pmd_migration_entry(walk, page) 0
#define pmd_pfn(entry) 0
#define adjust_range_if_pmd_sharing_possible(vma, start, end) ((void)0)
#define huge_ptep_get(...) __pte(0)
#define huge_ptep_clear_flush(...) __pte(0)
#define set_huge_pte_at(...) ((void)0)
#define hugetlb_count_sub(...) ((void)0)
static struct hstate hstate __attribute__((section("rt_const")));
#define hstate_vma(vma) (&hstate)
#define hugetlb_vma_trylock_write(vma) 1
#define hugetlb_vma_unlock_write(vma) ((void)0)
#define tlb_gather_mmu_vma(tlb, vma) ((void)0)
#define huge_pmd_unshare(...) 0
#define huge_pmd_unshare_flush(...) ((void)0)
#define tlb_finish_mmu(tlb) ((void)0)
#define hugetlb_remove_rmap(folio) ((void)0)
#define trace_set_migration_pte(...) ((void)0)

#define arch_tlbbatch_add_pending(batch, mm, address) OP("arch_tlbbatch_add_pending")
#define arch_tlbbatch_add_mm(batch, mm) OP("arch_tlbbatch_add_pending")
#define arch_tlbbatch_flush(batch) OP("arch_tlbbatch_flush")
#define arch_flush_tlb_batched_pending(mm) OP("arch_flush_tlb_batched_pending")
#define should_defer_flush(mm, flags) (((flags) & TTU_BATCH_FLUSH) && OP("should_defer_flush"))

/* mprotect.c: what newprot is, the model knows. */
#define MM_CP_TRY_CHANGE_WRITABLE 1
#define MM_CP_PROT_NUMA 2
#define MM_CP_UFFD_WP 4
#define MM_CP_UFFD_WP_RESOLVE 8
#define change_prepare(vma, high, low, address, flags) 0
#define change_pmd_prepare(vma, pmd, flags) 0
#define pgtable_split_needed(vma, flags) 0
#define uffd_wp_protect_file(vma, flags) 0
#define userfaultfd_wp_use_markers(vma) 0
#define count_vm_numa_events(event, nr) ((void)0)
#define can_change_pte_writable(vma, address, entry) 0
#define EAGAIN 11
#define NUMA_NO_NODE (-1)
#define numa_node_id() 0
#define folio_nid(folio) 1
#define page_to_nid(page) 1
#define node_is_toptier(nid) 1
#define sysctl_numa_balancing_mode 1
#define NUMA_BALANCING_NORMAL 1
#define NUMA_BALANCING_MEMORY_TIERING 2
#define folio_use_access_time(folio) 0
#define folio_xchg_access_time(folio, time) ((void)0)
#define xchg_page_access_time(page, time) ((void)0)
#define jiffies_to_msecs(j) 0
#define is_cow_mapping(flags) (!!((flags) & V_COW))
#define folio_maybe_dma_pinned(folio) 0
#define folio_likely_mapped_shared(folio) 0
#define page_count(page) 1
#define vm_normal_folio(vma, address, entry) page_folio(vm_normal_page(vma, address, entry))
#define folio_is_zone_device(folio) 0
#define is_zone_device_page(page) 0
#define folio_test_ksm(folio) 0
#define PageKsm(page) 0
#define folio_is_file_lru(folio) (!folio_test_anon(folio))
#define page_is_file_lru(page) (!PageAnon(page))
#define folio_test_dirty(folio) ((bool)OP("folio_test_dirty"))
#define PageDirty(page) ((bool)OP("folio_test_dirty"))
struct mmu_notifier_range { unsigned long start, end; };
#define MMU_NOTIFY_UNMAP 0
#define MMU_NOTIFY_PROTECTION_VMA 0
#define mmu_notifier_range_init(range, ...) ((range)->start = 1)
#define mmu_notifier_invalidate_range_start(range) ((void)0)
#define mmu_notifier_invalidate_range_end(range) ((void)0)

struct zap_details {
	struct folio *single_folio;
	bool even_cows;
	unsigned int zap_flags;
};
#define ZAP_FLAG_DROP_MARKER 1
#define ZAP_FLAG_UNMAP 2

#include <linux/pgtable.h>
#include "mm_fault.h"
#include "mm_migrate.h"
