"""A page table is kept for lockless walks in software: by RCU, by the interrupt of a flush, or by one of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arch_plugins import generic
from core.conformance.judge import judge
from core.conformance.scenarios import SCENARIOS
from core.explore import check
from core.mm import mmu_gather
from core.mm.era import ERAS
from core.plugins.arch import Arch, load_object, set_up

SCENARIO = SCENARIOS["gup-fast"]


def arch(reference: str) -> Arch:
    """The architecture set up."""
    return set_up("it", load_object(reference), reference)


def without_rcu(architecture: Arch) -> Arch:
    """The same, and its tables are freed like pages: as soon as the flush is done."""
    return replace(architecture, facts=replace(architecture.facts, rcu_table_free=False))


@pytest.mark.parametrize(
    ("reference", "steps"),
    [
        ("arch_plugins.arm64:Arm64", 32),
        ("arch_plugins.powerpc_radix:PowerpcRadix", 32),
        ("arch_plugins.riscv:Riscv", 32),
        ("arch_plugins.x86_invlpgb:X86Invlpgb", 28),
    ],
)
def test_a_flush_that_interrupts_nobody_needs_rcu(reference: str, steps: int) -> None:
    """Broadcasts, and fences of the firmware, which disabled interrupts do not hold up."""
    verdict = check(SCENARIO.build(without_rcu(arch(reference)), ERAS["6.12"]))
    assert (verdict.violated, len(verdict.trace)) == ("gup-in-freed-table", steps)
    assert judge(arch(reference), ERAS["6.12"], SCENARIO).verdict == "pass"


@pytest.mark.parametrize(
    "reference", ["arch_plugins.generic:Smp", "arch_plugins.x86:X86", "arch_plugins.riscv:RiscvIpi"]
)
def test_an_interrupt_of_the_flush_waits_for_the_walk(reference: str) -> None:
    verdict = check(SCENARIO.build(without_rcu(arch(reference)), ERAS["6.12"]))
    assert (verdict.violated, verdict.exhaustive, verdict.unreached) == ("", True, ())


def test_a_table_freed_without_a_batch_needs_an_interrupt_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """tlb_remove_table_one() without tlb_remove_table_sync_one()."""

    async def nothing(mm: object) -> None:
        pass

    monkeypatch.setattr(generic, "tlb_remove_table_sync_one", nothing)
    verdict = check(SCENARIO.build(arch("arch_plugins.arm64:Arm64"), ERAS["6.12"]))
    assert (verdict.violated, len(verdict.trace)) == ("gup-in-freed-table", 31)


def test_a_grace_period_waits_for_sections_that_began_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for nobody frees the table under the walk."""
    monkeypatch.setattr(mmu_gather, "call_rcu", lambda table, readers, real=mmu_gather.call_rcu: real(table, ()))
    verdict = check(SCENARIO.build(arch("arch_plugins.arm64:Arm64"), ERAS["6.12"]))
    assert verdict.violated == "gup-in-freed-table"
