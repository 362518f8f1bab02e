"""Patches of the C of x86, powerpc radix, sparc64 and of machines with contexts: bad ones are red, with lines of C in
the trace, and what docs/findings.md proposes is green.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli.tree import row_of
from core.table.jobs import VerdictJob
from core.tree.kernel_tree import KernelTree
from tests.tree.test_kernels import Patch, scratch

X86_H, ARM64 = "arch/x86/include/asm/tlbflush.h", "arch/arm64/include/asm/tlbflush.h"
ARM64_TLB, GENERIC_TLB = "arch/arm64/include/asm/tlb.h", "include/asm-generic/tlb.h"
X86, RADIX = "arch/x86/mm/tlb.c", "arch/powerpc/mm/book3s64/radix_tlb.c"
GATHER = "mm/mmu_gather.c"
SPARC, SPARC_SMP = "arch/sparc/mm/tlb.c", "arch/sparc/kernel/smp_64.c"
ZERO_CONTEXTS = "\t\tfor_each_online_cpu(i)\n\t\t\tif (smp_processor_id() != i)\n\t\t\t\tcpu_context(i, mm) = 0;\n"
GET_INFO = "\tinfo = get_flush_tlb_info(mm, start, end, stride_shift, freed_tables,\n\t\t\t\t  new_tlb_gen);\n"

BAD = {
    "x86 leaves a flush of pages to this CPU": Patch(
        "x86",
        X86,
        "\tif (cpumask_any_but(mm_cpumask(mm), cpu) < nr_cpu_ids) {\n\t\tinfo->trim",
        "\tif (end == TLB_FLUSH_ALL && cpumask_any_but(mm_cpumask(mm), cpu) < nr_cpu_ids) {\n\t\tinfo->trim",
        "use-after-free",
    ),
    "x86 reads mm_cpumask before it raises tlb_gen": Patch(
        "x86",
        X86,
        f"\tnew_tlb_gen = inc_mm_tlb_gen(mm);\n\n{GET_INFO}",
        "\tbool others = cpumask_any_but(mm_cpumask(mm), cpu) < nr_cpu_ids;\n\n"
        f"\tnew_tlb_gen = inc_mm_tlb_gen(mm);\n{GET_INFO}"
        "\tif (!others) { local_irq_disable(); flush_tlb_func(info); local_irq_enable(); put_cpu(); return; }\n",
        "switch-gen",
    ),
    "fea4e317f9e7 reverted: a CPU that is switching is not flushed": Patch(
        "x86", X86, "\tif (loaded_mm == LOADED_MM_SWITCHING)\n\t\treturn true;\n", "", "switch-gen"
    ),
    "x86 spares lazy CPUs though tables were freed": Patch(
        "x86", X86, "\tif (info->freed_tables)\n", "\tif (0)\n", "lazy-walk"
    ),
    "x86 does not wait for its store of is_lazy": Patch(
        "x86", X86, "\t\tsmp_mb();\n\t\tnext_tlb_gen", "\t\tnext_tlb_gen", "lazy-tso"
    ),
    "x86 flushes a range though it has missed another flush": Patch(
        "x86", X86, "\t    f->new_tlb_gen == local_tlb_gen + 1 &&\n", "", "any-order"
    ),
    "x86 does not wait for the CPUs that it interrupts": Patch(
        "x86", X86, "\t\t\t\t(void *)info, 1, cpumask);", "\t\t\t\t(void *)info, 0, cpumask);", "use-after-free"
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
    "radix flushes a range on this CPU alone": Patch(
        "powerpc_radix",
        RADIX,
        "\t\telse if (cputlb_use_tlbie())\n\t\t\t_tlbie_va_range(start, end, pid, page_size, psize, also_pwc);",
        "\t\telse if (cputlb_use_tlbie())\n\t\t\t_tlbiel_va_range(start, end, pid, page_size, psize, also_pwc);",
        "use-after-free",
    ),
    "radix keeps the page-walk cache": Patch(
        "powerpc_radix",
        RADIX,
        "\t__radix__flush_tlb_range_psize(mm, start, end, psize, true);",
        "\t__radix__flush_tlb_range_psize(mm, start, end, psize, false);",
        "table-pmd",
    ),
    "radix does not complete a tlbie": Patch(
        "powerpc_radix",
        RADIX,
        "\t\t\t_tlbie_va(vmaddr, pid, psize, RIC_FLUSH_TLB);\n\t\telse\n",
        "\t\t\t__tlbie_va(vmaddr, pid, mmu_get_ap(psize), RIC_FLUSH_TLB);\n\t\telse\n",
        "reclaim-mprotect",
    ),
    "radix frees tables at once": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/pgtable.c",
        "\ttlb_remove_table(tlb, (void *)pgf);",
        "\tpagetable_free(table);",
        "table-free",
    ),
    "sparc64 forgets its queue": Patch(
        "sparc64",
        SPARC,
        "\tif (tb->tlb_nr)\n\t\tflush_tlb_pending();\n\ttb->active = 0;",
        "\ttb->active = 0;",
        "use-after-free",
    ),
    "sparc64 flushes a page on this CPU alone": Patch(
        "sparc64",
        SPARC_SMP,
        "\tsmp_cross_call_masked(&xcall_flush_tlb_page,\n\t\t\t      context, vaddr, 0,\n"
        "\t\t\t      mm_cpumask(mm));\n",
        "",
        "use-after-free",
    ),
    "sparc64 flushes the first page of its queue": Patch(
        "sparc64", SPARC, "\t\tif (tb->tlb_nr == 1) {", "\t\tif (tb->tlb_nr >= 1) {", "range-of-three"
    ),
    "x86 loses a tlb_gen: a read and a store": Patch(
        "x86",
        X86_H,
        "\treturn atomic64_inc_return(&mm->context.tlb_gen);",
        "\tu64 gen = atomic64_read(&mm->context.tlb_gen) + 1;\n\n\tatomic64_set(&mm->context.tlb_gen, gen);\n"
        "\treturn gen;",
        "switch-gen",
    ),
    "x86 flushes nothing for a batch that is pending": Patch(
        "x86",
        X86_H,
        "static inline void arch_flush_tlb_batched_pending(struct mm_struct *mm)\n{\n\tflush_tlb_mm(mm);\n}",
        "static inline void arch_flush_tlb_batched_pending(struct mm_struct *mm)\n{\n}",
        "reclaim-mprotect",
    ),
    "x86 flushes nothing where a write permission changes": Patch(
        "x86",
        X86_H,
        "const pteval_t flush_on_change = _PAGE_RW | _PAGE_USER",
        "const pteval_t flush_on_change = _PAGE_USER",
        "mprotect-clean",
    ),
    "radix flushes where more is allowed, and not where less is": Patch(
        "powerpc_radix",
        "arch/powerpc/include/asm/book3s/64/tlbflush.h",
        "\tif ((delta & ~_PAGE_ACCESSED) & oldval)",
        "\tif ((delta & ~_PAGE_ACCESSED) & newval)",
        "reclaim-mprotect",
    ),
    "mprotect gives pte_needs_flush() the entries the wrong way round": Patch(
        "mm",
        "mm/mprotect.c",
        "if (pte_needs_flush(oldpte, ptent))",
        "if (pte_needs_flush(ptent, oldpte))",
        "numa-hint",
    ),
    "arm64 flushes an mm on this CPU alone": Patch(
        "arm64", ARM64, "__tlbi(aside1is, asid);", "__tlbi(aside1, asid);", "fork-protects"
    ),
    "arm64 waits for no TLBI of others": Patch(
        "arm64",
        ARM64,
        "\tflush_tlb_page_nosync(vma, uaddr);\n\t__tlbi_sync_s1ish();",
        "\tflush_tlb_page_nosync(vma, uaddr);\n\tdsb(nsh);",
        "lost-dirty-dontneed",
    ),
    "arm64 names the wrong level": Patch(
        "arm64",
        ARM64_TLB,
        "\t\t\t\t   tlb->cleared_p4ds))\n\t\treturn 3;",
        "\t\t\t\t   tlb->cleared_p4ds))\n\t\treturn 2;",
        "use-after-free",
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
    "deferred flushes are taken for done by a plain store": Patch(
        "mm",
        "mm/rmap.c",
        "\t\tatomic_cmpxchg(&mm->tlb_flush_batched, batch,\n"
        "\t\t\t       pending | (pending << TLB_FLUSH_BATCH_FLUSHED_SHIFT));",
        "\t\tatomic_set(&mm->tlb_flush_batched, pending | (pending << TLB_FLUSH_BATCH_FLUSHED_SHIFT));",
        "reclaim-pending",
    ),
    "a table is freed without being noted": Patch(
        "mmu_gather_rcu",
        GENERIC_TLB,
        "\t\ttlb_flush_pmd_range(tlb, address, PAGE_SIZE);\t\\\n\t\ttlb->freed_tables = 1;",
        "\t\ttlb_flush_pmd_range(tlb, address, PAGE_SIZE);\t\\\n\t\ttlb->freed_tables = 0;",
        "table-free",
    ),
    "alpha leaves other CPUs their contexts": Patch(
        "alpha",
        "arch/alpha/kernel/smp.c",
        "\t\tif (atomic_read(&mm->mm_users) <= 1 &&\n\t\t    !mm_context_elsewhere(mm)) {",
        "\t\tif (atomic_read(&mm->mm_users) <= 1) {",
        "task-moves",
    ),
    "sh leaves other CPUs their contexts": Patch(
        "sh",
        "arch/sh/kernel/smp.c",
        f"{ZERO_CONTEXTS}\t}}\n\tlocal_flush_tlb_range",
        "\t}\n\tlocal_flush_tlb_range",
        "task-moves",
    ),
    "arc flushes a range on this CPU alone": Patch(
        "arc",
        "arch/arc/mm/tlb.c",
        "\ton_each_cpu_mask(mm_cpumask(vma->vm_mm), ipi_flush_tlb_range, &ta, 1);",
        "\tipi_flush_tlb_range(&ta);",
        "use-after-free",
    ),
    "xtensa flushes a range on this CPU alone": Patch(
        "xtensa",
        "arch/xtensa/kernel/smp.c",
        "\ton_each_cpu(ipi_flush_tlb_range, &fd, 1);",
        "\tipi_flush_tlb_range(&fd);",
        "use-after-free",
    ),
}

NO_LINES = {
    "x86 flushes nothing for a batch that is pending",
    "x86 flushes nothing where a write permission changes",
    "radix flushes where more is allowed, and not where less is",
}
"""In whose traces the C does nothing, so that there is no line of it."""

Trees = Callable[[str], KernelTree]
LINE = re.compile(r" at (?:arch|include|mm)/[\w/.-]+:\d+")


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_a_bad_patch_is_red_and_its_trace_names_lines_of_c(name: str, unpacked: Trees, tmp_path: Path) -> None:
    patch, tree = BAD[name], unpacked("6.12")
    bad = KernelTree(scratch(patch.arch, tree, tmp_path / "patched", patch))
    good, found = (VerdictJob(row_of(patch.arch, one, ""), patch.scenario).run() for one in (tree, bad))
    assert good.verdict == "pass"
    assert found.verdict == "fail"
    assert name in NO_LINES or any(LINE.search(step.step) for step in found.trace)


MEMORY = "mm/memory.c"
FLUSHED = "\t\ttlb_flush_mmu_tlbonly(tlb);\n\t\ttlb_flush_rmaps(tlb, vma);\n"
ZAP = "static unsigned long zap_pte_range(struct mmu_gather *tlb,"

GOOD = {
    "the zap flushes in a function of its own": (
        Patch(
            "mm",
            MEMORY,
            ZAP,
            "static void zap_flush(struct mmu_gather *tlb, struct vm_area_struct *vma)\n{\n" + FLUSHED + "}\n\n" + ZAP,
            "lost-dirty-dontneed",
        ),
        Patch("mm", MEMORY, FLUSHED + "\t}", "\t\tzap_flush(tlb, vma);\n\t}", "lost-dirty-dontneed"),
    ),
    "zap_pte_range() has another name": (
        Patch("mm", MEMORY, ZAP, ZAP.replace("_pte_", "_ptes_"), "lost-dirty-dontneed"),
        Patch("mm", MEMORY, "addr = zap_pte_range(", "addr = zap_ptes_range(", "lost-dirty-dontneed"),
    ),
    "x86 marks what KCSAN need not look at": (
        Patch(
            "x86",
            X86,
            "\tif (cpumask_any_but(mm_cpumask(mm), cpu) < nr_cpu_ids) {\n\t\tinfo->trim",
            "\tASSERT_EXCLUSIVE_ACCESS(*info);\n"
            "\tif (data_race(cpumask_any_but(mm_cpumask(mm), cpu)) < nr_cpu_ids) {\n\t\tinfo->trim",
            "switch-gen",
        ),
    ),
    "x86 has a trace point and a new option": (
        Patch(
            "x86",
            X86,
            "\tnew_tlb_gen = inc_mm_tlb_gen(mm);\n",
            "\tnew_tlb_gen = inc_mm_tlb_gen(mm);\n\ttrace_tlb_gen(mm, new_tlb_gen);\n"
            '\tif (IS_ENABLED(CONFIG_TLB_DEBUG))\n\t\tpr_warn_once("tlb_gen");\n',
            "use-after-free",
        ),
    ),
    "x86 asks for the old tlb_gen and adds one": (
        Patch(
            "x86",
            X86_H,
            "\treturn atomic64_inc_return(&mm->context.tlb_gen);",
            "\treturn atomic64_fetch_inc(&mm->context.tlb_gen) + 1;",
            "switch-gen",
        ),
    ),
    "arm64 waits in a function of its own": (
        Patch(
            "arm64",
            ARM64,
            "static inline void flush_tlb_page(struct vm_area_struct *vma,",
            "static inline void tlb_page_done(void)\n{\n\t__tlbi_sync_s1ish();\n}\n\n"
            "static inline void flush_tlb_page(struct vm_area_struct *vma,",
            "lost-dirty-dontneed",
        ),
        Patch(
            "arm64",
            ARM64,
            "\tflush_tlb_page_nosync(vma, uaddr);\n\t__tlbi_sync_s1ish();",
            "\tflush_tlb_page_nosync(vma, uaddr);\n\ttlb_page_done();",
            "lost-dirty-dontneed",
        ),
    ),
    "a gather counts its flushes": (
        Patch(
            "mmu_gather",
            GENERIC_TLB,
            "\tunsigned int\t\tbatch_count;\n",
            "\tunsigned int\t\tbatch_count;\n\tunsigned int\t\tnr_flushes;\n",
            "nested-gathers",
        ),
        Patch(
            "mmu_gather",
            GENERIC_TLB,
            "\ttlb_flush(tlb);\n\t__tlb_reset_range(tlb);\n",
            "\ttlb->nr_flushes++;\n\ttlb_flush(tlb);\n\t__tlb_reset_range(tlb);\n",
            "nested-gathers",
        ),
    ),
    "s390 sets its bits in another order": (
        Patch(
            "s390",
            "arch/s390/include/asm/tlb.h",
            "\ttlb->mm->context.flush_mm = 1;\n\ttlb->freed_tables = 1;\n\ttlb->cleared_pmds = 1;",
            "\ttlb->cleared_pmds = 1;\n\ttlb->freed_tables = 1;\n\ttlb->mm->context.flush_mm = 1;",
            "table-free",
        ),
    ),
}
"""What changes nothing but how the C is written."""


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_c_that_is_written_otherwise_is_green(name: str, unpacked: Trees, tmp_path: Path) -> None:
    first, *more = GOOD[name]
    root = scratch(first.arch, unpacked("6.12"), tmp_path / "patched", first)
    for patch in more:
        text = (root / patch.path).read_text()
        assert patch.old in text
        (root / patch.path).write_text(text.replace(patch.old, patch.new, 1))
    found = VerdictJob(row_of(first.arch, KernelTree(root), ""), first.scenario).run()
    assert (found.verdict, found.exhaustive) == ("pass", True)


UNSHARED = Patch(
    "x86",
    "arch/x86/include/asm/tlb.h",
    "tlb->freed_tables);",
    "tlb->freed_tables || tlb->unshared_tables);",
    "hugetlb-walk",
)
"""tlb_flush() asks lazy CPUs too where a shared page table was left: docs/findings.md."""


@pytest.mark.slow
def test_a_flush_for_tables_that_are_no_longer_shared_turns_x86_green(unpacked: Trees, tmp_path: Path) -> None:
    tree = unpacked("6.12")
    fixed = KernelTree(scratch("x86", tree, tmp_path / "patched", UNSHARED))
    old, new = (VerdictJob(row_of("x86", one, ""), UNSHARED.scenario).run() for one in (tree, fixed))
    assert (old.verdict, old.violated) == ("fail", "walk-of-freed-table")
    assert any(f" at {X86}:" in step.step for step in old.trace)
    assert (new.verdict, new.exhaustive) == ("pass", True)


BEHIND = Patch(
    "mm",
    MEMORY,
    "\tif (force_flush)\n\t\ttlb_flush_mmu_tlbonly(tlb);\n\tpte_unmap_unlock(start_pte, ptl);",
    "\tpte_unmap_unlock(start_pte, ptl);\n\tif (force_flush)\n\t\ttlb_flush_mmu_tlbonly(tlb);",
    "mapped-twice",
)
"""The zap of 6.1 flushes behind the lock.  If a page is mapped once its dirty bit is lost anyhow (5df397dec7c4)."""


@pytest.mark.slow
def test_a_flush_behind_the_lock_is_red_in_6_1_too(unpacked: Trees, tmp_path: Path) -> None:
    tree = unpacked("6.1")
    bad = KernelTree(scratch("mm", tree, tmp_path / "patched", BEHIND))
    good, found = (VerdictJob(row_of("mm", one, ""), BEHIND.scenario).run() for one in (tree, bad))
    assert (good.verdict, found.verdict, found.violated) == ("pass", "fail", "no-lost-dirty")
    assert any(f" at {MEMORY}:" in step.step for step in found.trace)
