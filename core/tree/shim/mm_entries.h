/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entries of page tables.
 *
 * An entry is told apart as far as the code looks at it: E_ bits.  What it maps stays with the model, which keeps the
 * entry that was read last; its page is PAGE.  A pointer to an entry is its page's number, counted from the start of
 * what the highest table maps.
 */
#pragma once

enum { E_PRESENT = 1, E_DIRTY = 2, E_WRITE = 4, E_UFFD = 8, E_PROTNONE = 16, E_SWAP = 32, E_MIGRATION = 64 };
#define E_MODIFIED 128 /* pte_modify(): what it makes of an entry is the model's */
#define __pte(v) ((pte_t){ v })
#define pte_val(entry) ((entry).pte)
#define pte_none(entry) (!(entry).pte)
#define pte_present(entry) (!!((entry).pte & E_PRESENT))
#define pte_dirty(entry) (!!((entry).pte & E_DIRTY))
#define pte_young(entry) 1
#define pte_write(entry) (!!((entry).pte & E_WRITE))
#define pte_protnone(entry) (!!((entry).pte & E_PROTNONE))
#define pte_uffd_wp(entry) (!!((entry).pte & E_UFFD))
#define pte_wrprotect(entry) __pte((entry).pte & ~(u64)E_WRITE)
#define pte_mkclean(entry) __pte((entry).pte & ~(u64)E_DIRTY)
#define pte_mkwrite(entry, ...) __pte((entry).pte | E_WRITE)
#define pte_mkuffd_wp(entry) __pte((entry).pte | E_UFFD)
#define pte_clear_uffd_wp(entry) __pte((entry).pte & ~(u64)E_UFFD)
#define pte_modify(entry, protection) __pte(((entry).pte & ~(u64)E_WRITE) | E_MODIFIED)
#define pte_mk_savedwrite(entry) (entry)
#define pte_pfn(entry) 0
#define pte_unused(entry) 0
#define pte_soft_dirty(entry) 0
#define mk_pte(page, protection) __pte(E_PRESENT)
#define pte_mkdirty(entry) __pte((entry).pte | E_DIRTY)
#define pte_mksoft_dirty(entry) (entry)
#define pte_clear_soft_dirty(entry) (entry)
#define maybe_mkwrite(entry, vma) pte_mkwrite(entry, vma)
#define pte_mkold(entry) (entry)

/* ---- entries of no page: swap, migration ---- */

typedef struct { u64 val; } swp_entry_t;
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
#define is_migration_entry_young(entry) 1
#define is_migration_entry_dirty(entry) (!!((entry).val & E_DIRTY))
#define is_readable_migration_entry(entry) (!((entry).val & E_WRITE))
#define make_writable_device_private_entry(pfn) ((swp_entry_t){ 0 })
#define is_readable_exclusive_migration_entry(entry) 0

/* ---- reading and changing them ---- */

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
#define ptep_test_and_clear_young(vma, address, ptep) ((bool)OP1("ptep_test_and_clear_young", NUMBER(ptep)))
#define pte_accessible(mm, entry) ((bool)OP("pte_accessible"))
#define pte_same(a, b) ((a).pte == (b).pte && OP("same_page")) /* E_ bits do not name it */
#define ptep_get_and_clear_full(mm, address, ptep, full) __pte(OP3("ptep_get_and_clear", NUMBER(ptep), 1, full))
#define get_and_clear_full_ptes(mm, address, ptep, nr, full) \
	__pte(OP3("get_and_clear_full_ptes", NUMBER(ptep), nr, full))
#define clear_full_ptes(mm, address, ptep, nr, full) OP3("get_and_clear_full_ptes", NUMBER(ptep), nr, full)
#define clear_not_present_full_ptes(mm, address, ptep, nr, full) OP2("clear_not_present_full_ptes", NUMBER(ptep), nr)
#define pte_clear_not_present_full(mm, address, ptep, full) OP2("clear_not_present_full_ptes", NUMBER(ptep), 1)
#define wrprotect_ptes(mm, address, ptep, nr) OP2("wrprotect_ptes", NUMBER(ptep), nr)
#define ptep_set_wrprotect(mm, address, ptep) OP2("wrprotect_ptes", NUMBER(ptep), 1)
#define set_ptes(mm, address, ptep, entry, nr) OP3("set_ptes", NUMBER(ptep), pte_val(entry), nr)
typedef int fpb_t;
#define FPB_IGNORE_DIRTY 1
#define FPB_IGNORE_SOFT_DIRTY 0
#define FPB_WRITABLE 2 /* any_writable is asked for */
#define BATCH_WRITABLE 256 /* said beside the number */
static inline void tell(bool *any, bool said) { if (any) *any = said; }
#define folio_pte_batch(folio, address, ptep, entry, max, flags, any_writable, any_young, any_dirty) ({               \
	u64 _batch = OP3("folio_pte_batch", NUMBER(ptep), max, (flags) | ((any_writable) != NULL) * FPB_WRITABLE); \
	tell(any_writable, !!(_batch & BATCH_WRITABLE));                                                           \
	tell(any_young, true); /* every entry is, so that nothing hangs on any_dirty */                           \
	tell(any_dirty, pte_dirty(entry));                                                                         \
	(int)(_batch % BATCH_WRITABLE); })
#define swap_pte_batch(ptep, max, entry) OP2("swap_pte_batch", NUMBER(ptep), max)
#define arch_check_zapped_pte(vma, entry) ((void)0)
