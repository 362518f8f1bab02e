"""What docs/findings.md proposes, as patches: what is red as declared is green with them."""

from __future__ import annotations

from tests.tree.patches import Edit, Patch

FIXES = {
    "a dirty huge page of a file is flushed before it leaves rmap": Patch(
        "mm",
        "mm/huge_memory.c",
        "\t\t\tfolio = page_folio(page);\n\t\t\tfolio_remove_rmap_pmd(folio, page, vma);",
        (
            "\t\t\tfolio = page_folio(page);\n\t\t\tif (!folio_test_anon(folio) && pmd_dirty(orig_pmd))\n"
            "\t\t\t\tflush_tlb_range(vma, addr, addr + HPAGE_PMD_SIZE);\n"
            "\t\t\tfolio_remove_rmap_pmd(folio, page, vma);"
        ),
        "zap-huge-dirty",
    ),
    "a dirty huge page of a file is flushed before it leaves rmap, 6.1": Patch(
        "mm",
        "mm/huge_memory.c",
        "\t\t\tpage = pmd_page(orig_pmd);\n\t\t\tpage_remove_rmap(page, vma, true);",
        (
            "\t\t\tpage = pmd_page(orig_pmd);\n\t\t\tif (!PageAnon(page) && pmd_dirty(orig_pmd))\n"
            "\t\t\t\tflush_tlb_range(vma, addr, addr + HPAGE_PMD_SIZE);\n"
            "\t\t\tpage_remove_rmap(page, vma, true);"
        ),
        "zap-huge-dirty",
        version="6.1",
    ),
    "a dirty entry of DAX is flushed under the lock": Patch(
        "mm",
        "mm/memory.c",
        (
            "\t\tptep_get_and_clear_full(mm, addr, pte, tlb->fullmm);\n\t\tarch_check_zapped_pte(vma, ptent);\n"
            "\t\ttlb_remove_tlb_entry(tlb, pte, addr);\n"
        ),
        (
            "\t\tptent = ptep_get_and_clear_full(mm, addr, pte, tlb->fullmm);\n"
            "\t\tarch_check_zapped_pte(vma, ptent);\n\t\ttlb_remove_tlb_entry(tlb, pte, addr);\n"
            "\t\tif (pte_dirty(ptent))\n\t\t\t*force_flush = true;\n"
        ),
        "dax-zap",
    ),
    "a dirty entry of DAX is flushed under the lock, 6.1": Patch(
        "mm",
        "mm/memory.c",
        "\t\t\tif (unlikely(!page))\n\t\t\t\tcontinue;\n\n\t\t\tif (!PageAnon(page)) {",
        (
            "\t\t\tif (unlikely(!page)) {\n\t\t\t\tif (pte_dirty(ptent))\n\t\t\t\t\tforce_flush = 1;\n"
            "\t\t\t\tcontinue;\n\t\t\t}\n\n\t\t\tif (!PageAnon(page)) {"
        ),
        "dax-zap",
        version="6.1",
    ),
    "arm reads the ASID behind the barrier": Patch(
        "arm",
        "arch/arm/include/asm/tlbflush.h",
        (
            "__flush_tlb_page(struct vm_area_struct *vma, unsigned long uaddr)\n{\n"
            "\tconst unsigned int __tlb_flag = __cpu_tlb_flags;\n\n"
            "\tuaddr = (uaddr & PAGE_MASK) | ASID(vma->vm_mm);\n\n\tif (tlb_flag(TLB_WB))\n\t\tdsb(ishst);\n"
        ),
        (
            "__flush_tlb_page(struct vm_area_struct *vma, unsigned long uaddr)\n{\n"
            "\tconst unsigned int __tlb_flag = __cpu_tlb_flags;\n\n\tif (tlb_flag(TLB_WB))\n\t\tdsb(ishst);\n\n"
            "\tuaddr = (uaddr & PAGE_MASK) | ASID(vma->vm_mm);\n"
        ),
        "asid-rollover",
    ),
    "s390's direct flush compares cpu_attach_mask too": Patch(
        "s390",
        "arch/s390/mm/pgtable.c",
        (
            "\tif (MACHINE_HAS_TLB_LC &&\n"
            "\t    cpumask_equal(mm_cpumask(mm), cpumask_of(smp_processor_id())))\n\t\tptep_ipte_local"
        ),
        (
            "\tif (MACHINE_HAS_TLB_LC &&\n"
            "\t    cpumask_equal(&mm->context.cpu_attach_mask, cpumask_of(smp_processor_id())) &&\n"
            "\t    cpumask_equal(mm_cpumask(mm), cpumask_of(smp_processor_id())))\n\t\tptep_ipte_local"
        ),
        "local-ipte",
    ),
    "s390 joins mm_cpumask before it waits": Patch(
        "s390",
        "arch/s390/include/asm/mmu_context.h",
        (
            "\t\twhile (atomic_read(&mm->context.flush_count))\n\t\t\tcpu_relax();\n"
            "\t\tcpumask_set_cpu(smp_processor_id(), mm_cpumask(mm));\n"
        ),
        (
            "\t\tcpumask_set_cpu(smp_processor_id(), mm_cpumask(mm));\n"
            "\t\twhile (atomic_read(&mm->context.flush_count))\n\t\t\tcpu_relax();\n"
        ),
        "local-ipte",
    ),
    "x86 flushes for unshared tables as for freed ones": Patch(
        "x86",
        "arch/x86/include/asm/tlb.h",
        "tlb->freed_tables);",
        "tlb->freed_tables || tlb->unshared_tables);",
        "hugetlb-walk",
    ),
    "alpha queues its tables": Patch(
        "alpha",
        "arch/alpha/include/asm/tlb.h",
        "pte_free((tlb)->mm, pte)",
        "tlb_remove_page(tlb, pte)",
        "table-free",
        more=(
            Edit("arch/alpha/include/asm/tlb.h", "pmd_free((tlb)->mm, pmd)", "tlb_remove_page(tlb, virt_to_page(pmd))"),
        ),
    ),
    "riscv queues its tables, 6.1": Patch(
        "riscv",
        "arch/riscv/include/asm/pgalloc.h",
        "pud_free((tlb)->mm, pud)",
        "tlb_remove_page(tlb, virt_to_page(pud))",
        "table-upwards",
        more=(
            Edit(
                "arch/riscv/include/asm/pgalloc.h",
                "#define __pmd_free_tlb(tlb, pmd, addr)  pmd_free((tlb)->mm, pmd)",
                "#define __pmd_free_tlb(tlb, pmd, addr)  tlb_remove_page(tlb, virt_to_page(pmd))",
            ),
        ),
        version="6.1",
    ),
    "sparc32 asks for current->mm": Patch(
        "sparc32",
        "arch/sparc/mm/srmmu.c",
        "\t\t\tif (atomic_read(&mm->mm_users) == 1 && current->active_mm == mm)",
        "\t\t\tif (atomic_read(&mm->mm_users) == 1 && current->mm == mm)",
        "borrower-flushes",
    ),
    "sparc32 leaves the mask alone": Patch(
        "sparc32",
        "arch/sparc/mm/srmmu.c",
        (
            "\t\t\tif (atomic_read(&mm->mm_users) == 1 && current->active_mm == mm)\n"
            "\t\t\t\tcpumask_copy(mm_cpumask(mm),\n\t\t\t\t\t     cpumask_of(smp_processor_id()));\n"
        ),
        "",
        "borrower-flushes",
    ),
    "loongarch interrupts whatever mm_users says": Patch(
        "loongarch",
        "arch/loongarch/kernel/smp.c",
        "\tif ((atomic_read(&mm->mm_users) != 1) || (current->mm != mm)) {\n\t\ton_each",
        "\tif (1) {\n\t\ton_each",
        "kthread-use-mm",
        more=(
            Edit(
                "arch/loongarch/kernel/smp.c",
                "\tif ((atomic_read(&mm->mm_users) != 1) || (current->mm != mm)) {\n\t\tstruct",
                "\tif (1) {\n\t\tstruct",
            ),
            Edit(
                "arch/loongarch/kernel/smp.c",
                "\tif ((atomic_read(&vma->vm_mm->mm_users) != 1) || (current->mm != vma->vm_mm)) {",
                "\tif (1) {",
            ),
        ),
    ),
    "mips interrupts whatever mm_users says": Patch(
        "mips",
        "arch/mips/kernel/smp.c",
        (
            "\t} else if ((atomic_read(&mm->mm_users) != 1) || (current->mm != mm)) {\n"
            "\t\tsmp_on_other_tlbs(flush_tlb_mm_ipi"
        ),
        "\t} else if (1) {\n\t\tsmp_on_other_tlbs(flush_tlb_mm_ipi",
        "kthread-use-mm",
        more=(
            Edit(
                "arch/mips/kernel/smp.c",
                "\t} else if ((atomic_read(&mm->mm_users) != 1) || (current->mm != mm)) {\n\t\tstruct",
                "\t} else if (1) {\n\t\tstruct",
            ),
            Edit(
                "arch/mips/kernel/smp.c",
                "\t} else if ((atomic_read(&vma->vm_mm->mm_users) != 1) ||\n\t\t   (current->mm != vma->vm_mm)) {",
                "\t} else if (1) {",
            ),
        ),
    ),
    "sh interrupts whatever mm_users says": Patch(
        "sh",
        "arch/sh/kernel/smp.c",
        ("\tif ((atomic_read(&mm->mm_users) != 1) || (current->mm != mm)) {\n\t\tsmp_call_function(flush_tlb_mm_ipi"),
        "\tif (1) {\n\t\tsmp_call_function(flush_tlb_mm_ipi",
        "kthread-use-mm",
        more=(
            Edit(
                "arch/sh/kernel/smp.c",
                "\tif ((atomic_read(&mm->mm_users) != 1) || (current->mm != mm)) {\n\t\tstruct",
                "\tif (1) {\n\t\tstruct",
            ),
            Edit(
                "arch/sh/kernel/smp.c",
                "\tif ((atomic_read(&vma->vm_mm->mm_users) != 1) ||\n\t    (current->mm != vma->vm_mm)) {",
                "\tif (1) {",
            ),
        ),
    ),
    "alpha interrupts whatever mm_users says, 6.1": Patch(
        "alpha",
        "arch/alpha/kernel/smp.c",
        "\t\tif (atomic_read(&mm->mm_users) <= 1) {",
        "\t\tif (0) {",
        "kthread-dontneed",
        more=(Edit("arch/alpha/kernel/smp.c", "\t\tif (atomic_read(&mm->mm_users) <= 1) {", "\t\tif (0) {"),),
        version="6.1",
    ),
    "x86 leaves mm_cpumask once it has left the page tables": Patch(
        "x86",
        "arch/x86/mm/tlb.c",
        "\t\t\tcpumask_clear_cpu(cpu, mm_cpumask(prev));\n\t\t}\n",
        "\t\t}\n",
        "leaving-walk",
        more=(
            Edit(
                "arch/x86/mm/tlb.c",
                "\t/* Make sure we write CR3 before loaded_mm. */\n\tbarrier();\n",
                (
                    "\t/* Make sure we write CR3 before loaded_mm. */\n\tbarrier();\n"
                    "\tif (prev != next && prev != &init_mm)\n\t\tcpumask_clear_cpu(cpu, mm_cpumask(prev));\n"
                ),
            ),
        ),
    ),
}
