"""Patches of flushes of architectures that change nothing but how the C is written."""

from __future__ import annotations

from tests.tree.patches import Edit, Patch, smp

GOOD = {
    "smp.c calls twice": Patch("x86", smp.SMP, smp.CALL, smp.CALL + smp.CALL, "use-after-free"),
    "x86's flush of everything interrupts no lazy CPU where no table is freed": Patch(
        "x86", *smp.ASKS_NO_LAZY, "any-order"
    ),
    "arm: ASID in a variable": Patch(
        "arm",
        "arch/arm/include/asm/tlbflush.h",
        '\ttlb_op(TLB_V7_UIS_ASID, "c8, c3, 2", ASID(mm));',
        '\t{\n\t\tunsigned int asid = ASID(mm);\n\n\t\ttlb_op(TLB_V7_UIS_ASID, "c8, c3, 2", asid);\n\t}',
        "use-after-free",
    ),
    "arm: a page of everything": Patch(
        "arm",
        "arch/arm/kernel/smp_tlb.c",
        "\t\t__flush_tlb_page(vma, uaddr);",
        "\t\t__flush_tlb_mm(vma->vm_mm);",
        "use-after-free",
    ),
    "arm: an isb more": Patch(
        "arm",
        "arch/arm/kernel/smp_tlb.c",
        "\t\t__flush_tlb_page(vma, uaddr);",
        "\t\t{ __flush_tlb_page(vma, uaddr); isb(); dmb(ish); }",
        "use-after-free",
    ),
    "arm: everything for an mm": Patch(
        "arm",
        "arch/arm/kernel/smp_tlb.c",
        "\t\t__flush_tlb_mm(mm);\n\tbroadcast",
        "\t\t__flush_tlb_all();\n\tbroadcast",
        "use-after-free",
    ),
    "parisc: a page is a range": Patch(
        "parisc",
        "arch/parisc/include/asm/tlbflush.h",
        "\tpurge_tlb_entries(vma->vm_mm, addr);",
        "\t__flush_tlb_range(vma->vm_mm->context.space_id, addr, addr + PAGE_SIZE);",
        "use-after-free",
    ),
    "parisc: instruction first": Patch(
        "parisc",
        "arch/parisc/kernel/cache.c",
        "\t\tpdtlb(SR_TEMP1, start);\n\t\tpitlb(SR_TEMP1, start);\n",
        "\t\tpitlb(SR_TEMP1, start);\n\t\tpdtlb(SR_TEMP1, start);\n",
        "use-after-free",
    ),
    "sparc32: a range is the mm": Patch(
        "sparc32",
        "arch/sparc/mm/srmmu.c",
        "\t\t\txc3(local_ops->tlb_range, (unsigned long)vma, start,\n\t\t\t    end);",
        "\t\t\txc1(local_ops->tlb_mm, (unsigned long)mm);",
        "use-after-free",
        more=(
            Edit(
                "arch/sparc/mm/srmmu.c", "\t\tlocal_ops->tlb_range(vma, start, end);\n", "\t\tlocal_ops->tlb_mm(mm);\n"
            ),
        ),
    ),
    "sparc32: calls always": Patch(
        "sparc32",
        "arch/sparc/mm/srmmu.c",
        "\t\tif (any_other_mm_cpus(mm))\n\t\t\txc2(local_ops->tlb_page",
        "\t\t{\n\t\t\txc2(local_ops->tlb_page",
        "use-after-free",
        more=(
            Edit(
                "arch/sparc/mm/srmmu.c",
                "(unsigned long)vma, page);\n\t\tlocal_ops->tlb_page(vma, page);",
                "(unsigned long)vma, page);\n\t\t}\n\t\tlocal_ops->tlb_page(vma, page);",
            ),
        ),
    ),
    "mips: range by mm": Patch(
        "mips",
        "arch/mips/kernel/smp.c",
        "\tlocal_flush_tlb_range(fd->vma, fd->addr1, fd->addr2);",
        "\tdrop_mmu_context(fd->vma->vm_mm);",
        "use-after-free",
    ),
    "mips: interrupts whatever mm_users": Patch(
        "mips",
        "arch/mips/kernel/smp.c",
        "\t} else if ((atomic_read(&vma->vm_mm->mm_users) != 1) ||\n\t\t   (current->mm != vma->vm_mm)) {",
        "\t} else if (1) {",
        "use-after-free",
    ),
    "mips: own flush first": Patch(
        "mips",
        "arch/mips/kernel/smp.c",
        "\t\tsmp_on_other_tlbs(flush_tlb_page_ipi, &fd);\n\t\tlocal_flush_tlb_page(vma, page);",
        "\t\tlocal_flush_tlb_page(vma, page);\n\t\tsmp_on_other_tlbs(flush_tlb_page_ipi, &fd);",
        "use-after-free",
    ),
    "loongarch: a range of everything": Patch(
        "loongarch",
        "arch/loongarch/mm/tlb.c",
        (
            "\t\tif (size <= (current_cpu_data.tlbsizestlbsets ?\n\t\t\t     current_cpu_data.tlbsize / 8 :\n"
            "\t\t\t     current_cpu_data.tlbsize / 2)) {\n\t\t\tint asid"
        ),
        "\t\tif (size <= 1) {\n\t\t\tint asid",
        "use-after-free",
    ),
    "loongarch: always interrupts": Patch(
        "loongarch",
        "arch/loongarch/kernel/smp.c",
        "\tif ((atomic_read(&vma->vm_mm->mm_users) != 1) || (current->mm != vma->vm_mm)) {",
        "\tif (atomic_read(&vma->vm_mm->mm_users)) {",
        "use-after-free",
    ),
    "loongarch: a page as a range": Patch(
        "loongarch",
        "arch/loongarch/kernel/smp.c",
        "\tlocal_flush_tlb_page(fd->vma, fd->addr1);",
        "\tlocal_flush_tlb_range(fd->vma, fd->addr1, fd->addr1 + PAGE_SIZE);",
        "use-after-free",
    ),
    "alpha: all of it by handler": Patch(
        "alpha",
        "arch/alpha/kernel/smp.c",
        "\t\tflush_tlb_current_page(mm, data->vma, data->addr);",
        "\t\tflush_tlb_current(mm);",
        "use-after-free",
    ),
    "arc: any range of the mm": Patch(
        "arc",
        "arch/arc/mm/tlb.c",
        "\tif (unlikely((end - start) >= PAGE_SIZE * 32)) {\n\t\tlocal_flush_tlb_mm(vma->vm_mm);",
        "\tif (unlikely((end - start) >= PAGE_SIZE * 2)) {\n\t\tlocal_flush_tlb_mm(vma->vm_mm);",
        "use-after-free",
    ),
    "sh: own first": Patch(
        "sh",
        "arch/sh/kernel/smp.c",
        "\t\tsmp_call_function(flush_tlb_page_ipi, (void *)&fd, 1);",
        "\t\tlocal_flush_tlb_page(vma, page);\n\t\tsmp_call_function(flush_tlb_page_ipi, (void *)&fd, 1);",
        "use-after-free",
    ),
    "xtensa: a page is a range": Patch(
        "xtensa",
        "arch/xtensa/kernel/smp.c",
        "\tlocal_flush_tlb_page(fd->vma, fd->addr1);",
        "\tlocal_flush_tlb_range(fd->vma, fd->addr1, fd->addr1 + PAGE_SIZE);",
        "use-after-free",
    ),
    "arm64: all ASIDs of a page": Patch(
        "arm64",
        "arch/arm64/include/asm/tlbflush.h",
        "\t__tlbi(vale1is, addr);\n\t__tlbi_user(vale1is, addr);\n\tmmu",
        "\t__tlbi(vaale1is, addr);\n\tmmu",
        "use-after-free",
    ),
    "arm64: dsb sy": Patch(
        "arm64",
        "arch/arm64/include/asm/tlbflush.h",
        "\tasid = __TLBI_VADDR(0, ASID(mm));",
        "\tasid = __TLBI_VADDR(0, ASID(mm));\n\tdsb(sy);",
        "use-after-free",
    ),
    "arm64: everything": Patch(
        "arm64",
        "arch/arm64/include/asm/tlbflush.h",
        "\t__tlbi(aside1is, asid);\n\t__tlbi_user(aside1is, asid);\n",
        "\t__tlbi(vmalle1is);\n",
        "use-after-free",
    ),
    "riscv: no ASID": Patch(
        "riscv",
        "arch/riscv/mm/tlbflush.c",
        "\tunsigned long asid = get_mm_asid(mm);",
        "\tunsigned long asid = FLUSH_TLB_NO_ASID;",
        "use-after-free",
    ),
    "riscv: ipi": Patch(
        "riscv",
        "arch/riscv/mm/tlbflush.c",
        "\t} else if (riscv_use_sbi_for_rfence()) {\n\t\tsbi_remote_sfence_vma_asid(cmask",
        "\t} else if (0) {\n\t\tsbi_remote_sfence_vma_asid(cmask",
        "use-after-free",
    ),
    "s390: csp for an mm": Patch(
        "s390",
        "arch/s390/include/asm/tlbflush.h",
        "\tif (MACHINE_HAS_IDTE && gmap_asce != -1UL) {",
        "\tif (0) {",
        "use-after-free",
    ),
    "s390: gmap left aside": Patch(
        "s390",
        "arch/s390/include/asm/tlbflush.h",
        "\t\tif (gmap_asce)\n\t\t\t__tlb_flush_idte(gmap_asce);\n",
        "",
        "use-after-free",
    ),
    "s390: direct is global": Patch(
        "s390",
        "arch/s390/mm/pgtable.c",
        (
            "\tif (MACHINE_HAS_TLB_LC &&\n"
            "\t    cpumask_equal(mm_cpumask(mm), cpumask_of(smp_processor_id())))\n"
            "\t\tptep_ipte_local(mm, addr, ptep, nodat);\n\telse\n\t\tptep_ipte_global"
        ),
        "\tptep_ipte_global",
        "use-after-free",
    ),
    "radix: RIC=2 for a range": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/radix_tlb.c",
        "\treturn __radix__flush_tlb_range_psize(mm, start, end, psize, false);",
        "\treturn __radix__flush_tlb_range_psize(mm, start, end, psize, true);",
        "use-after-free",
    ),
    "radix: barrier once more": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/radix_tlb.c",
        "\ttype = flush_type_needed(mm, fullmm);",
        "\tsmp_mb();\n\ttype = flush_type_needed(mm, fullmm);",
        "use-after-free",
    ),
    "sparc64: no queue at all": Patch(
        "sparc64",
        "arch/sparc/mm/tlb.c",
        "\tif (!tb->active) {\n",
        "\tif (1) {\n",
        "use-after-free",
    ),
    "sparc64: context in a variable": Patch(
        "sparc64",
        "arch/sparc/kernel/smp_64.c",
        "\tinfo.ctx = ctx;\n\tinfo.nr = nr;",
        "\tinfo.nr = nr;\n\tinfo.ctx = ctx;",
        "use-after-free",
    ),
}
