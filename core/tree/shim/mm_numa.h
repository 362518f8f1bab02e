/* SPDX-License-Identifier: GPL-2.0-only */
/* mm/memory.c: the fault on a NUMA hint.  Whether the page is to move the model knows, and it can always be isolated. */
#pragma once

#define TNF_MIGRATED 1
#define TNF_NO_GROUP 2
#define TNF_SHARED 4
#define TNF_FAULT_LOCAL 8
#define TNF_MIGRATE_FAIL 0x10
#define LAST_CPUPID_MASK 1
#define NUMA_HINT_FAULTS 0
#define NUMA_HINT_FAULTS_LOCAL 1
#define mpol_misplaced(page, ...) (OP("mpol_misplaced") ? numa_node_id() : NUMA_NO_NODE)
#define migrate_misplaced_folio_prepare(folio, vma, node) (OP1("folio_ref_add", 1), 0)
#define migrate_misplaced_folio(folio, vma, node) (!OP("migrate_misplaced_folio"))
#define migrate_misplaced_page(page, vma, node) ((int)OP("migrate_misplaced_folio"))
#define folio_last_cpupid(folio) 0
#define page_cpupid_last(page) 0
#define vma_set_access_pid_bit(vma) ((void)0)
#define task_numa_fault(...) ((void)0)
#define count_vm_numa_event(event) ((void)0)
#define count_memcg_folio_events(folio, event, nr) ((void)0)
#define vma_wants_manual_pte_write_upgrade(vma) 1
#define pte_savedwrite(entry) pte_write(entry)
#define PageCompound(page) ((bool)OP("folio_test_large"))
#define numa_rebuild_large_mapping(...) OP("numa_rebuild_large_mapping")
