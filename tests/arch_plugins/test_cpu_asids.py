"""Where a CPU gives out its ASIDs by itself, a new cycle begins with an empty TLB."""

from __future__ import annotations

from typing import Any

import pytest

from arch_plugins.alpha import Alpha, AlphaV61
from arch_plugins.arc import Arc
from arch_plugins.families.cpu_asids import asid_cache_cell, cpu_context_cell, get_new_mmu_context
from arch_plugins.loongarch import Loongarch
from arch_plugins.mips import Mips
from arch_plugins.sh import Sh
from arch_plugins.xtensa import Xtensa
from core.conformance import SCENARIOS, judge
from core.machine.op import Cell, Cpu
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.plugins.arch import set_up

PLUGINS = (Alpha, AlphaV61, Arc, Loongarch, Mips, Sh, Xtensa)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_cycle_without_a_flush_is_found(plugin: Any) -> None:
    class KeepsEntries(plugin):  # type: ignore[misc]
        async def start_cycle(self, mm: Mm) -> None:
            pass

    results = [
        judge(set_up(p.__name__, p(), "test"), ERAS["6.12"], SCENARIOS["asid-cycle"]) for p in (plugin, KeepsEntries)
    ]
    assert [(r.verdict, r.violated) for r in results] == [("pass", ""), ("fail", "anothers-translation")]
    assert results[0].exhaustive


@pytest.mark.parametrize(
    ("mine", "last", "asid", "begins"),
    [
        ((1, 2), (1, 2), 2, False),  # of this cycle
        (None, (1, 1), 2, False),  # dropped
        (None, (1, 2), 1, True),  # no ASID is left
        ((1, 1), (2, 1), 2, False),  # of the cycle before
    ],
)
def test_a_context_of_another_cycle_is_taken_anew(mine: Any, last: Any, asid: int, begins: bool) -> None:
    op = get_new_mmu_context(Cell("mm", "one"), Cpu(0), 3)
    assert op.reads == (cpu_context_cell(Cell("mm", "one"), Cpu(0)), asid_cache_cell(Cpu(0)))
    (outcome,) = op.step(mine, last)
    assert outcome[0] == (asid, begins)
