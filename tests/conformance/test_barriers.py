"""A policy that lacks a barrier is red under the memory model of its architecture, and green as it is shipped."""

from __future__ import annotations

from typing import Any

import pytest

from arch_plugins.arm64 import Arm64
from arch_plugins.families import radix_lazy
from arch_plugins.families.asid import check_and_switch_context
from arch_plugins.families.tlb_gen import TlbGen
from arch_plugins.powerpc_radix import PowerpcRadix
from arch_plugins.riscv import RiscvIpi
from arch_plugins.x86 import X86
from core.conformance.judge import judge
from core.conformance.scenarios import SCENARIOS
from core.conformance.verdict import Result
from core.hookspecs import hookimpl
from core.machine.op import Op, barrier, doing
from core.machine.order import Order
from core.machine.pte import Entry, xchg_pte
from core.mm.era import ERAS
from core.mm.mm import CPUMASK, Mm, cpumask_set_cpu
from core.plugins.arch import set_up


class WithoutIshst(Arm64):
    """The TLBI is issued while the cleared entry waits."""

    store_barrier = None


class WithDmbIshst(Arm64):
    """DMB orders stores, and not the TLBI behind them."""

    store_barrier = Order.DMB_ISHST


class WithoutFinalDsb(Arm64):
    """The TLBI is issued and not waited for."""

    async def wait(self, mm: Mm) -> None:
        pass


class AsidReadEarly(Arm64):
    """Before 5e10f9887ed8."""

    def asid_behind_barrier(self, mm: Mm) -> bool:
        return False


class WithDmbIsh(Arm64):
    """Nor does a full DMB order a TLBI, whatever it does for the walkers."""

    store_barrier = Order.DMB_ISH


class RadixWithoutPtesync(PowerpcRadix):
    """The smp_mb() in front of mm_cpumask orders the cleared entry before the mask, and not before tlbie."""

    store_barrier = None


class RadixWithoutSmpMb(PowerpcRadix):
    """mm_cpumask is read while the cleared entry waits."""

    async def flush_type_needed(self, mm: Mm, fullmm: bool = False) -> radix_lazy.FlushType:
        return await radix_lazy.flush_type_needed(mm, fullmm)


def rewritten(op: Op, **changes: Any) -> Op:
    """`op` with another order."""
    return Op(op.name, op.reads, op.writes, op.step, event=op.event, preempt=op.preempt, **changes)


class X86WithoutSmpMb(X86):
    """switch_mm_irqs_off() of a CPU that was lazy, without smp_mb() before it reads tlb_gen."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        async def do(op: Op) -> Any:
            return None if op.order is Order.SMP_MB else await op

        await doing(TlbGen.switch_mm(self, prev, next), do)


class X86WithPlainBit(X86):
    """The bit of mm_cpumask is set by a plain store."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        async def do(op: Op) -> Any:
            return await (rewritten(op, order=Order.PLAIN) if CPUMASK in op.writes else op)

        await doing(TlbGen.switch_mm(self, prev, next), do)


def verdict(plugin: type, scenario: str, **facts: Any) -> Result:
    return judge(set_up(plugin.__name__, plugin(), "test", facts), ERAS["6.12"], SCENARIOS[scenario])


@pytest.mark.parametrize(
    ("plugin", "scenario", "steps"),
    [
        (WithoutIshst, "switch-reclaim", 12),
        (WithDmbIshst, "switch-reclaim", 13),
        (WithDmbIsh, "switch-reclaim", 13),
        (WithoutIshst, "use-after-free", 15),
        (WithDmbIsh, "use-after-free", 16),
        (WithoutFinalDsb, "switch-reclaim", 12),
        (AsidReadEarly, "asid-rollover", 42),
        (RadixWithoutPtesync, "any-order", 14),
        (RadixWithoutSmpMb, "switch-asid", 17),
        (X86WithoutSmpMb, "lazy-batch", 20),
        (X86WithoutSmpMb, "lazy-tso", 20),
        (X86WithPlainBit, "switch-gen", 21),
        (X86WithPlainBit, "switch-back", 40),
    ],
)
def test_a_barrier_that_is_left_out_is_missed(plugin: type, scenario: str, steps: int) -> None:
    result = verdict(plugin, scenario)
    assert (result.violated, len(result.trace)) == ("use-after-free", steps)
    shipped = verdict(plugin.__mro__[1], scenario)
    assert (shipped.verdict, shipped.exhaustive) == ("pass", True)


@pytest.mark.parametrize(
    ("plugin", "scenario"),
    [
        (WithoutIshst, "switch-reclaim"),
        (WithDmbIshst, "switch-reclaim"),
        (WithDmbIsh, "use-after-free"),
        (RadixWithoutPtesync, "any-order"),
        (RadixWithoutSmpMb, "switch-asid"),
        (X86WithoutSmpMb, "lazy-batch"),
    ],
)
def test_where_every_store_is_visible_at_once_nothing_is_missed(plugin: type, scenario: str) -> None:
    assert verdict(plugin, scenario, memory_model="sc").verdict == "pass"


class RiscvOrdered(RiscvIpi):
    """The CPU's bit is seen to be set before its walker reads the page table."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if next is None:
            return
        await cpumask_set_cpu(next)
        await barrier(Order.SMP_MB_AFTER_ATOMIC)
        if next.context is not None:
            await check_and_switch_context(next, next.context, compares=True)


class RiscvRelaxedClear(RiscvOrdered):
    """mm_cpumask is read while the cleared entry waits: no fence, and no full exchange, is between the two."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        entry: Entry = await xchg_pte(addr, nr, ("clear", addr, nr), Order.ATOMIC)
        return entry


@pytest.mark.parametrize(
    ("scenario", "steps"),
    [("switch-reclaim", 9), ("switch-range", 9), ("switch-asid", 11), ("borrower-flushes", 13), ("switch-back", 18)],
)
def test_riscv_as_shipped_joins_the_mask_behind_its_walker(scenario: str, steps: int) -> None:
    shipped = verdict(RiscvIpi, scenario, memory_model="weak")
    assert (shipped.violated, len(shipped.trace)) == ("use-after-free", steps)
    assert verdict(RiscvIpi, scenario).verdict == "pass"
    assert verdict(RiscvOrdered, scenario, memory_model="weak").verdict == "pass"


def test_riscv_needs_an_order_before_it_reads_the_mask() -> None:
    red = verdict(RiscvRelaxedClear, "switch-reclaim", memory_model="weak")
    assert (red.violated, len(red.trace)) == ("use-after-free", 13)


def test_a_trace_shows_what_waits_and_when_it_becomes_visible() -> None:
    trace = verdict(WithoutIshst, "switch-reclaim").trace
    waits = [after for step in trace for cell, _, after in step.changes if cell == "buffer[1]"]
    assert "pte[0] := - waits" in waits
    assert any(step.step == "load(0)" for step in trace)


def test_the_end_is_when_every_store_is_visible() -> None:
    """What is asked at the end is not asked while a store waits."""
    assert verdict(X86, "dirty-bit-in-time").verdict == "pass"
