/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory management: the few fields of its structures that flush code looks at, and page-table types. */
#pragma once

#ifndef PAGE_SHIFT
#define PAGE_SHIFT 12
#endif
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(a) ALIGN(a, PAGE_SIZE)
#ifndef PMD_SHIFT
#define PMD_SHIFT (PAGE_SHIFT + 9)
#endif
#ifndef PUD_SHIFT
#define PUD_SHIFT (PMD_SHIFT + 9)
#endif
#ifndef P4D_SHIFT
#define P4D_SHIFT (PUD_SHIFT + 9)
#endif
#define PMD_SIZE (1UL << PMD_SHIFT)
#define PUD_SIZE (1UL << PUD_SHIFT)
#define P4D_SIZE (1UL << P4D_SHIFT)
#define PMD_MASK (~(PMD_SIZE - 1))
#define PUD_MASK (~(PUD_SIZE - 1))
#define HPAGE_PMD_SIZE PMD_SIZE
#define HPAGE_PUD_SIZE PUD_SIZE
#define HPAGE_PMD_NR (1 << (PMD_SHIFT - PAGE_SHIFT))
#ifndef PTRS_PER_PTE
#define PTRS_PER_PTE 512
#endif
#define SZ_4K 0x1000
#define SZ_16K 0x4000
#define SZ_64K 0x10000
#define SZ_2M 0x200000
#define SZ_1G 0x40000000
#ifndef TASK_SIZE
#define TASK_SIZE 0x7ffffffff000UL
#endif

#define VM_EXEC 4UL
#define VM_PFNMAP 0x400UL
#define VM_HUGETLB 0x400000UL
#define VM_MIXEDMAP 0x10000000UL
#define VM_NONE 0UL
#define GFP_KERNEL 0
#define GFP_NOWAIT 1
#define __GFP_NOWARN 2
#define PF_KTHREAD 0x00200000

struct mm_struct;
struct mmu_gather;
struct address_space;
struct encoded_page;
struct mempolicy;
struct zap_details;
struct rcu_head { void *next; };
struct list_head { struct list_head *next, *prev; };
#define INIT_LIST_HEAD(list) ((void)0)
#ifndef PAGE_MORE
#define PAGE_MORE
#endif
struct page { unsigned long flags; atomic_t _refcount; unsigned long private; PAGE_MORE };
struct folio { struct page page; };
struct ptdesc { struct page page; };
struct hstate { unsigned int order; };
#ifndef VMA_MORE
#define VMA_MORE
#endif
struct vm_area_struct { struct mm_struct *vm_mm; unsigned long vm_start, vm_end, vm_flags; VMA_MORE };
struct task_struct { struct mm_struct *mm, *active_mm; int pid; unsigned long flags; long last_kernel_thread; };

#ifndef PGTABLE_T
#define PGTABLE_T struct page *
#endif
typedef struct { u64 pte; } pte_t;
typedef struct { u64 pmd; } pmd_t;
typedef struct { u64 pud; } pud_t;
typedef struct { u64 p4d; } p4d_t;
typedef struct { u64 pgd; } pgd_t;
typedef struct { u64 pgprot; } pgprot_t;
typedef PGTABLE_T pgtable_t;

/* Behind the architecture's mm_context_t. */
#define DEFINE_MM_STRUCT(context_type)                                                           \
	struct mm_struct {                                                                       \
		context_type context;                                                            \
		void *pgd;                                                                       \
		atomic_t mm_users, mm_count, tlb_flush_pending, tlb_flush_batched;               \
		unsigned long task_size, flags, def_flags, total_vm;                             \
		spinlock_t page_table_lock;                                                      \
		cpumask_t cpu_bitmap;                                                            \
		void *owner;                                                                     \
	};
#define mm_cpumask(mm) (&(mm)->cpu_bitmap)
#ifndef init_mm
extern struct mm_struct init_mm;
#endif
extern struct task_struct rt_current;
#ifndef current
#define current (&rt_current)
#endif

#define TLB_FLUSH_VMA(mm, flags) { .vm_mm = (mm), .vm_flags = (flags) }
#define is_vm_hugetlb_page(vma) (!!((vma)->vm_flags & VM_HUGETLB))
#define huge_page_size(h) (PAGE_SIZE << (h)->order)
#define hugetlb_page_size(vma) PMD_SIZE
#define ENCODED_PAGE_BITS 3ul
#define flush_cache_range(vma, start, end) ((void)0)
#define page_ptdesc(p) ((struct ptdesc *)(p))
#define ptdesc_page(p) ((struct page *)(p))
#define virt_to_ptdesc(p) ((struct ptdesc *)(p))
#define virt_to_page(p) ((struct page *)(p))
#define page_folio(p) ((struct folio *)(p))
#define pagetable_pte_dtor(p) ((void)0)
#define pagetable_pmd_dtor(p) ((void)0)
#define pagetable_pud_dtor(p) ((void)0)
#define pagetable_dtor(p) ((void)0)
#define pgtable_pte_page_dtor(p) ((void)0)
#define pgtable_pmd_page_dtor(p) ((void)0)
#define free_page_and_swap_cache(page) op("free_page", page, 0, 0, 0)
#define free_pages_and_swap_cache(pages, nr) op("free_pages", pages, nr, 0, 0)
#define mmu_notifier_arch_invalidate_secondary_tlbs(mm, start, end) op("notify", mm, start, end, 0)
#define mmu_notifier_invalidate_range mmu_notifier_arch_invalidate_secondary_tlbs
#define membarrier_arch_switch_mm(prev, next, task) ((void)0)

/* Freeing a table at once; after the flush it is tlb_remove_table(). */
#define FREE_NOW(table) op("free_table", (void *)(table), 0, 0, 0)
#define pagetable_free(ptdesc) FREE_NOW(ptdesc)
#define free_page(address) FREE_NOW(address)
#define __free_page(page) FREE_NOW(page)
