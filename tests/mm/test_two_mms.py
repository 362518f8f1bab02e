"""Each mm has its own set of the cells that are declared as an mm's, and requests of its own."""

from __future__ import annotations

from typing import Any

import pytest

from arch_plugins.families.tlb_gen import CTX_GEN, GEN, LOADED_MM
from arch_plugins.x86 import X86
from core.conformance import SCENARIOS, judge
from core.machine.ipi import csd_cell, irqs_off_cell
from core.machine.memory import OF_MM
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.mm.era import ERAS
from core.mm.mm import CPUMASK, PENDING
from core.mm.two_mms import second_cell, second_op
from core.plugins.arch import set_up


def test_what_is_an_mms_has_a_second_cell_and_what_is_a_cpus_has_not() -> None:
    for cell in (CPUMASK, PENDING, GEN, Cell(CTX_GEN, Cpu(0)), Cell(LOADED_MM, Cpu(0)), csd_cell(Tid(1), Cpu(0))):
        assert second_cell(cell) != cell
    for cell in (irqs_off_cell(Cpu(0)), Cell("pte", 1), Cell("tlb", (Cpu(0), 1))):
        assert second_cell(cell) == cell


def test_an_operation_of_the_second_mm_says_so() -> None:
    op = second_op(Op("read", (CPUMASK,), (), lambda mask: [Outcome(mask)]))
    assert (op.name, op.reads) == ("read, mm2", (second_cell(CPUMASK),))


def test_of_mm_is_declared_where_the_cell_is() -> None:
    assert {"mm_cpumask", "mm_users", "mmap_lock", "tlb_gen"} <= OF_MM
    assert not {"irqs_off", "tlb", "pte", "handler"} & OF_MM


def violated(plugin: Any, scenario: str) -> str:
    return judge(set_up("mine", plugin, "test"), ERAS["6.12"], SCENARIOS[scenario]).violated


def test_generations_that_are_not_told_apart_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """x86 with one ctx_gen for each CPU.  tests/test_series.py has a policy that notes flushes once for all mms."""
    assert violated(X86(), "two-mms") == ""
    monkeypatch.setattr("core.mm.two_mms.OF_MM", OF_MM - {CTX_GEN})
    assert violated(X86(), "two-mms") == "use-after-free"
