"""An architecture's own hazard: the plugin as the kernel has it passes, and without the kernel's fix it fails."""

from __future__ import annotations

import pytest

from arch_plugins.arm64 import Arm64
from arch_plugins.s390 import S390
from arch_plugins.sparc64 import Sparc64
from core.arch import set_up
from core.conformance import SCENARIOS, judge
from core.hookspecs import hookimpl
from core.mm.era import ERAS
from core.mm.mm import Mm


class BarrierOfAnother(Arm64):
    """B-26: before 4b634918384c the barrier of whoever comes was taken to complete the reclaimer's TLBI."""

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        await self.wait(mm)


class ForgetsOnSwitch(S390):
    """A task is switched in and the flush that was put off is not paid."""

    @hookimpl
    async def switch_mm(self, mm: Mm) -> None:
        pass


class LeavesQueueBehind(Sparc64):
    """The lazy-MMU section ends and the queue is not flushed."""

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        pass


def verdicts(plugin: object, scenarios: list[str], facts: dict[str, object] | None = None) -> list[str]:
    arch = set_up("test", plugin, "test", facts)
    return [judge(arch, ERAS["6.12"], SCENARIOS[name]).verdict for name in scenarios]


RECLAIMED = ["reclaim-mprotect"]


@pytest.mark.parametrize(
    ("right", "wrong", "scenarios", "facts"),
    [
        (Arm64, BarrierOfAnother, RECLAIMED, None),
        (S390, ForgetsOnSwitch, ["use-after-free"], {"one_cpu": True}),
        (Sparc64, LeavesQueueBehind, ["use-after-free"], None),
    ],
)
def test_the_fix_matters(right: type, wrong: type, scenarios: list[str], facts: dict[str, object] | None) -> None:
    assert set(verdicts(right(), scenarios, facts)) == {"pass"}
    assert "fail" in verdicts(wrong(), scenarios, facts)
