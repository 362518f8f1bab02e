"""Bad patches of mm/memory.c: zap, fork, page faults."""

from __future__ import annotations

from tests.tree.patches import Edit, Patch

MEMORY = "mm/memory.c"

BAD = {
    "a page is reused without its lock": Patch(
        "mm",
        MEMORY,
        "\tif (!folio_trylock(folio))\n\t\treturn false;\n\tif (folio_test_swapcache(folio))\n"
        "\t\tfolio_free_swap(folio);\n\tif (folio_test_ksm(folio) || folio_ref_count(folio) != 1) {\n"
        "\t\tfolio_unlock(folio);\n\t\treturn false;\n\t}",
        "\tif (folio_test_swapcache(folio))\n\t\tfolio_free_swap(folio);\n"
        "\tif (folio_test_ksm(folio) || folio_ref_count(folio) != 1)\n\t\treturn false;",
        "swap-cache-refault",
        (
            Edit(
                MEMORY,
                "\tfolio_unlock(folio);\n\treturn true;\n}\n\n/*\n * This rou",
                "\treturn true;\n}\n\n/*\n * This rou",
            ),
        ),
    ),
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
    "a copy is mapped before the old entry is flushed": Patch(
        "mm",
        MEMORY,
        "\t\tptep_clear_flush(vma, vmf->address, vmf->pte);\n\t\tfolio_add_new",
        "\t\tfolio_add_new",
        "copy-read",
        (
            Edit(
                MEMORY,
                "vmf->pte, 1);\n\t\tif (old_folio) {",
                "vmf->pte, 1);\n\t\tflush_tlb_page(vma, vmf->address);\n\t\tif (old_folio) {",
            ),
        ),
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
    "a dirty entry does not force a flush": Patch(
        "mm",
        MEMORY,
        "\t\t\t\tdelay_rmap = true;\n\t\t\t\t*force_flush = true;\n",
        "\t\t\t\tdelay_rmap = true;\n",
        "lost-dirty-dontneed",
    ),
    "the zap removes delayed rmaps before it flushes": Patch(
        "mm",
        MEMORY,
        "\t\ttlb_flush_mmu_tlbonly(tlb);\n\t\ttlb_flush_rmaps(tlb, vma);\n",
        "\t\ttlb_flush_rmaps(tlb, vma);\n\t\ttlb_flush_mmu_tlbonly(tlb);\n",
        "lost-dirty-dontneed",
    ),
    "a full gather does not force a flush": Patch(
        "mm",
        MEMORY,
        "\t\t*force_flush = true;\n\t\t*force_break = true;\n",
        "\t\t*force_break = true;\n",
        "batch-limit",
    ),
    "a gather that was flushed early is not emptied": Patch(
        "mm",
        MEMORY,
        "\tif (force_flush)\n\t\ttlb_flush_mmu(tlb);\n\n\treturn addr;",
        "\treturn addr;",
        "batch-limit",
    ),
    "a special page is zapped without a range": Patch(
        "mm",
        MEMORY,
        "\t\tarch_check_zapped_pte(vma, ptent);\n\t\ttlb_remove_tlb_entry(tlb, pte, addr);\n",
        "\t\tarch_check_zapped_pte(vma, ptent);\n",
        "pfnmap",
    ),
    "the zap goes by the entry as it was before it was cleared": Patch(
        "mm",
        MEMORY,
        "\t\tptent = get_and_clear_full_ptes(mm, addr, pte, nr, tlb->fullmm);\n\t\tif (pte_dirty",
        "\t\tget_and_clear_full_ptes(mm, addr, pte, nr, tlb->fullmm);\n\t\tif (pte_dirty",
        "dirty-bit-in-time",
    ),
    "the zap notes the first entry of a folio alone": Patch(
        "mm",
        MEMORY,
        "\ttlb_remove_tlb_entries(tlb, pte, nr, addr);\n",
        "\ttlb_remove_tlb_entry(tlb, pte, addr);\n",
        "folio-zap",
    ),
    "the zap gathers the first page of a folio alone": Patch(
        "mm",
        MEMORY,
        "__tlb_remove_folio_pages(tlb, page, nr, delay_rmap)",
        "__tlb_remove_folio_pages(tlb, page, 1, delay_rmap)",
        "folio-zap",
    ),
    "the zap goes on behind what a full gather left": Patch(
        "mm",
        MEMORY,
        "\t\tif (addr != next)\n\t\t\tpmd--;\n\t} while (pmd++, cond_resched(), addr != end);",
        "\t\taddr = next;\n\t} while (pmd++, cond_resched(), addr != end);",
        "full-gather",
    ),
    "the zap keeps places in swap": Patch(
        "mm",
        MEMORY,
        "\t\t\tfree_swap_and_cache_nr(entry, nr);\n",
        "",
        "swap-cache-both",
    ),
    "the zap leaves migration entries": Patch(
        "mm",
        MEMORY,
        "\t\t\tfolio = pfn_swap_entry_folio(entry);\n\t\t\tif (!should_zap_folio(details, folio))\n\t\t\t\tcontinue;\n",
        "\t\t\tcontinue;\n",
        "migrate-flush",
    ),
    "5df397dec7c4 reverted: the rmap is removed at once": Patch(
        "mm",
        MEMORY,
        "\t\t\tif (tlb_delay_rmap(tlb)) {\n\t\t\t\tdelay_rmap = true;\n\t\t\t\t*force_flush = true;\n\t\t\t}\n",
        "\t\t\t*force_flush = true;\n",
        "lost-dirty-dontneed",
        (
            Edit(
                MEMORY,
                "\t\ttlb_flush_mmu_tlbonly(tlb);\n\t\ttlb_flush_rmaps(tlb, vma);\n",
                "\t\ttlb_flush_mmu_tlbonly(tlb);\n",
            ),
        ),
    ),
    "fork leaves the child's entry writable": Patch(
        "mm",
        MEMORY,
        "\t\tpte = pte_wrprotect(pte);\n\t}\n\n\t/* If it's a shared mapping, mark it clean in the child. */",
        "\t}\n\n\t/* If it's a shared mapping, mark it clean in the child. */",
        "fork-protects",
    ),
    "fork takes one reference to a folio of two": Patch(
        "mm",
        MEMORY,
        "\t\tfolio_ref_add(folio, nr);\n\t\tif (folio_test_anon",
        "\t\tfolio_ref_add(folio, 1);\n\t\tif (folio_test_anon",
        "folio-fork",
    ),
    "fork goes by the first entry of a folio": Patch(
        "mm",
        MEMORY,
        "\t\tif (any_writable)\n\t\t\tpte = pte_mkwrite(pte, src_vma);\n",
        "",
        "folio-fork",
    ),
    "fork does not lock the parent's table": Patch(
        "mm",
        MEMORY,
        "\tspin_lock_nested(src_ptl, SINGLE_DEPTH_NESTING);\n\torig_src_pte = src_pte;",
        "\torig_src_pte = src_pte;",
        "fork-fault",
        (
            Edit(
                MEMORY, "\tpte_unmap_unlock(orig_src_pte, src_ptl);\n\tadd_mm_rss_vec(dst_mm", "\tadd_mm_rss_vec(dst_mm"
            ),
        ),
    ),
    "a page is reused whose place in swap is needed": Patch(
        "mm",
        MEMORY,
        "\tif (folio_test_ksm(folio) || folio_ref_count(folio) != 1) {\n",
        "\tif (folio_test_ksm(folio)) {\n",
        "swap-cache-copied",
    ),
    "6.1: the zap stops early and goes on with the next pmd": Patch(
        "mm",
        MEMORY,
        "\tif (addr != end) {\n\t\tcond_resched();\n\t\tgoto again;\n\t}\n\n\treturn addr;",
        "\treturn addr;",
        "switch-full",
        version="6.1",
    ),
}
