"""Bad patches of machines whose CPUs are interrupted to flush: handlers, contexts, probes."""

from __future__ import annotations

from tests.tree.patches import Patch

BAD = {
    "x86 clears another CPU's bit as it flushes": Patch(
        "x86",
        "arch/x86/mm/tlb.c",
        "\tput_flush_tlb_info();",
        "\tcpumask_clear_cpu(cpu ? 0 : 1, mm_cpumask(mm));\n\tput_flush_tlb_info();",
        "any-order",
    ),
    "x86 sets another CPU's bit as it comes to an mm": Patch(
        "x86",
        "arch/x86/mm/tlb.c",
        "\t\tif (next != &init_mm)\n\t\t\tcpumask_set_cpu(cpu, mm_cpumask(next));",
        "\t\tif (next != &init_mm)\n\t\t\tcpumask_set_cpu(!cpu, mm_cpumask(next));",
        "switch-gen",
    ),
    "sparc32: page called for only where the user": Patch(
        "sparc32",
        "arch/sparc/mm/srmmu.c",
        "\t\tif (any_other_mm_cpus(mm))\n\t\t\txc2(local_ops->tlb_page",
        "\t\tif (current->active_mm == mm && any_other_mm_cpus(mm))\n\t\t\txc2(local_ops->tlb_page",
        "reclaim-mprotect",
    ),
    "sparc32: the page behind for others": Patch(
        "sparc32",
        "arch/sparc/mm/srmmu.c",
        "\t\t\txc2(local_ops->tlb_page, (unsigned long)vma, page);",
        "\t\t\txc2(local_ops->tlb_page, (unsigned long)vma, page + PAGE_SIZE);",
        "reclaim-mprotect",
    ),
    "sparc32: mask test turned": Patch(
        "sparc32",
        "arch/sparc/mm/srmmu.c",
        "\t\tif (any_other_mm_cpus(mm)) {\n\t\t\txc1(local_ops->tlb_mm",
        "\t\tif (!any_other_mm_cpus(mm)) {\n\t\t\txc1(local_ops->tlb_mm",
        "fork-protects",
    ),
    "sparc32: mask cut for any": Patch(
        "sparc32",
        "arch/sparc/mm/srmmu.c",
        "\t\t\tif (atomic_read(&mm->mm_users) == 1 && current->active_mm == mm)",
        "\t\t\tif (current->active_mm == mm)",
        "lazy-twice",
    ),
    "mips: no tlbwi in a range": Patch(
        "mips",
        "arch/mips/mm/tlb-r4k.c",
        ("\t\t\t\twrite_c0_entryhi(UNIQUE_ENTRYHI(idx));\n\t\t\t\tmtc0_tlbw_hazard();\n\t\t\t\ttlb_write_indexed();\n"),
        "\t\t\t\twrite_c0_entryhi(UNIQUE_ENTRYHI(idx));\n\t\t\t\tmtc0_tlbw_hazard();\n",
        "use-after-free",
    ),
    "mips: no ASID in a range": Patch(
        "mips",
        "arch/mips/mm/tlb-r4k.c",
        "\t\t\t\t\twrite_c0_entryhi(start | newpid);",
        "\t\t\t\t\twrite_c0_entryhi(start);",
        "use-after-free",
    ),
    "mips: no hazard before a probe": Patch(
        "mips",
        "arch/mips/mm/tlb-r4k.c",
        (
            "\t\t\t\tstart += (PAGE_SIZE << 1);\n\t\t\t\tmtc0_tlbw_hazard();\n\t\t\t\ttlb_probe();\n"
            "\t\t\t\ttlb_probe_hazard();\n\t\t\t\tidx = read_c0_index();\n\t\t\t\twrite_c0_entrylo0(0);\n"
            "\t\t\t\twrite_c0_entrylo1(0);\n\t\t\t\tif (idx < 0)\n\t\t\t\t\tcontinue;\n\t\t\t\t/* Make"
        ),
        (
            "\t\t\t\tstart += (PAGE_SIZE << 1);\n\t\t\t\ttlb_probe();\n\t\t\t\ttlb_probe_hazard();\n"
            "\t\t\t\tidx = read_c0_index();\n\t\t\t\twrite_c0_entrylo0(0);\n\t\t\t\twrite_c0_entrylo1(0);\n"
            "\t\t\t\tif (idx < 0)\n\t\t\t\t\tcontinue;\n\t\t\t\t/* Make"
        ),
        "use-after-free",
    ),
    "mips: no probe of a page": Patch(
        "mips",
        "arch/mips/mm/tlb-r4k.c",
        (
            "\t\t\twrite_c0_entryhi(page | cpu_asid(cpu, vma->vm_mm));\n\t\t}\n\t\tmtc0_tlbw_hazard();\n"
            "\t\ttlb_probe();\n"
        ),
        "\t\t\twrite_c0_entryhi(page | cpu_asid(cpu, vma->vm_mm));\n\t\t}\n\t\tmtc0_tlbw_hazard();\n",
        "reclaim-mprotect",
    ),
    "mips: end rounded down": Patch(
        "mips",
        "arch/mips/mm/tlb-r4k.c",
        "\t\tend = round_up(end, PAGE_SIZE << 1);\n\t\tsize = (end - start) >> (PAGE_SHIFT + 1);",
        "\t\tend = round_down(end, PAGE_SIZE << 1);\n\t\tsize = (end - start) >> (PAGE_SHIFT + 1);",
        "range-of-three",
    ),
    "mips: others flush a page that is no other": Patch(
        "mips",
        "arch/mips/kernel/smp.c",
        "\t\tstruct flush_tlb_data fd = {\n\t\t\t.vma = vma,\n\t\t\t.addr1 = page,\n\t\t};",
        "\t\tstruct flush_tlb_data fd = {\n\t\t\t.vma = vma,\n\t\t\t.addr1 = page + 2 * PAGE_SIZE,\n\t\t};",
        "reclaim-mprotect",
    ),
    "mips: others flush nothing": Patch(
        "mips",
        "arch/mips/kernel/smp.c",
        "\tlocal_flush_tlb_range(fd->vma, fd->addr1, fd->addr2);",
        "\t;",
        "use-after-free",
    ),
    "mips: others flush to the start": Patch(
        "mips",
        "arch/mips/kernel/smp.c",
        "\t\t\t.addr1 = start,\n\t\t\t.addr2 = end,\n\t\t};\n\n\t\tsmp_on_other",
        "\t\t\t.addr1 = start,\n\t\t\t.addr2 = start,\n\t\t};\n\n\t\tsmp_on_other",
        "use-after-free",
    ),
    "mips: no wait": Patch(
        "mips",
        "arch/mips/kernel/smp.c",
        "\tsmp_call_function(func, info, 1);",
        "\tsmp_call_function(func, info, 0);",
        "use-after-free",
    ),
    "loongarch: wrong ASID": Patch(
        "loongarch",
        "arch/loongarch/mm/tlb.c",
        "\t\t\t\tinvtlb(INVTLB_ADDR_GFALSE_AND_ASID, asid, start);",
        "\t\t\t\tinvtlb(INVTLB_ADDR_GFALSE_AND_ASID, 0, start);",
        "use-after-free",
    ),
    "loongarch: end rounded down": Patch(
        "loongarch",
        "arch/loongarch/mm/tlb.c",
        (
            "\t\tend = round_up(end, PAGE_SIZE << 1);\n\t\tsize = (end - start) >> (PAGE_SHIFT + 1);\n"
            "\t\tif (size <= (current_cpu_data.tlbsizestlbsets ?\n\t\t\t     current_cpu_data.tlbsize / 8 :\n"
            "\t\t\t     current_cpu_data.tlbsize / 2)) {\n\t\t\tint asid"
        ),
        (
            "\t\tend = round_down(end, PAGE_SIZE << 1);\n\t\tsize = (end - start) >> (PAGE_SHIFT + 1);\n"
            "\t\tif (size <= (current_cpu_data.tlbsizestlbsets ?\n\t\t\t     current_cpu_data.tlbsize / 8 :\n"
            "\t\t\t     current_cpu_data.tlbsize / 2)) {\n\t\t\tint asid"
        ),
        "range-of-three",
    ),
    "loongarch: others flush the wrong page": Patch(
        "loongarch",
        "arch/loongarch/kernel/smp.c",
        "\t\t\t.addr1 = page,\n\t\t};\n\n\t\ton_each_cpu_mask(mm_cpumask(vma->vm_mm), flush_tlb_page_ipi",
        (
            "\t\t\t.addr1 = page + 2 * PAGE_SIZE,\n\t\t};\n\n"
            "\t\ton_each_cpu_mask(mm_cpumask(vma->vm_mm), flush_tlb_page_ipi"
        ),
        "reclaim-mprotect",
    ),
    "loongarch: no wait": Patch(
        "loongarch",
        "arch/loongarch/kernel/smp.c",
        "\t\ton_each_cpu_mask(mm_cpumask(mm), flush_tlb_mm_ipi, mm, 1);",
        "\t\ton_each_cpu_mask(mm_cpumask(mm), flush_tlb_mm_ipi, mm, 0);",
        "fork-protects",
    ),
    "loongarch: own ASID not valid": Patch(
        "loongarch",
        "arch/loongarch/mm/tlb.c",
        "\tif (asid_valid(mm, cpu))\n\t\tdrop_mmu_context(mm, cpu);\n\telse",
        "\tif (!asid_valid(mm, cpu))\n\t\tdrop_mmu_context(mm, cpu);\n\telse",
        "fork-protects",
    ),
    "loongarch: users 1 without current": Patch(
        "loongarch",
        "arch/loongarch/kernel/smp.c",
        "\tif ((atomic_read(&vma->vm_mm->mm_users) != 1) || (current->mm != vma->vm_mm)) {",
        "\tif (atomic_read(&vma->vm_mm->mm_users) > 2) {",
        "reclaim-mprotect",
    ),
    "alpha: no wait": Patch(
        "alpha",
        "arch/alpha/kernel/smp.c",
        "\tsmp_call_function(ipi_flush_tlb_mm, mm, 1);",
        "\tsmp_call_function(ipi_flush_tlb_mm, mm, 0);",
        "use-after-free",
    ),
    "alpha: contexts of others kept by the handler": Patch(
        "alpha",
        "arch/alpha/kernel/smp.c",
        (
            "\tif (mm == current->mm && !asn_locked())\n\t\tflush_tlb_current(mm);\n\telse\n"
            "\t\tflush_tlb_other(mm);\n}\n"
        ),
        "\tif (mm == current->mm && !asn_locked())\n\t\tflush_tlb_current(mm);\n}\n",
        "task-moves",
    ),
    "alpha: nothing of this CPU": Patch(
        "alpha",
        "arch/alpha/kernel/smp.c",
        "\tif (mm == current->active_mm) {\n\t\tflush_tlb_current(mm);\n",
        "\tif (mm == current->active_mm) {\n",
        "own-tlb",
    ),
    "alpha: wrong page by handler": Patch(
        "alpha",
        "arch/alpha/kernel/smp.c",
        "\tdata.addr = addr;",
        "\tdata.addr = addr + PAGE_SIZE;",
        "switch-asid",
    ),
    "arc: wrong ASID": Patch(
        "arc",
        "arch/arc/mm/tlb.c",
        "\t\t\ttlb_entry_erase(start | hw_pid(vma->vm_mm, cpu));",
        "\t\t\ttlb_entry_erase(start);",
        "use-after-free",
    ),
    "arc: handler with wrong end": Patch(
        "arc",
        "arch/arc/mm/tlb.c",
        "\tlocal_flush_tlb_range(ta->ta_vma, ta->ta_start, ta->ta_end);\n}\n\n#ifdef",
        "\tlocal_flush_tlb_range(ta->ta_vma, ta->ta_start, ta->ta_start);\n}\n\n#ifdef",
        "use-after-free",
    ),
    "arc: range without its last": Patch(
        "arc",
        "arch/arc/mm/tlb.c",
        "\t\twhile (start < end) {\n\t\t\ttlb_entry_erase(start | hw_pid",
        "\t\twhile (start + PAGE_SIZE < end) {\n\t\t\ttlb_entry_erase(start | hw_pid",
        "use-after-free",
    ),
    "arc: destroys for current only": Patch(
        "arc",
        "arch/arc/mm/tlb.c",
        "\tdestroy_context(mm);\n\tif (current->mm == mm)\n\t\tget_new",
        ("\tif (current->mm != mm)\n\t\treturn;\n\tdestroy_context(mm);\n\tif (current->mm == mm)\n\t\tget_new"),
        "fork-protects",
    ),
    "sh: wrong ASID": Patch(
        "sh",
        "arch/sh/mm/tlbflush_32.c",
        "\t\t\t\tlocal_flush_tlb_one(asid, start);",
        "\t\t\t\tlocal_flush_tlb_one(0, start);",
        "use-after-free",
    ),
    "sh: handler of nothing": Patch(
        "sh",
        "arch/sh/kernel/smp.c",
        "\tlocal_flush_tlb_page(fd->vma, fd->addr1);",
        "\t;",
        "reclaim-mprotect",
    ),
    "sh: fd without an end": Patch(
        "sh",
        "arch/sh/kernel/smp.c",
        "\t\tfd.addr2 = end;\n\t\tsmp_call_function(flush_tlb_range_ipi",
        "\t\tfd.addr2 = start;\n\t\tsmp_call_function(flush_tlb_range_ipi",
        "use-after-free",
    ),
    "sh: users only": Patch(
        "sh",
        "arch/sh/kernel/smp.c",
        "\tif ((atomic_read(&vma->vm_mm->mm_users) != 1) ||\n\t    (current->mm != vma->vm_mm)) {",
        "\tif (current->mm != vma->vm_mm) {",
        "switch-asid",
    ),
}
