"""Tables are freed without mmap_lock for writing: what keeps that from those who are at work in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.conformance.judge import judge
from core.conformance.scenario import Scenario
from core.conformance.scenarios import SCENARIOS
from core.conformance.scenarios.vanishing_table import (
    MEETINGS,
    move_file,
    next_to_collapse,
    next_to_dontneed,
    protect_file,
)
from core.conformance.world import Program
from core.mm.era import ERAS, RECLAIM_FIX
from core.plugins.arch import Arch, load_object, set_up

ERA = ERAS["7.2"]


def arch(reference: str) -> Arch:
    """The architecture set up."""
    return set_up("it", load_object(reference), reference)


@pytest.mark.parametrize(
    ("scenario", "violated", "steps"),
    [("table-reclaim-twice", "freed-once", 29), ("table-reclaim-fault", "unhooked-entry", 27)],
)
def test_the_pmd_must_be_looked_at_under_the_lock(scenario: str, violated: str, steps: int) -> None:
    era = replace(ERA, lacks=frozenset({"0d940a9b270b"}))
    result = judge(arch("arch_plugins.generic:Smp"), era, SCENARIOS[scenario])
    assert (result.verdict, result.reason, len(result.trace)) == ("fail", violated, steps)


@pytest.mark.parametrize(
    ("what", "at"), [(what, at) for what, (_, walkers, _) in MEETINGS.items() for at in range(len(walkers.programs))]
)
def test_each_walker_deals_with_a_table_that_has_gone(what: str, at: int) -> None:
    """Alone, not as one choice among others; and where the pmd is not looked at again, it works in a freed table."""
    title, walkers, inside = MEETINGS[what]
    alone = replace(walkers, programs=[walkers.programs[at]])
    held(Scenario(what, title, "0d940a9b270b", next_to_dontneed(what, alone, inside)))


@pytest.mark.parametrize("change", [protect_file, move_file])
def test_a_file_may_be_collapsed_under_each_writer(change: Program) -> None:
    held(Scenario("collapse", "one of them", "0d940a9b270b", next_to_collapse("collapse", [change])))


def held(scenario: Scenario) -> None:
    """It passes, and fails without the second look."""
    smp = arch("arch_plugins.generic:Smp")
    assert judge(smp, ERA, scenario).verdict == "pass"
    result = judge(smp, replace(ERA, lacks=frozenset({"0d940a9b270b"})), scenario)
    assert (result.verdict, result.reason) == ("fail", "entry-in-freed-table")


@pytest.mark.parametrize(
    "reference",
    ["arch_plugins.riscv:Riscv", "arch_plugins.x86_618:X86618Invlpg", "arch_plugins.loongarch:LoongarchV70"],
)
def test_who_drops_more_than_the_address_passes_with_the_wrong_one(reference: str) -> None:
    """The whole mm (riscv), every upper entry (INVLPG on Intel), or nothing kept, and RCU waits (a refill handler)."""
    era = replace(ERA, lacks=frozenset({RECLAIM_FIX}))
    result = judge(arch(reference), era, SCENARIOS["table-reclaim"])
    assert (result.verdict, result.exhaustive) == ("pass", True)
