"""Bad patches of mm/hugetlb.c, mm/khugepaged.c, of splits, and of faults on NUMA hints and on nothing."""

from __future__ import annotations

from tests.tree.patches import Patch

HUGETLB = "mm/hugetlb.c"
KHUGEPAGED = "mm/khugepaged.c"
HUGE_MEMORY = "mm/huge_memory.c"
MEMORY = "mm/memory.c"
PGTABLE_GENERIC = "mm/pgtable-generic.c"
TLB_H = "include/asm-generic/tlb.h"

SPLIT = "\t\told_pmd = pmdp_invalidate(vma, haddr, pmd);\n\t\tpage = pmd_page(old_pmd);\n\t\tfolio ="
SAME = (
    "\tspin_lock(vmf->ptl);\n\tif (unlikely(!pte_same(*vmf->pte, vmf->orig_pte))) {\n"
    "\t\tpte_unmap_unlock(vmf->pte, vmf->ptl);\n\t\treturn 0;\n\t}\n"
)

BAD = {
    "a shared table is left without a flush": Patch(
        "mm", HUGETLB, "\ttlb_flush_unshared_tables(tlb);\n", "", "hugetlb-unshare"
    ),
    "a4a118f2eead reverted: the gather does not learn that a table is left": Patch(
        "mm", TLB_H, "\ttlb_flush_pmd_range(tlb, addr & PUD_MASK, PUD_SIZE);\n", "", "hugetlb-unshare"
    ),
    "the flush of a table that is left waits for the end of the gather": Patch(
        "mm", TLB_H, "\tif (tlb->unshared_tables)\n\t\ttlb_flush_mmu_tlbonly(tlb);\n", "", "hugetlb-unshare"
    ),
    "6.1: the flush of a table that is left waits for the end of the gather": Patch(
        "mm",
        TLB_H,
        "\tif (tlb->unshared_tables)\n\t\ttlb_flush_mmu_tlbonly(tlb);\n",
        "",
        "hugetlb-unshare",
        version="6.1",
    ),
    "a process that leaves a shared table forgets to count itself out": Patch(
        "mm", TLB_H, "\tptdesc_pmd_pts_dec(pt);\n", "", "hugetlb-unshare"
    ),
    "a shared table is left in place": Patch("mm", HUGETLB, "\tpud_clear(pud);\n\n", "", "hugetlb-unshare"),
    "a collapse counts no references": Patch(
        "mm", KHUGEPAGED, "return folio_ref_count(folio) == expected_refcount;", "return true;", "collapse-gup"
    ),
    "a collapse empties a table without a flush": Patch(
        "mm",
        KHUGEPAGED,
        "_pmd = pmdp_collapse_flush(vma, address, pmd);",
        "_pmd = pmdp_huge_get_and_clear(mm, address, pmd);",
        "collapse-copies",
    ),
    "6.1: a collapse empties a table without a flush": Patch(
        "mm",
        KHUGEPAGED,
        "_pmd = pmdp_collapse_flush(vma, address, pmd);",
        "_pmd = pmdp_huge_get_and_clear(mm, address, pmd);",
        "collapse-copies",
        version="6.1",
    ),
    "a collapse that gives up does not put the table back": Patch(
        "mm", KHUGEPAGED, "\t\tpmd_populate(mm, pmd, pmd_pgtable(_pmd));\n", "", "collapse-gup"
    ),
    "a collapse keeps the reverse map of what it has copied": Patch(
        "mm", KHUGEPAGED, "\t\t\tfolio_remove_rmap_pte(src, src_page, vma);\n", "", "collapse-copies"
    ),
    "a table is retracted without a flush": Patch(
        "mm",
        KHUGEPAGED,
        "pgt_pmd = pmdp_collapse_flush(vma, addr, pmd);",
        "pgt_pmd = pmdp_huge_get_and_clear(mm, addr, pmd);",
        "table-collapse",
    ),
    "6.1: a table is retracted without a flush": Patch(
        "mm",
        KHUGEPAGED,
        "pmd = pmdp_collapse_flush(vma, addr, pmdp);",
        "pmd = pmdp_huge_get_and_clear(mm, addr, pmdp);",
        "table-collapse",
        version="6.1",
    ),
    "a split of anonymous memory does not flush": Patch(
        "mm",
        HUGE_MEMORY,
        SPLIT,
        SPLIT.replace("pmdp_invalidate(vma, haddr, pmd)", "pmdp_establish(vma, haddr, pmd, pmd_mkinvalid(*pmd))"),
        "huge-split-anon",
    ),
    "a split of a file's page does not flush": Patch(
        "mm",
        HUGE_MEMORY,
        "\t\told_pmd = pmdp_huge_clear_flush(vma, haddr, pmd);\n\t\t/*\n\t\t * We are going",
        "\t\told_pmd = pmdp_huge_get_and_clear(mm, haddr, pmd);\n\t\t/*\n\t\t * We are going",
        "huge-split",
    ),
    "pmdp_invalidate() does not flush": Patch(
        "mm",
        PGTABLE_GENERIC,
        "\tflush_pmd_tlb_range(vma, address, address + HPAGE_PMD_SIZE);\n\treturn old;",
        "\treturn old;",
        "huge-split-anon",
    ),
    "the page of a NUMA hint is moved though nobody has isolated it": Patch(
        "mm",
        MEMORY,
        "if (migrate_misplaced_folio_prepare(folio, vma, target_nid)) {\n\t\tflags |= TNF_MIGRATE_FAIL;\n"
        "\t\tgoto out_map;\n\t}\n\t/* The folio is isolated",
        "if (0) {\n\t\tflags |= TNF_MIGRATE_FAIL;\n\t\tgoto out_map;\n\t}\n\t/* The folio is isolated",
        "numa-hint",
    ),
    "a new page is mapped without a reverse map": Patch(
        "mm",
        MEMORY,
        "\tfolio_add_new_anon_rmap(folio, vma, addr, RMAP_EXCLUSIVE);\n\tfolio_add_lru_vma(folio, vma);\nsetpte:",
        "\tfolio_add_lru_vma(folio, vma);\nsetpte:",
        "dontneed-remap",
    ),
    "a new page is mapped though another fault was first": Patch(
        "mm", MEMORY, "\tif (nr_pages == 1 && vmf_pte_changed(vmf)) {", "\tif (0) {", "fault-twice"
    ),
    "the page of a NUMA hint is taken though the entry has changed": Patch(
        "mm", MEMORY, "\tif (unlikely(!pte_same(old_pte, vmf->orig_pte))) {", "\tif (0) {", "hint-zapped"
    ),
    "6.1: a page that could not move is mapped again though the entry has changed": Patch(
        "mm",
        MEMORY,
        f"{SAME}out_map:",
        "\tspin_lock(vmf->ptl);\nout_map:",
        "hint-zapped",
        version="6.1",
    ),
}
