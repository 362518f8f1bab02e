"""Bad patches of advice: mm/madvise.c, and what mm/huge_memory.c does of it."""

from __future__ import annotations

from tests.tree.patches import Patch

MADVISE = "mm/madvise.c"
OLD = "\t\t\tpmdp_test_and_clear_young(vma, addr, pmd);\n"

BAD = {
    "MADV_FREE cleans a page that another process maps": Patch(
        "mm",
        MADVISE,
        "if (folio_mapcount(folio) != folio_nr_pages(folio)) {",
        "if (folio_mapcount(folio) < 1) {",
        "lazyfree-shared",
    ),
    "MADV_FREE cleans a page whose contents another process has in swap": Patch(
        "mm",
        MADVISE,
        "\t\t\tif (folio_test_swapcache(folio) &&\n\t\t\t    !folio_free_swap(folio)) {\n"
        "\t\t\t\tfolio_unlock(folio);\n\t\t\t\tcontinue;\n\t\t\t}\n",
        "",
        "lazyfree-shared",
    ),
    "MADV_FREE leaves the folio dirty": Patch(
        "mm", MADVISE, "\t\t\tfolio_clear_dirty(folio);\n", "", "lazyfree-store", lines=False
    ),
    "MADV_FREE of a huge page leaves the folio dirty": Patch(
        "mm",
        "mm/huge_memory.c",
        "\tif (folio_test_dirty(folio))\n\t\tfolio_clear_dirty(folio);\n",
        "",
        "huge-free",
        lines=False,
    ),
    "MADV_FREE flushes no entry": Patch(
        "mm",
        MADVISE,
        "\t\t\ttlb_remove_tlb_entries(tlb, pte, nr, addr);\n\t\t}\n\t\tfolio_mark_lazyfree",
        "\t\t}\n\t\tfolio_mark_lazyfree",
        "lazyfree-store",
    ),
    "MADV_FREE looks for deferred flushes once, and locks the table twice": Patch(
        "mm",
        MADVISE,
        "\t\t\t\tstart_pte = pte;\n\t\t\t\tif (!start_pte)\n\t\t\t\t\tbreak;\n\t\t\t\tflush_tlb_batched_pending(mm);\n",
        "\t\t\t\tstart_pte = pte;\n\t\t\t\tif (!start_pte)\n\t\t\t\t\tbreak;\n",
        "reclaim-relocked",
    ),
    "MADV_COLD sets a huge entry as it was before it was invalid": Patch(
        "mm",
        MADVISE,
        OLD,
        "\t\t\tpmdp_invalidate(vma, addr, pmd);\n\t\t\tset_pmd_at(mm, addr, pmd, pmd_mkold(orig_pmd));\n",
        "huge-cold",
    ),
}
