"""Patches of arm64's context.c: how ASIDs are given out, and what a CPU flushes after a rollover."""

from __future__ import annotations

from tests.tree.patches import Edit, Patch

CONTEXT = "arch/arm64/mm/context.c"
FLUSH = "\tif (cpumask_test_and_clear_cpu(cpu, &tlb_flush_pending))\n\t\tlocal_flush_tlb_all();\n"
IN_TWO = (
    "\tif (cpumask_test_cpu(cpu, &tlb_flush_pending)) {\n"
    "\t\tcpumask_clear_cpu(cpu, &tlb_flush_pending);\n\t\tlocal_flush_tlb_all();\n\t}\n"
)
FAST = "\tif (old_active_asid && asid_gen_match(asid) &&\n"
CMPXCHG = "\t    atomic64_cmpxchg_relaxed(this_cpu_ptr(&active_asids),\n\t\t\t\t     old_active_asid, asid))\n"
XCHG = "\t\tasid = atomic64_xchg_relaxed(&per_cpu(active_asids, i), 0);\n"


def context(old: str, new: str, scenario: str, *more: Edit, version: str = "6.12") -> Patch:
    """A patch of context.c."""
    return Patch("arm64", CONTEXT, old, new, scenario, more, version)


BAD = {
    "arm64: a rollover that nobody has to flush for": context(
        "\tcpumask_setall(&tlb_flush_pending);\n", "", "asid-anew"
    ),
    "arm64: the flush after a rollover left out": context(
        FLUSH, "\tcpumask_test_and_clear_cpu(cpu, &tlb_flush_pending);\n", "asid-anew", version="6.1"
    ),
    "arm64: what runs is not reserved": context("\t\tper_cpu(reserved_asids, i) = asid;\n", "", "asid-kept"),
    "arm64: active_asids kept by a rollover": context(
        XCHG, "\t\tasid = atomic64_read(&per_cpu(active_asids, i));\n", "asid-anew"
    ),
    "arm64: active_asids stored, not exchanged": context(
        FAST + CMPXCHG,
        FAST + "\t    (atomic64_set(this_cpu_ptr(&active_asids), asid), true))\n",
        "asid-kept",
    ),
    "arm64: any generation is good": context(FAST, "\tif (old_active_asid && asid &&\n", "asid-anew"),
    "arm64: ASID 0 given out": context(
        "\tasid = find_next_zero_bit(asid_map, NUM_USER_ASIDS, 1);\n",
        "\tasid = find_next_zero_bit(asid_map, NUM_USER_ASIDS, 0);\n",
        "asid-kept",
    ),
    "arm64: the ASID to flush is read before the barrier": Patch(
        "arm64",
        "arch/arm64/include/asm/tlbflush.h",
        "\tdsb(ishst);\n\taddr = __TLBI_VADDR(uaddr, ASID(mm));\n",
        "\taddr = __TLBI_VADDR(uaddr, ASID(mm));\n\tdsb(ishst);\n",
        "asid-rollover",
    ),
}
GOOD = {
    "arm64: a CPU that must flush flushes all": context(
        "\t\tlocal_flush_tlb_all();\n", "\t\tflush_tlb_all();\n", "asid-anew"
    ),
    "arm64: whether to flush is asked and cleared in two, before a barrier": context(
        FLUSH, IN_TWO + "\tsmp_mb();\n", "asid-rollover"
    ),
    "arm64: the flush after a rollover in a function of its own": context(
        FLUSH,
        "\tflush_if_pending(cpu);\n",
        "asid-anew",
        Edit(
            CONTEXT,
            "void check_and_switch_context(struct mm_struct *mm)\n",
            (
                "static void flush_if_pending(unsigned int cpu)\n{\n" + FLUSH + "}\n\n"
                "void check_and_switch_context(struct mm_struct *mm)\n"
            ),
        ),
    ),
    "arm64: flushed behind the lock, before the switch": context(
        FLUSH,
        "\tbool flush = cpumask_test_and_clear_cpu(cpu, &tlb_flush_pending);\n",
        "asid-anew",
        Edit(
            CONTEXT,
            "\traw_spin_unlock_irqrestore(&cpu_asid_lock, flags);\n\nswitch_mm_fastpath:",
            (
                "\traw_spin_unlock_irqrestore(&cpu_asid_lock, flags);\n"
                "\tif (flush)\n\t\tlocal_flush_tlb_all();\n\nswitch_mm_fastpath:"
            ),
        ),
    ),
}
