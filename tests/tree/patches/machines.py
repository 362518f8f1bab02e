"""Bad patches of architectures."""

from __future__ import annotations

from tests.tree.patches import Patch

S390_PGTABLE = "arch/s390/mm/pgtable.c"
S390_TLBFLUSH = "arch/s390/include/asm/tlbflush.h"
RISCV_TLBFLUSH = "arch/riscv/mm/tlbflush.c"
LOONGARCH_SMP = "arch/loongarch/kernel/smp.c"
X86 = "arch/x86/mm/tlb.c"
GET_INFO = "\tinfo = get_flush_tlb_info(mm, start, end, stride_shift, freed_tables,\n\t\t\t\t  new_tlb_gen);\n"
RADIX = "arch/powerpc/mm/book3s64/radix_tlb.c"
SPARC = "arch/sparc/mm/tlb.c"
SPARC_SMP = "arch/sparc/kernel/smp_64.c"
X86_H = "arch/x86/include/asm/tlbflush.h"
ARM64 = "arch/arm64/include/asm/tlbflush.h"
ARM64_TLB = "arch/arm64/include/asm/tlb.h"
ZERO_CONTEXTS = "\t\tfor_each_online_cpu(i)\n\t\t\tif (smp_processor_id() != i)\n\t\t\t\tcpu_context(i, mm) = 0;\n"

BAD = {
    "flush_mm forgotten": Patch(
        "s390",
        S390_PGTABLE,
        "\t\tset_pte(ptep, set_pte_bit(*ptep, __pgprot(_PAGE_INVALID)));\n\t\tmm->context.flush_mm = 1;",
        "\t\tset_pte(ptep, set_pte_bit(*ptep, __pgprot(_PAGE_INVALID)));",
        "switch-back",
    ),
    "flush_mm cleared behind the flush": Patch(
        "s390",
        S390_TLBFLUSH,
        "\t\tmm->context.flush_mm = 0;\n\t\t__tlb_flush_mm(mm);",
        "\t\t__tlb_flush_mm(mm);\n\t\tmm->context.flush_mm = 0;",
        "table-flush-mm",
    ),
    "s390 frees tables at once": Patch(
        "s390",
        "arch/s390/include/asm/tlb.h",
        "\ttlb->cleared_pmds = 1;\n",
        "\ttlb->cleared_pmds = 1;\n\tpagetable_free(pte);\n\treturn;\n",
        "table-free",
    ),
    "riscv fences this CPU alone": Patch(
        "riscv",
        RISCV_TLBFLUSH,
        "\tif (cpumask_any_but(cmask, cpu) >= nr_cpu_ids) {",
        "\tif (cpumask_any_but(cmask, cpu) >= nr_cpu_ids || size <= PAGE_SIZE) {",
        "use-after-free",
    ),
    "riscv forgets that tables were freed": Patch(
        "riscv",
        "arch/riscv/include/asm/tlb.h",
        "tlb->fullmm || tlb->need_flush_all || tlb->freed_tables",
        "tlb->fullmm || tlb->need_flush_all",
        "table-pmd",
    ),
    "loongarch leaves the contexts of other CPUs": Patch(
        "loongarch",
        LOONGARCH_SMP,
        "\t\t\tif (cpu != smp_processor_id() && cpu_context(cpu, mm))\n\t\t\t\tcpu_context(cpu, mm) = 0;\n"
        "\t\t}\n\t\tlocal_flush_tlb_range",
        "\t\t}\n\t\tlocal_flush_tlb_range",
        "task-moves",
    ),
    "loongarch takes a borrower for the user": Patch(
        "loongarch",
        LOONGARCH_SMP,
        "\tif ((atomic_read(&vma->vm_mm->mm_users) != 1) || (current->mm != vma->vm_mm)) {",
        "\tif (atomic_read(&vma->vm_mm->mm_users) != 1) {",
        "borrower-flushes",
    ),
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
        lines=False,
    ),
    "x86 flushes nothing where a write permission changes": Patch(
        "x86",
        X86_H,
        "const pteval_t flush_on_change = _PAGE_RW | _PAGE_USER",
        "const pteval_t flush_on_change = _PAGE_USER",
        "mprotect-clean",
        lines=False,
    ),
    "radix flushes where more is allowed, and not where less is": Patch(
        "powerpc_radix",
        "arch/powerpc/include/asm/book3s/64/tlbflush.h",
        "\tif ((delta & ~_PAGE_ACCESSED) & oldval)",
        "\tif ((delta & ~_PAGE_ACCESSED) & newval)",
        "reclaim-mprotect",
        lines=False,
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
