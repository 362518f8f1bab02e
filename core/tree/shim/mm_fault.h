/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mm/memory.c: the page fault of a store to a present entry, or of a NUMA hint (mm_numa.h).
 *
 * The model remembers the entry that the fault read first, and its page: pte_same() asks it whether the entry that was
 * read last maps that page, too.  Other faults than those of present entries are left to nobody: the store ends there.
 */
#pragma once

typedef unsigned int vm_fault_t;
enum {
	VM_FAULT_OOM = 1, VM_FAULT_SIGBUS = 2, VM_FAULT_WRITE = 8, VM_FAULT_HWPOISON = 0x10, VM_FAULT_SIGSEGV = 0x40,
	VM_FAULT_NOPAGE = 0x100, VM_FAULT_LOCKED = 0x200, VM_FAULT_RETRY = 0x400, VM_FAULT_COMPLETED = 0x4000,
	VM_FAULT_ERROR = VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV | VM_FAULT_HWPOISON,
};
enum {
	FAULT_FLAG_WRITE = 1, FAULT_FLAG_MKWRITE = 2, FAULT_FLAG_TRIED = 0x20, FAULT_FLAG_UNSHARE = 0x400,
	FAULT_FLAG_ORIG_PTE_VALID = 0x800, FAULT_FLAG_VMA_LOCK = 0x1000,
};
struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long address;
	unsigned int flags;
	pmd_t *pmd;
	pte_t *pte, orig_pte;
	spinlock_t *ptl;
	struct page *page;
};
struct file { int unused; };
struct vm_operations_struct { vm_fault_t (*page_mkwrite)(struct vm_fault *), (*pfn_mkwrite)(struct vm_fault *), (*map_pages)(void); };
extern const struct vm_operations_struct file_operations;

/* ---- the area ---- */

/* An area is of what its entries map: anonymous memory, or a file that is shared. */
#define V_SHARED 8
#define VM_SHARED (OP("is_shared") ? V_SHARED : 0)
#define VM_MAYSHARE 0
#define VM_WRITE 0x10
#define vma_is_accessible(vma) 1
#define userfaultfd_wp_async(vma) 0
#define handle_userfault(vmf, reason) VM_FAULT_SIGSEGV /* user space is waited for, and the store ends */
#define do_page_mkwrite(...) (OP("folio_lock"), VM_FAULT_LOCKED)
#define maybe_unlock_mmap_for_io(vmf, file) NULL
#define fput(file) ((void)0)
#define file_update_time(file) ((void)0)
#define balance_dirty_pages_ratelimited(mapping) ((void)0)
#define folio_raw_mapping(folio) NULL
#define page_rmapping(page) NULL
#define vma_end_read(vma) ((void)0)
#define vmf_anon_prepare(vmf) 0
#define anon_vma_prepare(vma) 0

/* ---- entries ---- */

#define ptep_get_lockless(ptep) __pte(OP1("ptep_get_lockless", NUMBER(ptep)))
#define ptep_set_access_flags(vma, address, ptep, entry, dirty) \
	((bool)OP2("ptep_set_access_flags", NUMBER(ptep), pte_val(entry)))
#define pte_mkyoung(entry) (entry)
#define pte_sw_mkyoung(entry) (entry)
#define ptep_clear_flush_notify ptep_clear_flush
#define set_pte_at_notify set_pte_at
#define pmd_devmap_trans_unstable(pmd) pmd_trans_unstable(pmd)
#define mm_tlb_flush_pending(mm) ((bool)OP("mm_tlb_flush_pending"))
#define update_mmu_tlb(vma, address, ptep) ((void)0)
#define update_mmu_cache_range(...) ((void)0)
#define flush_tlb_fix_spurious_fault(...) ((void)0) /* as x86: the CPU has dropped what it faulted on */

/* ---- pages ---- */

#define NEW_PAGE ((struct page *)(PAGE_BASE + 0x1000))
#define NEW_FOLIO (OP("folio_prealloc"), page_folio(NEW_PAGE))
#define folio_prealloc(mm, vma, address, zeroed) NEW_FOLIO
#define alloc_page_vma(gfp, vma, address) (OP("folio_prealloc"), NEW_PAGE)
#define alloc_zeroed_user_highpage_movable(vma, address) alloc_page_vma(0, vma, address)
#define GFP_HIGHUSER_MOVABLE 0
#define mem_cgroup_charge(folio, mm, gfp) 0
#define cgroup_throttle_swaprate(page, gfp) ((void)0)
#define is_zero_pfn(pfn) (!OP("vm_normal_page"))
#define __wp_page_copy_user(dst, src, vmf) (OP("copy_page"), 0)
#define kmsan_copy_page_meta(dst, src) ((void)0)
#define __folio_mark_uptodate(folio) ((void)0)
#define __SetPageUptodate(page) ((void)0)
#define folio_add_new_anon_rmap(folio, vma, address, flags) OP1("inc_mapcount", 1)
#define page_add_new_anon_rmap(page, vma, address) OP1("inc_mapcount", 1)
#define folio_add_lru_vma(folio, vma) OP("folio_add_lru")
#define lru_cache_add_inactive_or_unevictable(page, vma) OP("folio_add_lru")
#define folio_test_lru(folio) ((bool)OP("folio_test_lru"))
#define lru_add_drain() OP("lru_add_drain")
#define folio_free_swap(folio) ((bool)OP("folio_free_swap"))
#define free_swap_cache(folio) OP("free_swap_cache")
#define folio_lock(folio) OP("folio_lock")
#define lock_page(page) OP("folio_lock")
#define folio_trylock(folio) ((bool)OP("folio_trylock"))
#define folio_unlock(folio) OP("folio_unlock")
#define unlock_page(page) OP("folio_unlock")
#define folio_move_anon_rmap(folio, vma) ((void)0)
#define page_move_anon_rmap(page, vma) ((void)0)
#define SetPageAnonExclusive(page) ((void)0)
#define folio_xchg_last_cpupid(folio, cpupid) ((void)0)
#define page_cpupid_xchg_last(page, cpupid) ((void)0)
#define LAST_CPUPID_SHIFT 1
#define dec_mm_counter_fast(mm, counter) ((void)0)
#define inc_mm_counter_fast(mm, counter) ((void)0)
#define delayacct_wpcopy_start() ((void)0)
#define delayacct_wpcopy_end() ((void)0)
#define count_vm_event(event) ((void)0)
#define mmu_notifier_invalidate_range_only_end(range) ((void)0)

/* ---- other faults: under the lock each looks whether the entry is still the same ---- */

static inline vm_fault_t other_fault(struct vm_fault *vmf)
{
	bool same;

	vmf->pte = pte_offset_map_lock(vmf->vma->vm_mm, vmf->pmd, vmf->address, &vmf->ptl);
	if (!vmf->pte)
		return 0;
	same = pte_same(ptep_get(vmf->pte), vmf->orig_pte);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return same ? VM_FAULT_SIGSEGV : 0;
}
#define do_pte_missing other_fault
#define do_fault other_fault
#define do_swap_page other_fault
#include "mm_numa.h"
#include "mm_missing.h"
