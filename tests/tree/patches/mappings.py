"""Bad patches of what changes many mappings: mm/mprotect.c, mm/mremap.c, mm/huge_memory.c."""

from __future__ import annotations

from tests.tree.patches import Edit, Patch

MPROTECT = "mm/mprotect.c"
MREMAP = "mm/mremap.c"
HUGE_MEMORY = "mm/huge_memory.c"

FLUSH = "\tif (force_flush)\n\t\tflush_tlb_range(vma, old_end - len, old_end);\n"
UNLOCK_NEW = "\tif (new_ptl != old_ptl)\n\t\tspin_unlock(new_ptl);\n"
NOTIFIED = "\tmmu_notifier_invalidate_range_end(&range);\n\n"


def eb66ae030829_reverted(call: str, behind: str, version: str) -> Patch:
    """move_ptes() flushes dirty entries only, without the lock of the new place; the rest move_page_tables() does."""
    late = "\tif (need_flush)\n\t\tflush_tlb_range(vma, old_end - len, old_addr);\n"
    edits = {
        "\tunsigned long extent, old_end;\n": "\tunsigned long extent, old_end;\n\tbool need_flush = false;\n",
        "\t\tif (pte_present(pte))\n\t\t\tforce": "\t\tif (pte_present(pte) && pte_dirty(pte))\n\t\t\tforce",
        FLUSH + UNLOCK_NEW: UNLOCK_NEW + FLUSH + "\telse\n\t\t*need_flush = true;\n",
        call: call.replace("need_rmap_locks)", "need_rmap_locks, &need_flush)"),
        NOTIFIED + behind: late + NOTIFIED + behind,
    }
    return Patch(
        "mm",
        MREMAP,
        "bool need_rmap_locks)\n{\n\tbool need_clear",
        "bool need_rmap_locks, bool *need_flush)\n{\n\tbool need_clear",
        "mremap-truncate",
        tuple(Edit(MREMAP, old, new) for old, new in edits.items()),
        version,
    )


BAD = {
    "eb66ae030829 reverted (CVE-2018-18281)": eb66ae030829_reverted(
        "new_pmd, new_addr, need_rmap_locks) < 0)", "\t/*\n\t * Prevent", "6.12"
    ),
    "6.1: eb66ae030829 reverted (CVE-2018-18281)": eb66ae030829_reverted(
        "new_pmd, new_addr, need_rmap_locks);", "\treturn len + old_addr", "6.1"
    ),
    "mremap unlocks the new place before it flushes": Patch(
        "mm", MREMAP, FLUSH + UNLOCK_NEW, UNLOCK_NEW + FLUSH, "mremap-reclaim"
    ),
    "mprotect flushes nothing": Patch(
        "mm", MPROTECT, "if (pte_needs_flush(oldpte, ptent))", "if (0)", "reclaim-mprotect"
    ),
    "mprotect does not look for deferred flushes": Patch(
        "mm", MPROTECT, "\tflush_tlb_batched_pending(vma->vm_mm);\n", "", "reclaim-mprotect"
    ),
    "mremap leaves the flush out": Patch(
        "mm", MREMAP, "\tif (force_flush)\n\t\tflush_tlb_range(vma, old_end - len, old_end);\n", "", "mremap-writeback"
    ),
    "mremap moves a table without the rmap locks": Patch(
        "mm", MREMAP, "old_pmd, new_pmd, true))", "old_pmd, new_pmd, false))", "mremap-table"
    ),
    "mremap does not look at the pmd under its lock": Patch(
        "mm", MREMAP, "if (unlikely(!pmd_present(pmd) || pmd_leaf(pmd)))", "if (0)", "mremap-collapse"
    ),
    "mremap does not look for deferred flushes": Patch(
        "mm", MREMAP, "\tflush_tlb_batched_pending(vma->vm_mm);\n", "", "reclaim-mremap"
    ),
    "mremap moves a table without a flush": Patch(
        "mm",
        MREMAP,
        "\tflush_tlb_range(vma, old_addr, old_addr + PMD_SIZE);\nout_unlock",
        "out_unlock",
        "mremap-table-used",
    ),
    "mremap reads an entry and clears it then": Patch(
        "mm",
        MREMAP,
        "\t\tpte = ptep_get_and_clear(mm, old_addr, old_pte);\n",
        "\t\tpte = ptep_get(old_pte);\n\t\tptep_get_and_clear(mm, old_addr, old_pte);\n",
        "mremap-dirty",
    ),
    "mprotect flushes dirty entries only": Patch(
        "mm", MPROTECT, "if (pte_needs_flush(oldpte, ptent))", "if (pte_dirty(oldpte))", "mprotect-clean"
    ),
    "mprotect changes the entry as it was before it was cleared": Patch(
        "mm",
        MPROTECT,
        "\t\t\toldpte = ptep_modify_prot_start(vma, addr, pte);\n",
        "\t\t\tptep_modify_prot_start(vma, addr, pte);\n",
        "mprotect-dirty",
    ),
    "mprotect of a huge page changes the entry as it was before it was invalid": Patch(
        "mm",
        HUGE_MEMORY,
        "\toldpmd = pmdp_invalidate_ad(vma, addr, pmd);\n",
        "\toldpmd = *pmd;\n\tpmdp_invalidate_ad(vma, addr, pmd);\n",
        "huge-dirty",
    ),
    "a huge page is forgotten by the gather": Patch(
        "mm",
        HUGE_MEMORY,
        "\ttlb_remove_pmd_tlb_entry(tlb, pmd, addr);\n\tif (vma_is_special_huge(vma)) {",
        "\tif (vma_is_special_huge(vma)) {",
        "huge-freed",
    ),
    "a dirty huge page is zapped as a clean one": Patch(
        "mm", HUGE_MEMORY, "if (pmd_present(orig_pmd) && pmd_dirty(orig_pmd))", "if (0)", "huge-dirty"
    ),
    "a huge entry is empty for a moment": Patch(
        "mm",
        HUGE_MEMORY,
        "oldpmd = pmdp_invalidate_ad(vma, addr, pmd);",
        "oldpmd = pmdp_huge_get_and_clear_full(vma, addr, pmd, 0);",
        "huge-emptied",
    ),
    "a split forgets a dirty bit": Patch(
        "mm",
        HUGE_MEMORY,
        "\t\t\tif (!folio_test_dirty(folio) && pmd_dirty(old_pmd))\n\t\t\t\tfolio_mark_dirty(folio);\n",
        "",
        "huge-split",
    ),
    "a split reads an entry and makes it invalid then": Patch(
        "mm",
        HUGE_MEMORY,
        "\t\told_pmd = pmdp_invalidate(vma, haddr, pmd);\n\t\tpage = pmd_page(old_pmd);\n\t\tfolio =",
        "\t\told_pmd = *pmd;\n\t\tpmdp_invalidate(vma, haddr, pmd);\n\t\tpage = pmd_page(old_pmd);\n\t\tfolio =",
        "huge-split-anon",
    ),
    "mprotect gives pte_needs_flush() the entries the wrong way round": Patch(
        "mm",
        "mm/mprotect.c",
        "if (pte_needs_flush(oldpte, ptent))",
        "if (pte_needs_flush(ptent, oldpte))",
        "numa-hint",
    ),
    "mprotect of a huge page owes no flush": Patch(
        "mm",
        HUGE_MEMORY,
        "\tif (huge_pmd_needs_flush(oldpmd, entry))\n\t\ttlb_flush_pmd_range(tlb, addr, HPAGE_PMD_SIZE);\n",
        "",
        "huge-protect",
    ),
    "mremap goes without the rmap locks": Patch(
        "mm",
        MREMAP,
        "\tif (need_rmap_locks)\n\t\ttake_rmap_locks(vma);\n\n"
        "\t/*\n\t * We don't have to worry about the ordering of src and dst\n\t * pte",
        "\t/*\n\t * We don't have to worry about the ordering of src and dst\n\t * pte",
        "mremap-migrate",
        (
            Edit(
                MREMAP, "out:\n\tif (need_rmap_locks)\n\t\tdrop_rmap_locks(vma);\n\treturn err;", "out:\n\treturn err;"
            ),
        ),
    ),
    "mprotect leaves a migration entry writable": Patch(
        "mm", MPROTECT, "\t\t\tif (is_writable_migration_entry(entry)) {", "\t\t\tif (0) {", "migrate-protect"
    ),
    "a huge page is zapped without a look under the lock": Patch(
        "mm",
        HUGE_MEMORY,
        "\tptl = __pmd_trans_huge_lock(pmd, vma);\n\tif (!ptl)\n\t\treturn 0;\n\t/*\n\t * For arch",
        "\tptl = pmd_lock(vma->vm_mm, pmd);\n\t/*\n\t * For arch",
        "huge-zap-twice",
    ),
    "mprotect of a huge page does not look under the lock": Patch(
        "mm",
        HUGE_MEMORY,
        "\tptl = __pmd_trans_huge_lock(pmd, vma);\n\tif (!ptl)\n\t\treturn 0;\n\n"
        "#ifdef CONFIG_ARCH_ENABLE_THP_MIGRATION\n\tif (is_swap",
        "\tptl = pmd_lock(vma->vm_mm, pmd);\n\n#ifdef CONFIG_ARCH_ENABLE_THP_MIGRATION\n\tif (is_swap",
        "huge-emptied",
    ),
}
