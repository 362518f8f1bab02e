"""Primitives of the kernel that a patch may use: each compiles, and is an operation by name, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.tree.automata import Automata, digest_of
from core.tree.kernel_tree import open_tree
from core.tree.row import built
from tests.tree.conftest import REFERENCE, Edit

ORDERS = ("", "_relaxed", "_acquire", "_release")
NAMES = ("atomic", "atomic64", "atomic_long")


def atomics(name: str) -> list[str]:
    """Calls of the functions of include/linux/atomic/atomic-instrumented.h on a local counter."""
    verbs = ("add", "sub", "and", "or", "xor", "andnot")
    plain = [f"{name}_{verb}(1, &n)" for verb in verbs]
    steps = [f"{name}_{verb}(&n)" for verb in ("inc", "dec", "dec_and_test", "inc_and_test", "inc_not_zero")]
    steps += [f"{name}_dec_if_positive(&n)", f"{name}_read_acquire(&n)", f"{name}_set_release(&n, 1)"]
    steps += [f"{name}_sub_and_test(1, &n)", f"{name}_add_negative(1, &n)", f"{name}_add_unless(&n, 1, 2)"]
    ordered = [
        call
        for order in ORDERS
        for call in (
            *(f"{name}_fetch_{verb}{order}(1, &n)" for verb in verbs),
            *(f"{name}_{verb}_return{order}(1, &n)" for verb in ("add", "sub")),
            *(f"{name}_{verb}_return{order}(&n)" for verb in ("inc", "dec")),
            f"{name}_xchg{order}(&n, 1)",
            f"{name}_cmpxchg{order}(&n, 1, 2)",
        )
    ]
    return [f"{name}_t n = {{ 1 }}", *plain, *steps, *ordered]


MASKS = [
    "cpumask_t m = {{ 1 }}, k = {{ 2 }}",
    "unsigned int cpu",
    *(f"cpumask_{name}(&m, &m, &k)" for name in ("and", "andnot", "or", "xor")),
    *(f"cpumask_{name}(&m, &k)" for name in ("copy", "complement", "subset", "intersects", "equal", "first_and")),
    *(f"cpumask_{name}(&m)" for name in ("first", "last", "weight", "empty", "full", "any", "first_zero", "setall")),
    "cpumask_any_and_but(&m, &k, 0)",
    "cpumask_next_and(-1, &m, &k)",
    "cpumask_assign_cpu(0, &m, true)",
    "for_each_cpu_and(cpu, &m, &k) barrier()",
    "for_each_online_cpu(cpu) barrier()",
]

NOTHING = [
    "WARN_ON_ONCE(!mm)",
    "VM_WARN_ON_ONCE(!mm)",
    "VM_BUG_ON(!mm)",
    "lockdep_assert_preemption_disabled()",
    "lockdep_assert_irqs_enabled()",
    "mmap_assert_locked(mm)",
    "might_sleep()",
    "count_vm_event(0)",
    "pr_warn_once(0)",
    "trace_toy_flush(mm, 1)",
    "if (IS_ENABLED(CONFIG_TOY_NEW)) __builtin_trap()",
    "ASSERT_EXCLUSIVE_WRITER(mm->context)",
    "smp_mb__after_spinlock()",
    "smp_acquire__after_ctrl_dep()",
    "barrier()",
    "rcu_read_lock()",
    "rcu_read_unlock()",
    "preempt_disable_notrace()",
    "migrate_disable()",
]

BITS = [
    "unsigned long w[1] = { 1 }, bit",
    *(
        f"{name}(0, w)"
        for name in ("set_bit", "clear_bit", "change_bit", "__set_bit", "__clear_bit", "clear_bit_unlock")
    ),
    *(f"test_and_{name}_bit(0, w)" for name in ("set", "clear", "change")),
    "assign_bit(0, w, 1)",
    "for_each_set_bit(bit, w, 8) barrier()",
    "find_first_bit(w, 8)",
    "swap(w[0], bit)",
    "bit = clamp(bit, 1UL, 2UL) + min3(1, 2, 3) + roundup_pow_of_two(5) + hweight_long(w[0])",
]


def words(root: Path, edit: Edit, statements: list[str]) -> set[str]:
    """What flush_tlb_mm() asks for with `statements` in it, without operands."""
    code = " ".join(f"{one};" for one in statements)
    edit("tlb.c", "\tpreempt_enable();", f"\t{{ {code} }}\n\tpreempt_enable();")
    unit = built(REFERENCE, open_tree(root)).unit
    automaton = Automata(unit, REFERENCE, digest_of(REFERENCE)).of("enter_flush_tlb_mm", (0, 0, 0, 0), 2)
    return {row.word.kind for row in automaton.rows if row.word is not None}


@pytest.mark.parametrize("name", NAMES)
def test_atomics_of_a_local_counter_are_no_operation(name: str, toy: Path, edit: Edit) -> None:
    before = words(toy, edit, [])
    assert words(toy, edit, atomics(name)) == before


@pytest.mark.parametrize("statements", [MASKS, NOTHING, BITS], ids=["masks", "nothing", "bits"])
def test_what_is_local_or_means_nothing_changes_nothing(statements: list[str], toy: Path, edit: Edit) -> None:
    before = words(toy, edit, [])
    assert words(toy, edit, statements) == before


def test_a_new_read_of_what_is_shared_is_an_operation(toy: Path, edit: Edit) -> None:
    assert "READ_ONCE" in words(toy, edit, ["smp_load_acquire(&mm_cpumask(mm)->bits[0])"])
