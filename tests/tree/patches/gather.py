"""Bad patches of mm/mmu_gather.c and include/asm-generic/tlb.h."""

from __future__ import annotations

from tests.tree.patches import Patch

GATHER = "mm/mmu_gather.c"
LIST_FREE = "#ifndef CONFIG_MMU_GATHER_NO_GATHER\n\ttlb_batch_list_free(tlb);\n#endif\n"
GENERIC_TLB = "include/asm-generic/tlb.h"

BAD = {
    "only the first area is asked for PFN mappings": Patch(
        "mmu_gather_merged",
        GENERIC_TLB,
        "\ttlb->vma_pfn  = !!(vma",
        "\tif (!tlb->end)\n\t\ttlb->vma_pfn  = !!(vma",
        "pfnmap-second",
    ),
    "the gather is not flushed": Patch(
        "mmu_gather",
        GATHER,
        "\ttlb_flush_mmu_tlbonly(tlb);\n\ttlb_flush_mmu_free(tlb);",
        "\ttlb_flush_mmu_free(tlb);",
        "pfnmap",
    ),
    "the gather is freed before it is flushed": Patch(
        "mmu_gather",
        GATHER,
        "\ttlb_flush_mmu_tlbonly(tlb);\n\ttlb_flush_mmu_free(tlb);",
        "\ttlb_flush_mmu_free(tlb);\n\ttlb_flush_mmu_tlbonly(tlb);",
        "table-pmd",
    ),
    "nested gathers are not noticed": Patch(
        "mmu_gather", GATHER, "if (mm_tlb_flush_nested(tlb->mm)) {", "if (0) {", "nested-gathers"
    ),
    "delayed rmaps of the first batch are forgotten": Patch(
        "mmu_gather", GATHER, "\ttlb_flush_rmap_batch(&tlb->local, vma);\n", "", "lost-dirty-dontneed"
    ),
    "batches go on with delayed rmaps": Patch(
        "mmu_gather",
        GATHER,
        "\tif (tlb->delayed_rmap && tlb->active != &tlb->local)\n\t\treturn false;\n",
        "",
        "delayed-in-last-batch",
    ),
    "a gather is not of the whole mm at its end": Patch(
        "mmu_gather", GATHER, "\t\ttlb->fullmm = 1;\n\t\t__tlb_reset_range", "\t\t__tlb_reset_range", "nested-gathers"
    ),
    "the gather is closed before it is flushed": Patch(
        "mmu_gather",
        GATHER,
        f"\ttlb_flush_mmu(tlb);\n\n{LIST_FREE}\tdec_tlb_flush_pending(tlb->mm);\n",
        f"\tdec_tlb_flush_pending(tlb->mm);\n\ttlb_flush_mmu(tlb);\n{LIST_FREE}",
        "nested-gathers",
    ),
    "a single table is freed while walkers may be in it": Patch(
        "mmu_gather",
        GATHER,
        "\t\t\ttlb_table_invalidate(tlb);\n\t\t\ttlb_remove_table_one",
        "\t\t\ttlb_remove_table_one",
        "table-free",
    ),
    "tables are freed without a grace period": Patch(
        "mmu_gather_rcu",
        GATHER,
        "\tcall_rcu(&batch->rcu, tlb_remove_table_rcu);",
        "\t__tlb_remove_table_free(batch);",
        "gup-fast",
    ),
    "a single table is freed without an IPI": Patch(
        "mmu_gather_rcu", GATHER, "\ttlb_remove_table_sync_one();\n\t__tlb", "\t__tlb", "gup-fast"
    ),
    "a single table is freed behind an IPI that nobody waits for": Patch(
        "mmu_gather_rcu",
        GATHER,
        "smp_call_function(tlb_remove_table_smp_sync, NULL, 1);",
        "smp_call_function(tlb_remove_table_smp_sync, NULL, 0);",
        "gup-fast",
    ),
    "a range begins at its last entry": Patch(
        "mmu_gather",
        GENERIC_TLB,
        "tlb->start = min(tlb->start, address);",
        "tlb->start = max(tlb->start, address);",
        "use-after-free",
    ),
    "a range begins at the entry that was cleared last": Patch(
        "mmu_gather", GENERIC_TLB, "tlb->start = min(tlb->start, address);", "tlb->start = address;", "range-of-three"
    ),
    "a range ends before its last entry": Patch(
        "mmu_gather",
        GENERIC_TLB,
        "tlb->end = max(tlb->end, address + range_size);",
        "tlb->end = max(tlb->end, address);",
        "use-after-free",
    ),
    "huge entries alone are not flushed": Patch(
        "mmu_gather", GENERIC_TLB, "tlb->cleared_ptes || tlb->cleared_pmds ||", "tlb->cleared_ptes ||", "huge-freed"
    ),
    "an area of PFN mappings ends without a flush": Patch(
        "mmu_gather", GENERIC_TLB, "\tif (tlb->vma_pfn || !IS", "\tif (!IS", "pfnmap"
    ),
    "a table is freed without being noted": Patch(
        "mmu_gather_rcu",
        GENERIC_TLB,
        "\t\ttlb_flush_pmd_range(tlb, address, PAGE_SIZE);\t\\\n\t\ttlb->freed_tables = 1;",
        "\t\ttlb_flush_pmd_range(tlb, address, PAGE_SIZE);\t\\\n\t\ttlb->freed_tables = 0;",
        "table-free",
    ),
    "a folio is gathered without its delayed rmap": Patch(
        "mmu_gather",
        GATHER,
        "\t\tflags |= ENCODED_PAGE_BIT_NR_PAGES_NEXT;\n",
        "\t\tflags = ENCODED_PAGE_BIT_NR_PAGES_NEXT;\n",
        "folio-dirty",
    ),
    "the delayed rmap of a folio is that of its first page": Patch(
        "mmu_gather",
        GATHER,
        "\t\t\t\tnr_pages = encoded_nr_pages(pages[++i]);\n\n\t\t\tfolio_remove",
        "\t\t\t\ti++;\n\n\t\t\tfolio_remove",
        "folio-dirty",
    ),
    "a table is gathered by a gather that is full": Patch(
        "mmu_gather",
        GENERIC_TLB,
        "\tif (__tlb_remove_page_size(tlb, page, false, page_size))\n\t\ttlb_flush_mmu(tlb);",
        "\t(void)__tlb_remove_page_size(tlb, page, false, page_size);",
        "table-full",
    ),
    "tables are written behind the end of their batch": Patch(
        "mmu_gather_rcu",
        GATHER,
        "\tif ((*batch)->nr == MAX_TABLE_BATCH)\n\t\ttlb_table_flush(tlb);",
        "",
        "table-full",
    ),
    "6.1: the gather is freed before it is flushed": Patch(
        "mmu_gather",
        GATHER,
        "\ttlb_flush_mmu_tlbonly(tlb);\n\ttlb_flush_mmu_free(tlb);",
        "\ttlb_flush_mmu_free(tlb);\n\ttlb_flush_mmu_tlbonly(tlb);",
        "table-pmd",
        version="6.1",
    ),
    "a batch is filled to its last slot, where a folio needs two": Patch(
        "mmu_gather", GATHER, "if (batch->nr >= batch->max - 1) {", "if (batch->nr >= batch->max) {", "folio-batch"
    ),
    "a folio is freed without its number of pages": Patch(
        "mmu_gather",
        GATHER,
        "\t\t\tif (unlikely(encoded_page_flags(pages[nr - 1]) &\n"
        "\t\t\t\t     ENCODED_PAGE_BIT_NR_PAGES_NEXT))\n\t\t\t\tnr++;\n",
        "",
        "folio-batch",
    ),
}
