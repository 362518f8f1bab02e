/* SPDX-License-Identifier: GPL-2.0-only */
/* mm/mprotect.c: what newprot is, the model knows.  Every page is on another node than the CPU. */
#pragma once

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
#define can_change_pte_writable(vma, address, entry) ((bool)OP("can_change_pte_writable"))
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
