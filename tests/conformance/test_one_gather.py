"""What is put off within a gather or a section is done where the piece of work ends that relies on it."""

from __future__ import annotations

import pytest

from arch_plugins.powerpc_hash import PowerpcHash
from arch_plugins.sparc64 import Sparc64
from arch_plugins.x86 import X86
from core.conformance import SCENARIOS, judge
from core.hookspecs import hookimpl
from core.mm.era import ERAS
from core.plugins.arch import set_up
from core.words import Mm, MmuGather, Vma


class EndsOnlyTheOutermost(Sparc64):
    """The end of an inner section is put off to that of the outer one."""

    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        return None


class EndsOnlyTheOutermostHash(PowerpcHash):
    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        return None


class BeginsAnew(X86):
    """Each VMA begins with an empty range, although the flush of the one before is still due."""

    @hookimpl
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        tlb.start, tlb.end = vma.start, vma.start


@pytest.mark.parametrize(
    ("policy", "scenario", "steps"),
    [
        (EndsOnlyTheOutermost, "lazy-mmu-nested", 14),
        (EndsOnlyTheOutermostHash, "lazy-mmu-nested", 14),
        (BeginsAnew, "process-madvise", 21),
    ],
)
def test_a_flush_that_comes_too_late_is_found(policy: type, scenario: str, steps: int) -> None:
    result = judge(set_up("mine", policy(), "test"), ERAS["6.12"], SCENARIOS[scenario])
    assert (result.verdict, result.reason, len(result.trace or ())) == ("fail", "use-after-free", steps)


@pytest.mark.parametrize("scenario", ["use-after-free", "full-gather", "range-of-three", "mapped-twice"])
@pytest.mark.parametrize("policy", [EndsOnlyTheOutermost, EndsOnlyTheOutermostHash, BeginsAnew])
def test_with_one_piece_of_work_it_is_not(policy: type, scenario: str) -> None:
    result = judge(set_up("mine", policy(), "test"), ERAS["6.12"], SCENARIOS[scenario])
    assert result.verdict in ("pass", "unsupported")
