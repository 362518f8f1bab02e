"""Bad patches of machines that broadcast, fence or queue: operands, barriers, batches."""

from __future__ import annotations

from tests.tree.patches import Patch

BAD = {
    "arm: no DSB behind a page": Patch(
        "arm",
        "arch/arm/include/asm/tlbflush.h",
        ('\ttlb_op(TLB_V7_UIS_PAGE, "c8, c3, 1", uaddr);\n#endif\n\n\tif (tlb_flag(TLB_BARRIER))\n\t\tdsb(ish);'),
        '\ttlb_op(TLB_V7_UIS_PAGE, "c8, c3, 1", uaddr);\n#endif',
        "dax-writeback",
    ),
    "arm: wrong ASID for the mm": Patch(
        "arm",
        "arch/arm/include/asm/tlbflush.h",
        'tlb_op(TLB_V7_UIS_ASID, "c8, c3, 2", ASID(mm));',
        'tlb_op(TLB_V7_UIS_ASID, "c8, c3, 2", 0);',
        "fork-protects",
    ),
    "arm: a page without its ASID": Patch(
        "arm",
        "arch/arm/include/asm/tlbflush.h",
        ('tlb_op(TLB_V7_UIS_PAGE, "c8, c3, 1", uaddr);\n#endif\n\n\tif (tlb_flag(TLB_BARRIER))\n\t\tdsb(ish);\n}'),
        (
            'tlb_op(TLB_V7_UIS_PAGE, "c8, c3, 1", uaddr & PAGE_MASK);\n#endif\n\n'
            "\tif (tlb_flag(TLB_BARRIER))\n\t\tdsb(ish);\n}"
        ),
        "dax-writeback",
    ),
    "arm: the page behind": Patch(
        "arm",
        "arch/arm/kernel/smp_tlb.c",
        "\t\t__flush_tlb_page(vma, uaddr);",
        "\t\t__flush_tlb_page(vma, uaddr + PAGE_SIZE);",
        "dax-writeback",
    ),
    "arm: a range ends before its last page": Patch(
        "arm",
        "arch/arm/kernel/smp_tlb.c",
        "\t\tlocal_flush_tlb_range(vma, start, end);\n\tbroadcast",
        "\t\tlocal_flush_tlb_range(vma, start, end - PAGE_SIZE);\n\tbroadcast",
        "use-after-free",
    ),
    "arm: dsb nsh behind an mm": Patch(
        "arm",
        "arch/arm/include/asm/tlbflush.h",
        ('\ttlb_op(TLB_V7_UIS_ASID, "c8, c3, 2", ASID(mm));\n#endif\n\n\tif (tlb_flag(TLB_BARRIER))\n\t\tdsb(ish);'),
        ('\ttlb_op(TLB_V7_UIS_ASID, "c8, c3, 2", ASID(mm));\n#endif\n\n\tif (tlb_flag(TLB_BARRIER))\n\t\tdsb(nsh);'),
        "fork-protects",
    ),
    "arm: a page is flushed on this CPU alone": Patch(
        "arm",
        "arch/arm/kernel/smp_tlb.c",
        "\t\t__flush_tlb_page(vma, uaddr);",
        "\t\tlocal_flush_tlb_page(vma, uaddr);",
        "dax-writeback",
    ),
    "arm: an mm is flushed on this CPU alone": Patch(
        "arm",
        "arch/arm/kernel/smp_tlb.c",
        "\t\t__flush_tlb_mm(mm);\n\tbroadcast",
        "\t\tlocal_flush_tlb_mm(mm);\n\tbroadcast",
        "fork-protects",
    ),
    "arm: the only CPU of the mask is not flushed": Patch(
        "arm",
        "arch/arm/kernel/smp_tlb.c",
        "void flush_tlb_page(struct vm_area_struct *vma, unsigned long uaddr)\n{\n",
        (
            "void flush_tlb_page(struct vm_area_struct *vma, unsigned long uaddr)\n{\n"
            "\tif (cpumask_equal(mm_cpumask(vma->vm_mm), cpumask_of(smp_processor_id())))\n\t\treturn;\n"
        ),
        "this-cpu",
    ),
    "parisc: the wrong space": Patch(
        "parisc",
        "arch/parisc/include/asm/pgtable.h",
        "\tmtsp(mm->context.space_id, SR_TEMP1);",
        "\tmtsp(0, SR_TEMP1);",
        "switch-reclaim",
    ),
    "parisc: range steps two pages": Patch(
        "parisc",
        "arch/parisc/kernel/cache.c",
        "\t\tpurge_tlb_end(flags);\n\t\tstart += PAGE_SIZE;\n\t}\n\treturn 0;",
        "\t\tpurge_tlb_end(flags);\n\t\tstart += 2 * PAGE_SIZE;\n\t}\n\treturn 0;",
        "huge-freed",
    ),
    "parisc: everything on this CPU alone": Patch(
        "parisc",
        "arch/parisc/include/asm/tlbflush.h",
        "\t */\n\tflush_tlb_all();\n",
        "\t */\n\tflush_tlb_all_local(NULL);\n",
        "fork-protects",
    ),
    "parisc: everything without waiting": Patch(
        "parisc",
        "arch/parisc/mm/init.c",
        "\ton_each_cpu(flush_tlb_all_local, NULL, 1);",
        "\ton_each_cpu(flush_tlb_all_local, NULL, 0);",
        "fork-protects",
    ),
    "arm64: range without ASID": Patch(
        "arm64",
        "arch/arm64/include/asm/tlbflush.h",
        "\tasid = ASID(vma->vm_mm);\n",
        "\tasid = 0;\n",
        "use-after-free",
    ),
    "arm64: mm without ASID": Patch(
        "arm64",
        "arch/arm64/include/asm/tlbflush.h",
        "\tasid = __TLBI_VADDR(0, ASID(mm));",
        "\tasid = __TLBI_VADDR(0, 0);",
        "fork-protects",
    ),
    "arm64: range op counts one page too few": Patch(
        "arm64",
        "arch/arm64/include/asm/tlbflush.h",
        "\tpages = (end - start) >> PAGE_SHIFT;\n",
        "\tpages = ((end - start) >> PAGE_SHIFT) - 1;\n",
        "range-of-three",
    ),
    "arm64: range op strides twice": Patch(
        "arm64",
        "arch/arm64/include/asm/tlbflush.h",
        "\t\t\t__flush_start += stride;\t\t\t\\",
        "\t\t\t__flush_start += 2 * stride;\t\t\t\\",
        "range-of-three",
    ),
    "arm64: batch without dsb": Patch(
        "arm64",
        "arch/arm64/include/asm/tlbflush.h",
        ("static inline void arch_tlbbatch_flush(struct arch_tlbflush_unmap_batch *batch)\n{\n\t__tlbi_sync_s1ish();"),
        "static inline void arch_tlbbatch_flush(struct arch_tlbflush_unmap_batch *batch)\n{\n",
        "flush-elsewhere",
    ),
    "arm64: last level though tables": Patch(
        "arm64",
        "arch/arm64/include/asm/tlb.h",
        "\tbool last_level = !(tlb->freed_tables || tlb->unshared_tables);",
        "\tbool last_level = !tlb->unshared_tables;",
        "table-pmd",
    ),
    "riscv: ASID 0": Patch(
        "riscv",
        "arch/riscv/mm/tlbflush.c",
        "\tunsigned long asid = get_mm_asid(mm);",
        "\tunsigned long asid = 0;",
        "use-after-free",
    ),
    "riscv: sbi of one page": Patch(
        "riscv",
        "arch/riscv/mm/tlbflush.c",
        "\t\tsbi_remote_sfence_vma_asid(cmask, start, size, asid);",
        "\t\tsbi_remote_sfence_vma_asid(cmask, start, PAGE_SIZE, asid);",
        "range-of-three",
    ),
    "s390: wrong ASCE": Patch(
        "s390",
        "arch/s390/include/asm/tlbflush.h",
        "\t\t__tlb_flush_idte(mm->context.asce);",
        "\t\t__tlb_flush_idte(gmap_asce);",
        "switch-back",
    ),
    "s390: ipte of the next page": Patch(
        "s390",
        "arch/s390/mm/pgtable.c",
        "\t\t__ptep_ipte(addr, ptep, 0, 0, IPTE_GLOBAL);",
        "\t\t__ptep_ipte(addr + PAGE_SIZE, ptep, 0, 0, IPTE_GLOBAL);",
        "use-after-free",
    ),
    "s390: commit before flush": Patch(
        "s390",
        "arch/s390/mm/pgtable.c",
        (
            "\told = ptep_flush_direct(mm, addr, ptep, nodat);\n"
            "\told = ptep_xchg_commit(mm, addr, ptep, pgste, old, new);\n\tpreempt_enable();\n\treturn old;\n"
            "}\nEXPORT_SYMBOL(ptep_xchg_direct);"
        ),
        (
            "\told = *ptep;\n\told = ptep_xchg_commit(mm, addr, ptep, pgste, old, new);\n\tpreempt_enable();\n"
            "\treturn old;\n}\nEXPORT_SYMBOL(ptep_xchg_direct);"
        ),
        "dax-writeback",
    ),
    "s390: attach without wait": Patch(
        "s390",
        "arch/s390/include/asm/mmu_context.h",
        "\t\twhile (atomic_read(&mm->context.flush_count))\n\t\t\tcpu_relax();\n",
        "",
        "switch-back",
    ),
    "s390: attach without the lazy flush": Patch(
        "s390",
        "arch/s390/include/asm/mmu_context.h",
        "\t\t__tlb_flush_mm_lazy(mm);\n\t\tpreempt_enable();",
        "\t\tpreempt_enable();",
        "switch-back",
    ),
    "s390: ptlb in place of idte": Patch(
        "s390",
        "arch/s390/include/asm/tlbflush.h",
        "\t\t__tlb_flush_idte(mm->context.asce);",
        "\t\t__tlb_flush_local();",
        "switch-back",
    ),
    "s390: flush under no lock": Patch(
        "s390",
        "arch/s390/include/asm/tlbflush.h",
        (
            "\tspin_lock(&mm->context.lock);\n\tif (mm->context.flush_mm) {\n\t\tmm->context.flush_mm = 0;\n"
            "\t\t__tlb_flush_mm(mm);\n\t}\n\tspin_unlock(&mm->context.lock);"
        ),
        "\tif (mm->context.flush_mm) {\n\t\tmm->context.flush_mm = 0;\n\t\t__tlb_flush_mm(mm);\n\t}",
        "table-flush-mm",
    ),
    "radix: kernel's PID": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/radix_tlb.c",
        "\t\t\t_tlbie_va(vmaddr, pid, psize, RIC_FLUSH_TLB);\n\t\telse",
        "\t\t\t_tlbie_va(vmaddr, 0, psize, RIC_FLUSH_TLB);\n\t\telse",
        "reclaim-mprotect",
    ),
    "radix: AP of a huge page": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/radix_tlb.c",
        "\t\t\t_tlbie_va(vmaddr, pid, psize, RIC_FLUSH_TLB);\n\t\telse",
        "\t\t\t_tlbie_va(vmaddr, pid, MMU_PAGE_2M, RIC_FLUSH_TLB);\n\t\telse",
        "reclaim-mprotect",
    ),
    "radix: one active CPU is this one": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/radix_tlb.c",
        "\tif (active_cpus == 1 && cpumask_test_cpu(cpu, mm_cpumask(mm))) {",
        "\tif (active_cpus == 1) {",
        "flush-elsewhere",
    ),
    "radix: none though trimmed": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/radix_tlb.c",
        "\t\texit_flush_lazy_tlbs(mm);\n\t\t/*\n\t\t * use_mm() race",
        "\t\t/*\n\t\t * use_mm() race",
        "kthread-use-mm",
    ),
    "radix: lazy exit spares the flush": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/radix_tlb.c",
        "\texit_lazy_flush_tlb(mm, true);\n}\n\nstatic void exit_flush",
        "\texit_lazy_flush_tlb(mm, false);\n}\n\nstatic void exit_flush",
        "kthread-use-mm",
    ),
    "radix: no tlbsync of a range": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/radix_tlb.c",
        ('\t\t\t\t\t\tPMD_SIZE, MMU_PAGE_2M);\n\t\t\tasm volatile("eieio; tlbsync; ptesync": : :"memory");'),
        '\t\t\t\t\t\tPMD_SIZE, MMU_PAGE_2M);\n\t\t\tasm volatile("ptesync": : :"memory");',
        "mremap-writeback",
    ),
    "radix: collapse without PWC": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/radix_tlb.c",
        "\t\t\t_tlbie_va_range(addr, end, pid, PAGE_SIZE, mmu_virtual_psize, true);",
        "\t\t\t_tlbie_va_range(addr, end, pid, PAGE_SIZE, mmu_virtual_psize, false);",
        "table-collapse",
    ),
    "sparc64: kernel's context": Patch(
        "sparc64",
        "arch/sparc/kernel/smp_64.c",
        "\tunsigned long context = CTX_HWBITS(mm->context);",
        "\tunsigned long context = 0;",
        "reclaim-mprotect",
    ),
    "sparc64: the page behind it, on other CPUs": Patch(
        "sparc64",
        "arch/sparc/kernel/smp_64.c",
        "\t\t\t      context, vaddr, 0,",
        "\t\t\t      context, vaddr + PAGE_SIZE, 0,",
        "reclaim-mprotect",
    ),
    "sparc64: only CPUs on the mm flush": Patch(
        "sparc64",
        "arch/sparc/kernel/smp_64.c",
        "\t__flush_tlb_pending(t->ctx, t->nr, t->vaddrs);",
        "\tif (current->active_mm)\n\t\t__flush_tlb_pending(t->ctx, t->nr, t->vaddrs);",
        "range-of-three",
        version="6.1",
    ),
    "sparc64: kernel's context of the queue": Patch(
        "sparc64",
        "arch/sparc/kernel/smp_64.c",
        "\tinfo.ctx = ctx;",
        "\tinfo.ctx = 0;",
        "range-of-three",
    ),
    "sparc64: handler flushes one": Patch(
        "sparc64",
        "arch/sparc/kernel/smp_64.c",
        "\t__flush_tlb_pending(t->ctx, t->nr, t->vaddrs);",
        "\t__flush_tlb_pending(t->ctx, 1, t->vaddrs);",
        "range-of-three",
    ),
    "sparc64: not flushed outside of a section": Patch(
        "sparc64",
        "arch/sparc/mm/tlb.c",
        "\t\tglobal_flush_tlb_page(mm, vaddr);\n\t\tgoto out;",
        "\t\tgoto out;",
        "reclaim-mprotect",
    ),
    "sparc64: second half of a huge page": Patch(
        "sparc64",
        "arch/sparc/mm/tlb.c",
        "\t\t\ttlb_batch_add_one(mm, addr + REAL_HPAGE_SIZE, exec,\n\t\t\t\t\t  REAL_HPAGE_SHIFT);\n",
        "",
        "huge-freed",
    ),
    "sparc64: no wait": Patch(
        "sparc64",
        "arch/sparc/kernel/smp_64.c",
        "\t\t\t       &info, 1);",
        "\t\t\t       &info, 0);",
        "range-of-three",
    ),
}
