"""Patches of operands, strides and generations: bad ones that a reviewer looks for; good ones of powerpc hash."""

from __future__ import annotations

from tests.tree.patches import Patch

BAD = {
    "hash: local though others": Patch(
        "powerpc_hash",
        "arch/powerpc/mm/book3s64/hash_tlb.c",
        "\tlocal = mm_is_thread_local(batch->mm);",
        "\tlocal = 1;",
        "use-after-free",
    ),
    "hash: nothing at the end of a section": Patch(
        "powerpc_hash",
        "arch/powerpc/include/asm/book3s/64/tlbflush-hash.h",
        ("\tif (batch->index)\n\t\t__flush_tlb_pending(batch);\n\tbatch->active = 0;"),
        "\tbatch->active = 0;",
        "use-after-free",
        version="6.1",
    ),
    "hash: one of several": Patch(
        "powerpc_hash",
        "arch/powerpc/mm/book3s64/hash_tlb.c",
        ("\tif (i == 1)\n\t\tflush_hash_page"),
        ("\tif (i >= 1)\n\t\tflush_hash_page"),
        "range-of-three",
    ),
    "hash: nothing without a section": Patch(
        "powerpc_hash",
        "arch/powerpc/mm/book3s64/hash_tlb.c",
        ("\tif (!batch->active) {\n\t\tflush_hash_page(vpn, rpte, psize, ssize, mm_is_thread_local(mm));"),
        "\tif (!batch->active) {",
        "reclaim-mprotect",
        version="6.1",
    ),
    "x86: strides by the size of a huge page": Patch(
        "x86",
        "arch/x86/include/asm/tlb.h",
        "\tunsigned int stride_shift = tlb_get_unmap_shift(tlb);",
        "\tunsigned int stride_shift = PMD_SHIFT;",
        "range-of-three",
    ),
    "x86: tlb_gen is read before it is counted up": Patch(
        "x86",
        "arch/x86/include/asm/tlbflush.h",
        "\treturn atomic64_inc_return(&mm->context.tlb_gen);",
        ("\tu64 gen = atomic64_read(&mm->context.tlb_gen);\n\n\tatomic64_inc(&mm->context.tlb_gen);\n\treturn gen;"),
        "switch-back",
    ),
    "riscv: a gather ends before its last page": Patch(
        "riscv",
        "arch/riscv/include/asm/tlb.h",
        "\t\tflush_tlb_mm_range(tlb->mm, tlb->start, tlb->end,",
        "\t\tflush_tlb_mm_range(tlb->mm, tlb->start, tlb->end - PAGE_SIZE,",
        "use-after-free",
    ),
    "radix: no ptesync behind a page": Patch(
        "powerpc_radix",
        "arch/powerpc/mm/book3s64/radix_tlb.c",
        ('\tfixup_tlbie_va(va, pid, ap);\n\tasm volatile("eieio; tlbsync; ptesync": : :"memory");'),
        ('\tfixup_tlbie_va(va, pid, ap);\n\tasm volatile("eieio; tlbsync": : :"memory");'),
        "reclaim-mprotect",
    ),
    "s390: flush_mm is cleared behind the flush": Patch(
        "s390",
        "arch/s390/include/asm/tlbflush.h",
        ("\t\tmm->context.flush_mm = 0;\n\t\t__tlb_flush_mm(mm);"),
        ("\t\t__tlb_flush_mm(mm);\n\t\tmm->context.flush_mm = 0;"),
        "table-flush-mm",
    ),
}

GOOD = {
    "hash: a queue of one is a range": Patch(
        "powerpc_hash",
        "arch/powerpc/mm/book3s64/hash_tlb.c",
        (
            "\tif (i == 1)\n"
            "\t\tflush_hash_page(batch->vpn[0], batch->pte[0],\n"
            "\t\t\t\tbatch->psize, batch->ssize, local);\n"
            "\telse\n"
            "\t\tflush_hash_range(i, local);"
        ),
        "\tflush_hash_range(i, local);",
        "use-after-free",
    ),
    "hash: never local": Patch(
        "powerpc_hash",
        "arch/powerpc/mm/book3s64/hash_tlb.c",
        "\tlocal = mm_is_thread_local(batch->mm);",
        "\tlocal = 0;",
        "use-after-free",
        version="6.1",
    ),
}
