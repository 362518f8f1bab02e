"""Races of several flushes, entries or CPUs: what each scenario finds, and scenarios with one of them let pass."""

from __future__ import annotations

import pytest

from arch_plugins.arm64 import Arm64
from arch_plugins.arm64_sme import Arm64Sme
from arch_plugins.families.tlb_gen import Info
from arch_plugins.generic import Smp
from arch_plugins.x86 import X86
from arch_plugins.x86_invlpgb import X86InvlpgbTransition
from core.conformance import SCENARIOS, judge
from core.hookspecs import hookimpl
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import ERAS
from core.plugins.arch import set_up
from core.words import Cpu, FlushRequest, Mm, flush_cpus_by_ipi, mm_cpumask


def verdict(plugin: object, scenario: str) -> tuple[str, str, int]:
    result = judge(set_up("mine", plugin, "test"), ERAS["6.12"], SCENARIOS[scenario])
    return result.verdict, result.reason, len(result.trace or ())


class SwitchesWithoutBarrier(Arm64):
    """__switch_to() without its DSB."""

    @hookimpl
    async def arch_start_context_switch(self, mm: Mm) -> bool:
        return False


class NotesTheFirst(Smp):
    """A batch flushes the CPUs that could have its first entry."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        if batch.arch is None:
            batch.arch, batch.cpus = "noted", await mm_cpumask(mm)

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        cpus, batch.cpus, batch.arch = batch.cpus, frozenset(), None
        await flush_cpus_by_ipi(mm, cpus, FlushRequest())


class FlushesTheLast(Smp):
    """A batch flushes the entry that was added last."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        batch.arch = (await mm_cpumask(mm), start, end)

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        (cpus, start, end), batch.arch = batch.arch, None
        await flush_cpus_by_ipi(mm, cpus, FlushRequest(start, end))


class CatchesUpByOne(X86):
    """A CPU that comes back after several flushes takes itself to be behind by one."""

    async def catch_up(self, mm: Mm) -> bool:
        from arch_plugins.families.tlb_gen import GEN, ctx_gen_cell, read, write

        cpu, gen = mm.task.cpu, await read(GEN)
        mine = await read(ctx_gen_cell(cpu))
        if mine != gen:
            await write(ctx_gen_cell(cpu), gen)
        return bool(mine + 1 == gen)


class AsksOneCpu(Smp):
    """An IPI to the first of the other CPUs."""

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        here = mm.task.cpu
        others = sorted(await mm_cpumask(mm) - {here})[:1]
        await flush_cpus_by_ipi(mm, frozenset({here, *others}), request)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.ask(mm, FlushRequest())

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.ask(mm, FlushRequest(start, end))


class TransitionWithoutIpis(X86InvlpgbTransition):
    """finish_asid_transition() is forgotten."""

    async def finish_asid_transition(self, mm: Mm, request: FlushRequest) -> None:
        return None


class StaysOnTheTables(X86):
    """A CPU that is asked says that it is up to date, and goes on with the page tables."""

    def handled(self, mm: Mm, cpu: Cpu, info: Info, gen: int, words: tuple[object, ...]) -> tuple[object, ...]:
        loaded, lazy, _, _, mask, *tlb = super().handled(mm, cpu, info, gen, words)
        return (loaded, lazy, gen, words[3], mask, *tlb)


@pytest.mark.parametrize(
    ("policy", "scenario", "steps"),
    [
        (SwitchesWithoutBarrier, "batch-moves", 21),
        (NotesTheFirst, "batch-join", 32),
        (FlushesTheLast, "batch-several", 43),
        (CatchesUpByOne, "switch-twice", 72),
        (AsksOneCpu, "three-cpus", 15),
        (TransitionWithoutIpis, "three-cpus", 14),
        (StaysOnTheTables, "lazy-twice", 64),
    ],
)
def test_it_finds_a_policy_that_is_right_for_one(policy: type, scenario: str, steps: int) -> None:
    assert verdict(policy(), scenario) == ("fail", "use-after-free", steps)


@pytest.mark.parametrize(
    ("policy", "scenarios"),
    [
        (SwitchesWithoutBarrier, ("reclaim-dirty", "reclaim-mprotect", "lazy-batch", "batch-several")),
        (NotesTheFirst, ("reclaim-dirty", "lazy-batch", "batch-several")),
        (FlushesTheLast, ("reclaim-dirty", "lazy-batch", "batch-moves")),
        (CatchesUpByOne, ("switch-back", "lazy-back", "switch-reclaim")),
        (AsksOneCpu, ("use-after-free",)),
    ],
)
def test_what_was_there_before_lets_it_pass(policy: type, scenarios: tuple[str, ...]) -> None:
    assert {verdict(policy(), scenario)[0] for scenario in scenarios} <= {"pass", "unsupported"}


@pytest.mark.parametrize("plugin", [Smp, X86, Arm64, Arm64Sme])
def test_a_batch_of_several_is_tried_wherever_its_flushes_end(plugin: type) -> None:
    """The entry that is added last is cached behind the others, also where each addition waits for its own flush."""
    assert verdict(plugin(), "batch-several")[0] == "pass"
