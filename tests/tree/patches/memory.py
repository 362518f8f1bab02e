"""Bad patches of mm/memory.c: zap, fork, page faults."""

from __future__ import annotations

from tests.tree.patches import Patch

MEMORY = "mm/memory.c"

BAD = {
    "the zap does not flush under the lock": Patch(
        "mm",
        MEMORY,
        "\tif (force_flush) {\n\t\ttlb_flush_mmu_tlbonly(tlb);\n",
        "\tif (force_flush) {\n",
        "lost-dirty-dontneed",
    ),
    "the zap removes the rmap before the flush": Patch(
        "mm", MEMORY, "if (tlb_delay_rmap(tlb)) {", "if (0) {", "lost-dirty-dontneed"
    ),
    "the zap forgets delayed rmaps": Patch("mm", MEMORY, "\t\ttlb_flush_rmaps(tlb, vma);\n", "", "lost-dirty-dontneed"),
    "the zap flushes behind the lock": Patch(
        "mm",
        MEMORY,
        "\t\ttlb_flush_mmu_tlbonly(tlb);\n\t\ttlb_flush_rmaps(tlb, vma);\n\t}\n\tpte_unmap_unlock(start_pte, ptl);\n",
        "\t\ttlb_flush_rmaps(tlb, vma);\n\t}\n\tpte_unmap_unlock(start_pte, ptl);\n",
        "lost-dirty-munmap",
    ),
    "the zap does not look for deferred flushes": Patch(
        "mm", MEMORY, "\tflush_tlb_batched_pending(mm);\n\tarch_enter", "\tarch_enter", "reclaim-pending"
    ),
    "the zap forgets a range": Patch(
        "mm", MEMORY, "\ttlb_remove_tlb_entries(tlb, pte, nr, addr);\n", "", "use-after-free"
    ),
    "a fault does not look again under the lock": Patch(
        "mm",
        MEMORY,
        "if (unlikely(!pte_same(ptep_get(vmf->pte), entry))) {\n\t\tupdate",
        "if (0) {\n\t\tupdate",
        "copy-dontneed",
    ),
    "a copy is mapped though the entry has changed": Patch(
        "mm",
        MEMORY,
        "if (likely(vmf->pte && pte_same(ptep_get(vmf->pte), vmf->orig_pte)))",
        "if (likely(vmf->pte))",
        "copy-dontneed",
    ),
    "a copy is made of a page that nobody holds": Patch(
        "mm",
        MEMORY,
        "\tif (folio)\n\t\tfolio_get(folio);\n\n\tpte_unmap_unlock(vmf->pte, vmf->ptl);\n#ifdef CONFIG_KSM",
        "\tpte_unmap_unlock(vmf->pte, vmf->ptl);\n#ifdef CONFIG_KSM",
        "copy-dontneed",
    ),
    "a copy does not flush the old entry": Patch(
        "mm",
        MEMORY,
        "\t\tptep_clear_flush(vma, vmf->address, vmf->pte);\n\t\tfolio_add_new",
        "\t\tptep_get_and_clear(mm, vmf->address, vmf->pte);\n\t\tfolio_add_new",
        "copy-read",
    ),
    "a fault does not flush what userfaultfd owes": Patch(
        "mm",
        MEMORY,
        "\t\t\tflush_tlb_page(vmf->vma, vmf->address);\n\t}\n\n\tvmf->page",
        "\t\t\t;\n\t}\n\n\tvmf->page",
        "copy-uffd-wp",
    ),
    "a file's page is made writable though the entry has changed": Patch(
        "mm",
        MEMORY,
        "if (!pte_same(ptep_get(vmf->pte), vmf->orig_pte)) {\n\t\tupdate_mmu_tlb(vmf->vma",
        "if (0) {\n\t\tupdate_mmu_tlb(vmf->vma",
        "lost-dirty-dontneed",
    ),
    "nobody holds a file's page while the file system is told": Patch(
        "mm",
        MEMORY,
        "\tvm_fault_t ret = 0;\n\n\tfolio_get(folio);\n\n\tif (vma->vm_ops && vma->vm_ops->page_mkwrite)",
        "\tvm_fault_t ret = 0;\n\n\tif (vma->vm_ops && vma->vm_ops->page_mkwrite)",
        "lost-dirty-dontneed",
    ),
    "fork leaves the parent's entries writable": Patch(
        "mm", MEMORY, "\t\twrprotect_ptes(src_mm, addr, src_pte, nr);\n", "", "fork-protects"
    ),
    "the zap of 6.1 flushes behind the lock": Patch(  # if a page is mapped once its dirty bit is lost anyhow
        "mm",
        MEMORY,
        "\tif (force_flush)\n\t\ttlb_flush_mmu_tlbonly(tlb);\n\tpte_unmap_unlock(start_pte, ptl);",
        "\tpte_unmap_unlock(start_pte, ptl);\n\tif (force_flush)\n\t\ttlb_flush_mmu_tlbonly(tlb);",
        "mapped-twice",
        version="6.1",
    ),
}
