"""Bad patches of what follows a page to its mappings: mm/rmap.c, mm/migrate*.c, mm/pgtable-generic.c."""

from __future__ import annotations

from tests.tree.patches import Edit, Patch

PGTABLE_GENERIC = "mm/pgtable-generic.c"
RMAP = "mm/rmap.c"
TRANSFER = "\t\t\tif (pte_dirty(pteval))\n\t\t\t\tfolio_mark_dirty(folio);\n"
MIGRATE_DEVICE = "mm/migrate_device.c"

BAD = {
    "reclaim notes a dirty bit behind the look whether the folio is clean": Patch(
        "mm",
        RMAP,
        f"{TRANSFER}\t\t}} else {{\n\t\t\tpte_clear",
        "\t\t} else {\n\t\t\tpte_clear",
        "lazyfree-store",
        (
            Edit(
                RMAP,
                "\t\t\tfolio_remove_rmap_pte(folio, subpage, vma);\n",
                f"\t\t\tfolio_remove_rmap_pte(folio, subpage, vma);\n{TRANSFER}",
            ),
        ),
    ),
    "a collapse flushes one page": Patch(
        "mm",
        PGTABLE_GENERIC,
        "\tflush_tlb_range(vma, address, address + HPAGE_PMD_SIZE);\n\treturn pmd",
        "\tflush_tlb_range(vma, address, address + PAGE_SIZE);\n\treturn pmd",
        "collapse-copies",
    ),
    "ptep_clear_flush() does not flush": Patch(
        "mm",
        PGTABLE_GENERIC,
        "\tif (pte_accessible(mm, pte))\n\t\tflush_tlb_page(vma, address);\n\treturn pte;",
        "\treturn pte;",
        "lost-dirty-dontneed",
    ),
    "reclaim does not note its flush": Patch(
        "mm", RMAP, "\t\t\t\tset_tlb_ubc_flush_pending(mm, pteval, address);\n", "", "reclaim-dirty"
    ),
    "reclaim writes a page that may still be written to": Patch(
        "mm", RMAP, "\tif (tlb_ubc->writable)\n\t\ttry_to_unmap_flush();", "", "reclaim-dirty"
    ),
    "deferred flushes are taken for done": Patch(
        "mm", RMAP, "if (pending != flushed) {", "if (0) {", "reclaim-mprotect"
    ),
    "writeback cleans an entry without a flush": Patch(
        "mm",
        RMAP,
        "entry = ptep_clear_flush(vma, address, pte);",
        "entry = ptep_get_and_clear(vma->vm_mm, address, pte);",
        "lost-dirty-dontneed",
    ),
    "reclaim forgets a dirty bit": Patch(
        "mm", RMAP, f"{TRANSFER}\t\t}} else {{\n\t\t\tpte_clear", "\t\t} else {\n\t\t\tpte_clear", "reclaim-dirty"
    ),
    "a migration forgets a dirty bit": Patch(
        "mm", RMAP, "\t\tif (pte_dirty(pteval))\n\t\t\tfolio_mark_dirty(folio);\n\n", "", "migrate-batch"
    ),
    "a deferred flush is taken for done before it is done": Patch(
        "mm",
        RMAP,
        "\t\tarch_flush_tlb_batched_pending(mm);\n",
        "\t\tatomic_cmpxchg(&mm->tlb_flush_batched, batch,\n"
        "\t\t\t       pending | (pending << TLB_FLUSH_BATCH_FLUSHED_SHIFT));\n"
        "\t\tarch_flush_tlb_batched_pending(mm);\n",
        "reclaim-flushed",
    ),
    "a lazyfree page is discarded though it is referenced": Patch(
        "mm", RMAP, "if (ref_count == 1 + map_count &&", "if (1 &&", "lazyfree-dio"
    ),
    "a migration does not note its flush": Patch(
        "mm",
        RMAP,
        "\t\t\t\tset_tlb_ubc_flush_pending(mm, pteval, address);\n\t\t\t} else {\n"
        "\t\t\t\tpteval = ptep_clear_flush(vma, address, pvmw.pte);\n\t\t\t}\n\t\t}\n",
        "\t\t\t} else {\n\t\t\t\tpteval = ptep_clear_flush(vma, address, pvmw.pte);\n\t\t\t}\n\t\t}\n",
        "migrate-batch",
    ),
    "migration to a device forgets a dirty bit": Patch(
        "mm",
        MIGRATE_DEVICE,
        "\t\t\tif (pte_present(pte) && pte_dirty(pte))\n\t\t\t\tfolio_mark_dirty(folio);\n",
        "",
        "migrate-dirty",
    ),
    "deferred flushes are taken for done by a plain store": Patch(
        "mm",
        "mm/rmap.c",
        "\t\tatomic_cmpxchg(&mm->tlb_flush_batched, batch,\n"
        "\t\t\t       pending | (pending << TLB_FLUSH_BATCH_FLUSHED_SHIFT));",
        "\t\tatomic_set(&mm->tlb_flush_batched, pending | (pending << TLB_FLUSH_BATCH_FLUSHED_SHIFT));",
        "reclaim-pending",
    ),
    "migration to a device does not flush": Patch(
        "mm",
        MIGRATE_DEVICE,
        "\tif (unmapped)\n\t\tflush_tlb_range(walk->vma, start, end);\n",
        "",
        "migrate-flush",
    ),
    "60bae7370896 reverted: it flushes behind the lock": Patch(
        "mm",
        MIGRATE_DEVICE,
        "\tif (unmapped)\n\t\tflush_tlb_range(walk->vma, start, end);\n\n\tarch_leave_lazy_mmu_mode();\n"
        "\tpte_unmap_unlock(ptep - 1, ptl);\n",
        "\tarch_leave_lazy_mmu_mode();\n\tpte_unmap_unlock(ptep - 1, ptl);\n\tif (unmapped)\n"
        "\t\tflush_tlb_range(walk->vma, start, end);\n",
        "migrate-flush",
    ),
    "migration to a device takes no reference": Patch(
        "mm",
        MIGRATE_DEVICE,
        "\t\tfolio = page_folio(page);\n\t\tfolio_get(folio);\n\n\t\t/*\n\t\t * We rely",
        "\t\tfolio = page_folio(page);\n\n\t\t/*\n\t\t * We rely",
        "migrate-flush",
    ),
}
