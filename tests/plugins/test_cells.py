"""A plugin's own words: what they hold at first is declared in its module, and it is told how if they are not."""

from __future__ import annotations

import pytest

from arch_plugins.generic import Smp, flush_by_ipi
from core.conformance import SCENARIOS, judge
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest
from core.machine.memory import INITIAL, declare
from core.machine.op import Cell, Op, Outcome
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.plugins.arch import set_up

GEN = Cell("test_cells.gen")


class Counts(Smp):
    """Raises a generation with each flush; who declares it is up to the test."""

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await Op("gen += 1", (GEN,), (GEN,), lambda n: [Outcome(None, (n + 1,))])
        await flush_by_ipi(mm, FlushRequest())

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.flush_tlb_mm(mm)


def verdict() -> tuple[str, str]:
    result = judge(set_up("counts", Counts(), "test"), ERAS["6.12"], SCENARIOS["own-tlb"])
    return result.verdict, result.reason


def test_a_word_that_nobody_declared_is_an_error_that_says_what_to_do() -> None:
    assert verdict() == (
        "error",
        "ExploreError: own-tlb: cell test_cells.gen has no initial value; "
        "declare('test_cells.gen', VALUE) of core.machine.memory gives it one",
    )


@pytest.mark.parametrize("how", ["declare", "INITIAL"])
def test_a_word_may_be_declared_or_put_into_INITIAL(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(INITIAL, GEN.array, raising=False)
    if how == "declare":
        declare(GEN.array, 0)
    else:
        INITIAL[GEN.array] = 0
    try:
        assert verdict() == ("pass", "")
    finally:
        del INITIAL[GEN.array]
