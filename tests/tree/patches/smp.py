"""Bad patches of how CPUs are interrupted: kernel/smp.c, and handlers that look more than once."""

from __future__ import annotations

from tests.tree.patches import Edit, Patch

SMP, X86 = "kernel/smp.c", "arch/x86/mm/tlb.c"

LOOK, DONE = "\tmm_tlb_gen = atomic64_read(&loaded_mm->context.tlb_gen);\n", "done:\n"
LEAVES = "\tif (!local)\n\t\tcpumask_clear_cpu(smp_processor_id(), mm_cpumask(loaded_mm));\n"
COMES_BACK = "\tif (!local)\n\t\tcpumask_set_cpu(smp_processor_id(), mm_cpumask(loaded_mm));\n"
IS_LAZY = "\tif (!local)\n\t\tthis_cpu_write(cpu_tlbstate_shared.is_lazy, true);\n"
MANY = "flush_tlb_mm_range(mm, 0UL, TLB_FLUSH_ALL, 0UL, true)"
ASKS_NO_LAZY = Edit("arch/x86/include/asm/tlbflush.h", MANY, MANY.replace("true", "false"))
"""flush_tlb_mm() says that it frees tables, so lazy CPUs are interrupted too; any-order frees none: this is good."""

CALL = "\tsmp_call_function_many_cond(mask, func, info, scf_flags, cond_func);\n"

BAD = {
    "x86's handler leaves the mask until it has flushed": Patch(
        "x86", X86, LOOK, LEAVES + LOOK, "any-order", (Edit(X86, DONE, DONE + COMES_BACK),)
    ),
    "x86's handler leaves the mask behind its look until its end": Patch(
        "x86", X86, LOOK, LOOK + LEAVES, "any-order", (Edit(X86, DONE, DONE + COMES_BACK),)
    ),
    "x86's handler says that it is lazy until it has flushed": Patch(
        "x86",
        X86,
        LOOK,
        LOOK + IS_LAZY,
        "any-order",
        (Edit(X86, DONE, DONE + IS_LAZY.replace("true", "false")), ASKS_NO_LAZY),
    ),
    "x86's handler believes a tlb_gen that it reads behind its flush": Patch(
        "x86",
        X86,
        "\tthis_cpu_write(cpu_tlbstate.ctxs[loaded_mm_asid].tlb_gen, mm_tlb_gen);",
        "\tthis_cpu_write(cpu_tlbstate.ctxs[loaded_mm_asid].tlb_gen, atomic64_read(&loaded_mm->context.tlb_gen));",
        "any-order",
    ),
    "smp.c does not wait": Patch("x86", SMP, "\tif (run_remote && wait) {", "\tif (0) {", "use-after-free"),
    "smp.c does not wait on mips": Patch("mips", SMP, "\tif (run_remote && wait) {", "\tif (0) {", "use-after-free"),
    "smp.c does not wait on sparc64": Patch(
        "sparc64", SMP, "\tif (run_remote && wait) {", "\tif (0) {", "range-of-three"
    ),
    "smp.c interrupts nobody whose queue is empty": Patch(
        "x86", SMP, "if (llist_add(&csd", "if (!llist_add(&csd", "use-after-free"
    ),
    "smp.c leaves out the CPU with the highest number on alpha": Patch(
        "alpha",
        SMP,
        "\t\t\tcsd_lock(csd);\n",
        "\t\t\tif (cpu + 1 == nr_cpu_ids)\n\t\t\t\tcontinue;\n\t\t\tcsd_lock(csd);\n",
        "use-after-free",
    ),
    "smp.c marks no request as locked": Patch(
        "x86", SMP, "\tcsd->node.u_flags |= CSD_FLAG_LOCK;\n", "", "use-after-free"
    ),
    "smp.c calls twice, and queues the request once": Patch(
        "x86",
        SMP,
        CALL,
        CALL + CALL.replace("scf_flags", "scf_flags | 128"),
        "use-after-free",
        (Edit(SMP, "if (llist_add(&csd", "if (!(scf_flags & 128) && llist_add(&csd"),),
    ),
    "smp.c interrupts nobody if there are several": Patch(
        "x86", SMP, "else if (likely(nr_cpus > 1))", "else if (nr_cpus > 2)", "three-cpus"
    ),
    "smp.c leaves out whoever the first look at the mask has not found": Patch(
        "x86",
        SMP,
        "\t\tcpumask_and(cfd->cpumask, mask, cpu_online_mask);\n",
        "\t\tcpumask_copy(cfd->cpumask, cpumask_of(cpu));\n",
        "three-cpus",
    ),
}
