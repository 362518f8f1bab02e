"""Patches of the core by which counts change: with a workload, and some of the lines that differ."""

from __future__ import annotations

from tests.tree.patches import Patch

MEMORY, RMAP, GATHER = "mm/memory.c", "mm/rmap.c", "mm/mmu_gather.c"
AT_EACH_PAGE = "\t\t\tif (unlikely(force_break)) {\n"

CHANGED: dict[str, tuple[Patch, str, tuple[str, ...]]] = {
    "the zap flushes behind each page": (
        Patch("mm", MEMORY, AT_EACH_PAGE, f"\t\t\ttlb_flush_mmu_tlbonly(tlb);\n{AT_EACH_PAGE}", ""),
        "malloc_trim pages=33",
        ("malloc_trim pages=33: flushes 1 -> 33", "malloc_trim pages=33: ipis 1 -> 33"),
    ),
    "the zap flushes each page past its gather": (
        Patch("mm", MEMORY, AT_EACH_PAGE, f"\t\t\tflush_tlb_range(vma, addr, addr + PAGE_SIZE);\n{AT_EACH_PAGE}", ""),
        "malloc_trim pages=33",
        ("malloc_trim pages=33: flushes 1 -> 34", "malloc_trim pages=33: flushed_pages 33 -> 66"),
    ),
    "the zap always flushes under the lock": (
        Patch("mm", MEMORY, "\tbool force_flush = false, force_break", "\tbool force_flush = true, force_break", ""),
        "munmap_sparse tables=2 pages=8",
        (
            "munmap_sparse tables=2 pages=8: flushes 2 -> 3",
            "munmap_sparse tables=2 pages=8: max_flushes_per_hold 0 -> 1",
        ),
    ),
    "mprotect flushes page by page": (
        Patch(
            "mm",
            "mm/mprotect.c",
            "\t\t\tptep_modify_prot_commit(vma, addr, pte, oldpte, ptent);\n",
            "\t\t\tptep_modify_prot_commit(vma, addr, pte, oldpte, ptent);\n\t\t\ttlb_flush_mmu_tlbonly(tlb);\n",
            "",
        ),
        "protect pages=8 threads=3",
        ("protect pages=8 threads=3: flushes 1 -> 8",),
    ),
    "writeback flushes twice": (
        Patch(
            "mm",
            RMAP,
            "\t\t\tentry = ptep_clear_flush(vma, address, pte);\n",
            "\t\t\tentry = ptep_clear_flush(vma, address, pte);\n\t\t\tflush_tlb_page(vma, address);\n",
            "",
        ),
        "checkpoint_writeback pages=8 every=1",
        ("checkpoint_writeback pages=8 every=1: flushes 8 -> 16",),
    ),
    "ptep_clear_flush() flushes twice": (
        Patch(
            "mm",
            "mm/pgtable-generic.c",
            "\tif (pte_accessible(mm, pte))\n\t\tflush_tlb_page(vma, address);\n",
            "\tflush_tlb_page(vma, address);\n\tflush_tlb_page(vma, address);\n",
            "",
        ),
        "checkpoint_writeback pages=8 every=1",
        ("checkpoint_writeback pages=8 every=1: flushes 8 -> 16",),
    ),
    "tlb_finish_mmu() flushes twice": (
        Patch(
            "mmu_gather_merged",
            GATHER,
            "\ttlb_flush_mmu(tlb);\n\n#ifndef",
            "\ttlb_flush(tlb);\n\ttlb_flush_mmu(tlb);\n\n#ifndef",
            "",
        ),
        "malloc_trim pages=33",
        ("malloc_trim pages=33: flushes 1 -> 2",),
    ),
    "a gather has one batch besides its own": (
        Patch("mmu_gather", GATHER, "tlb->batch_count == MAX_GATHER_BATCH_COUNT", "tlb->batch_count == 1", ""),
        "malloc_trim",
        ("malloc_trim: flushes 1 -> 4", "malloc_trim: batch_pages 5 -> 1"),
    ),
    "pages are freed 256 at a time": (
        Patch("mmu_gather", GATHER, "MAX_NR_FOLIOS_PER_FREE\t\t512", "MAX_NR_FOLIOS_PER_FREE\t\t256", ""),
        "malloc_trim",
        ("malloc_trim: free_calls 6 -> 10",),
    ),
    "fork flushes page by page": (
        Patch(
            "mm",
            MEMORY,
            "\t\twrprotect_ptes(src_mm, addr, src_pte, nr);\n",
            "\t\twrprotect_ptes(src_mm, addr, src_pte, nr);\n\t\tflush_tlb_page(src_vma, addr);\n",
            "",
        ),
        "fork pages=8",
        ("fork pages=8: flushes 1 -> 9", "fork pages=8: small_flushes 0 -> 8"),
    ),
    "mremap flushes page by page": (
        Patch(
            "mm",
            "mm/mremap.c",
            "\t\tif (pte_present(pte))\n\t\t\tforce_flush = true;\n",
            "\t\tif (pte_present(pte))\n\t\t\tflush_tlb_page(vma, old_addr);\n",
            "",
        ),
        "mremap pages=8",
        ("mremap pages=8: flushes 1 -> 8",),
    ),
    "reclaim does not batch its flushes": (
        Patch("mm", RMAP, "\t\t\tif (should_defer_flush(mm, flags)) {", "\t\t\tif (0) {", ""),
        "reclaim_file pages=8",
        ("reclaim_file pages=8: flushes 1 -> 8", "reclaim_file pages=8: full_flushes 1 -> 0"),
    ),
    "writeback spares its flush": (
        Patch(
            "mm",
            RMAP,
            "entry = ptep_clear_flush(vma, address, pte);",
            "entry = ptep_get_and_clear(vma->vm_mm, address, pte);",
            "",
        ),
        "checkpoint_writeback pages=8 every=1",
        ("checkpoint_writeback pages=8 every=1: flushes 8 -> 0",),
    ),
}
