"""A plugin's own words: what they hold at first is declared in its module, and it is told how if they are not."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import pytest

from arch_plugins.generic import Smp, flush_by_ipi
from core.conformance import SCENARIOS, judge
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest
from core.machine.memory import INITIAL, declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.pte import pte_cell
from core.machine.tlb import ref_cell, tlb_cell
from core.mm.era import ERAS
from core.mm.mm import CPUMASK, Mm
from core.plugins.arch import PluginError, set_up
from core.plugins.own_words import own_words
from core.table.jobs import scenario_named

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


class Chooses(Smp):
    """Says of the beginning what is not its own."""

    cell = GEN

    @hookimpl
    def cells_of_mm(self, mm: Mm, cpus: frozenset[Cpu]) -> Mapping[Cell, Hashable]:
        return {self.cell: None}


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


@pytest.mark.parametrize("cell", [pte_cell(0), ref_cell(0), tlb_cell(Cpu(0), 0), CPUMASK], ids=str)
@pytest.mark.parametrize("scenario", ["use-after-free", "large-munmap"])
def test_what_a_model_begins_with_is_not_the_plugins_to_choose(cell: Cell, scenario: str) -> None:
    plugin = Chooses()
    plugin.cell = cell
    result = judge(set_up("chooses", plugin, "test"), ERAS["6.12"], scenario_named(scenario))
    assert result.verdict == "error"
    assert (
        f"hook cells_of_mm sets {cell}, which is the core's: expected words that the plugin declares" in result.reason
    )


@pytest.mark.parametrize("said", [None, {"pte": 1}, [1]])
def test_what_is_no_mapping_of_cells_is_refused(said: object) -> None:
    with pytest.raises(PluginError, match=r"hook cells_of_mm returned .*, expected a mapping of cells to values"):
        own_words("cells_of_mm", said)
