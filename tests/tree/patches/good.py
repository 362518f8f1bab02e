"""Good patches: what changes nothing but how the C is written must be green."""

from __future__ import annotations

from tests.tree.patches import Edit, Patch

MEMORY, GATHER, GENERIC_TLB = "mm/memory.c", "mm/mmu_gather.c", "include/asm-generic/tlb.h"
HUGETLB, KHUGEPAGED = "mm/hugetlb.c", "mm/khugepaged.c"
MREMAP, RMAP = "mm/mremap.c", "mm/rmap.c"
X86, X86_H, ARM64 = "arch/x86/mm/tlb.c", "arch/x86/include/asm/tlbflush.h", "arch/arm64/include/asm/tlbflush.h"
FLUSHED = "\t\ttlb_flush_mmu_tlbonly(tlb);\n\t\ttlb_flush_rmaps(tlb, vma);\n"
ZAP = "static unsigned long zap_pte_range(struct mmu_gather *tlb,"

NUMA_CHANGED = "\tif (unlikely(!pte_same(old_pte, vmf->orig_pte))) {\n\t\tpte_unmap_unlock(vmf->pte, vmf->ptl);"

GOOD = {
    "writeback goes by the entry as it was before it was cleared": Patch(
        "mm",
        RMAP,
        "\t\t\tentry = ptep_clear_flush(vma, address, pte);\n\t\t\tentry = pte_wrprotect(entry);",
        "\t\t\tptep_clear_flush(vma, address, pte);\n\t\t\tentry = pte_wrprotect(entry);",
        "lost-dirty-dontneed",
    ),
    "mprotect flushes page by page, at once": Patch(
        "mm",
        "mm/mprotect.c",
        "\t\t\t\ttlb_flush_pte_range(tlb, addr, PAGE_SIZE);\n",
        "\t\t\t\tflush_tlb_page(vma, addr);\n",
        "mprotect-clean",
    ),
    "a shared table is left in a function of its own": Patch(
        "mm",
        HUGETLB,
        "void __unmap_hugepage_range(struct mmu_gather *tlb,",
        "static int hugetlb_leave(struct mmu_gather *tlb, struct vm_area_struct *vma,\n"
        "\t\tunsigned long addr, pte_t *ptep)\n"
        '{\n\tint left = huge_pmd_unshare(tlb, vma, addr, ptep);\n\n\tif (left)\n\t\tpr_debug("left");\n'
        "\treturn left;\n}\n\nvoid __unmap_hugepage_range(struct mmu_gather *tlb,",
        "hugetlb-unshare",
        (
            Edit(
                HUGETLB,
                "if (huge_pmd_unshare(tlb, vma, address, ptep)) {",
                "if (hugetlb_leave(tlb, vma, address, ptep)) {",
            ),
        ),
    ),
    "a collapse isolates pages in a function with another name": Patch(
        "mm",
        KHUGEPAGED,
        "static int __collapse_huge_page_isolate(",
        "static int collapse_isolate(",
        "collapse-gup",
        (
            Edit(
                KHUGEPAGED,
                "result = __collapse_huge_page_isolate(vma, address, pte, cc,\n\t\t\t\t\t\t      &comp",
                "result = collapse_isolate(vma, address, pte, cc,\n\t\t\t\t\t\t      &comp",
            ),
        ),
    ),
    "a fault on a NUMA hint has a trace point and warns": Patch(
        "mm",
        MEMORY,
        NUMA_CHANGED,
        "\ttrace_numa_fault(vma, old_pte);\n\tWARN_ON_ONCE(!vmf->pte);\n" + NUMA_CHANGED,
        "numa-hint",
    ),
    "the zap flushes in a function of its own": Patch(
        "mm",
        MEMORY,
        ZAP,
        "static void zap_flush(struct mmu_gather *tlb, struct vm_area_struct *vma)\n{\n" + FLUSHED + "}\n\n" + ZAP,
        "lost-dirty-dontneed",
        (Edit(MEMORY, FLUSHED + "\t}", "\t\tzap_flush(tlb, vma);\n\t}"),),
    ),
    "zap_pte_range() has another name": Patch(
        "mm",
        MEMORY,
        ZAP,
        ZAP.replace("_pte_", "_ptes_"),
        "lost-dirty-dontneed",
        (Edit(MEMORY, "addr = zap_pte_range(", "addr = zap_ptes_range("),),
    ),
    "x86's handler looks at tlb_gen again, and only warns": Patch(
        "x86",
        X86,
        "\tWARN_ON_ONCE(local_tlb_gen > mm_tlb_gen);\n",
        "\tWARN_ON_ONCE(local_tlb_gen > atomic64_read(&loaded_mm->context.tlb_gen));\n",
        "any-order",
    ),
    "smp.c keeps CPUs that are not online in its mask": Patch(
        "x86",
        "kernel/smp.c",
        "\t\tcpumask_and(cfd->cpumask, mask, cpu_online_mask);\n",
        "\t\tcpumask_copy(cfd->cpumask, mask);\n",
        "switch-gen",
    ),
    "x86 marks what KCSAN need not look at": Patch(
        "x86",
        X86,
        "\tif (cpumask_any_but(mm_cpumask(mm), cpu) < nr_cpu_ids) {\n\t\tinfo->trim",
        "\tASSERT_EXCLUSIVE_ACCESS(*info);\n"
        "\tif (data_race(cpumask_any_but(mm_cpumask(mm), cpu)) < nr_cpu_ids) {\n\t\tinfo->trim",
        "switch-gen",
    ),
    "x86 has a trace point and a new option": Patch(
        "x86",
        X86,
        "\tnew_tlb_gen = inc_mm_tlb_gen(mm);\n",
        "\tnew_tlb_gen = inc_mm_tlb_gen(mm);\n\ttrace_tlb_gen(mm, new_tlb_gen);\n"
        '\tif (IS_ENABLED(CONFIG_TLB_DEBUG))\n\t\tpr_warn_once("tlb_gen");\n',
        "use-after-free",
    ),
    "x86 asks for the old tlb_gen and adds one": Patch(
        "x86",
        X86_H,
        "\treturn atomic64_inc_return(&mm->context.tlb_gen);",
        "\treturn atomic64_fetch_inc(&mm->context.tlb_gen) + 1;",
        "switch-gen",
    ),
    "arm64 waits in a function of its own": Patch(
        "arm64",
        ARM64,
        "static inline void flush_tlb_page(struct vm_area_struct *vma,",
        "static inline void tlb_page_done(void)\n{\n\t__tlbi_sync_s1ish();\n}\n\n"
        "static inline void flush_tlb_page(struct vm_area_struct *vma,",
        "lost-dirty-dontneed",
        (
            Edit(
                ARM64,
                "\tflush_tlb_page_nosync(vma, uaddr);\n\t__tlbi_sync_s1ish();",
                "\tflush_tlb_page_nosync(vma, uaddr);\n\ttlb_page_done();",
            ),
        ),
    ),
    "reclaim looks at what it owes with READ_ONCE() and leaves early": Patch(
        "mm",
        RMAP,
        "\tif (tlb_ubc->writable)\n\t\ttry_to_unmap_flush();",
        "\tif (!READ_ONCE(tlb_ubc->writable))\n\t\treturn;\n\ttry_to_unmap_flush();",
        "reclaim-dirty",
    ),
    "mremap goes from entry to entry by a goto": Patch(
        "mm",
        MREMAP,
        "\tfor (; old_addr < old_end; old_pte++, old_addr += PAGE_SIZE,\n"
        "\t\t\t\t   new_pte++, new_addr += PAGE_SIZE) {\n"
        "\t\tif (pte_none(ptep_get(old_pte)))\n\t\t\tcontinue;\n",
        "\twhile (old_addr < old_end) {\n\t\tif (pte_none(ptep_get(old_pte)))\n\t\t\tgoto next;\n",
        "mremap-truncate",
        (
            Edit(
                MREMAP,
                "\t\t\tset_pte_at(mm, new_addr, new_pte, pte);\n\t\t}\n\t}\n\n\tarch_leave",
                "\t\t\tset_pte_at(mm, new_addr, new_pte, pte);\n\t\t}\nnext:\n\t\told_pte++;\n"
                "\t\told_addr += PAGE_SIZE;\n"
                "\t\tnew_pte++;\n\t\tnew_addr += PAGE_SIZE;\n\t}\n\n\tarch_leave",
            ),
        ),
    ),
    "a gather counts its flushes": Patch(
        "mmu_gather",
        GENERIC_TLB,
        "\tunsigned int\t\tbatch_count;\n",
        "\tunsigned int\t\tbatch_count;\n\tunsigned int\t\tnr_flushes;\n",
        "nested-gathers",
        (
            Edit(
                GENERIC_TLB,
                "\ttlb_flush(tlb);\n\t__tlb_reset_range(tlb);\n",
                "\ttlb->nr_flushes++;\n\ttlb_flush(tlb);\n\t__tlb_reset_range(tlb);\n",
            ),
        ),
    ),
    # What was flushed is flushed again with the next flush: a range and its bits only grow.
    "a gather keeps its range behind a flush": Patch(
        "mmu_gather",
        GENERIC_TLB,
        "\ttlb_flush(tlb);\n\t__tlb_reset_range(tlb);\n}",
        "\ttlb_flush(tlb);\n}",
        "use-after-free",
    ),
    # The generic tlb_flush() asks for fullmm before it looks at the range.
    "a nested gather flushes all, and keeps its range": Patch(
        "mmu_gather",
        GATHER,
        "\t\ttlb->fullmm = 1;\n\t\t__tlb_reset_range(tlb);\n\t\ttlb->freed_tables = 1;",
        "\t\ttlb->fullmm = 1;\n\t\ttlb->freed_tables = 1;",
        "nested-gathers",
    ),
    # tlb_unshare_pmd_ptdesc() sets cleared_pmds, too (tlb_flush_pmd_range()).
    "a gather with nothing but tables that were left is empty": Patch(
        "mmu_gather",
        GENERIC_TLB,
        "tlb->cleared_p4ds || tlb->unshared_tables))",
        "tlb->cleared_p4ds))",
        "hugetlb-unshare",
    ),
    "s390 sets its bits in another order": Patch(
        "s390",
        "arch/s390/include/asm/tlb.h",
        "\ttlb->mm->context.flush_mm = 1;\n\ttlb->freed_tables = 1;\n\ttlb->cleared_pmds = 1;",
        "\ttlb->cleared_pmds = 1;\n\ttlb->freed_tables = 1;\n\ttlb->mm->context.flush_mm = 1;",
        "table-free",
    ),
    # Reuse asks for references (wp_can_reuse_anon_folio()), and the mapping's is dropped behind the flush: what the
    # kernel's comment there is about went with page_mapcount() in do_wp_page().
    "a copy removes the old page's rmap before the flush": Patch(
        "mm",
        MEMORY,
        "\t\tptep_clear_flush(vma, vmf->address, vmf->pte);\n\t\tfolio_add_new",
        "\t\tif (old_folio)\n\t\t\tfolio_remove_rmap_pte(old_folio, vmf->page, vma);\n"
        "\t\tptep_clear_flush(vma, vmf->address, vmf->pte);\n\t\tfolio_add_new",
        "copy-read",
        (
            Edit(
                MEMORY,
                "\t\t\tfolio_remove_rmap_pte(old_folio, vmf->page, vma);\n\t\t}\n\n\t\t/* Free the old",
                "\t\t}\n\n\t\t/* Free the old",
            ),
        ),
    ),
    # The entries that are gone are looked at once more.
    "the zap begins again where a gather was full": Patch(
        "mm", MEMORY, "\t\t\t\taddr += nr * PAGE_SIZE;\n\t\t\t\tbreak;", "\t\t\t\tbreak;", "full-gather"
    ),
}
