"""Every mutant is failed by the scenarios that should notice, and every scenario notices some mutant."""

from __future__ import annotations

import pytest

from core.conformance import SCENARIOS, judge
from core.mm.era import ERAS
from core.plugins.arch import Arch, set_up
from tests.mutants import plugins
from tests.mutants.core import CORE_MUTANTS, flags_left_in

LOST = ("lost-dirty-dontneed", "lost-dirty-munmap", "lost-dirty-mmap-over")

KILLS: list[tuple[str, dict[str, object], tuple[str, ...]]] = [
    ("NoFlush", {}, ("use-after-free", "nested-gathers", *LOST)),
    ("DoesNotWait", {}, ("use-after-free", *LOST)),
    ("OnePageShort", {}, ("use-after-free", *LOST)),
    ("FreesAtOnce", {}, ("use-after-free",)),
    ("FreesTwice", {}, ("freed-once",)),
    ("LosesPages", {}, ("freed-once", "use-after-free")),
    ("NeverDelays", {}, LOST),
    ("TornClear", {}, ("dirty-bit-in-time",)),
    ("NoClearFlush", {}, LOST),
    ("UpWithoutFlush", {}, ("use-after-free",)),
    ("S390AlwaysLazy", {}, ("use-after-free", *LOST)),
    ("S390ForgetsSwitch", {"one_cpu": True}, ("use-after-free",)),
    ("ForgetsFirstPage", {}, ("range-of-three",)),
    ("ForgetsLastOfThree", {}, ("range-of-three",)),
    ("OnlyFirstPage", {}, ("range-of-three",)),
    ("NothingForHuge", {}, ("huge-freed",)),
    ("NothingForTables", {}, ("table-upwards", "table-pmd", "table-pud")),
    ("LastLevelOnly", {}, ("table-upwards", "table-pmd", "table-pud")),
    ("KeepsPmdTables", {}, ("tables-freed", "table-pmd")),
    ("KeepsPudTables", {}, ("tables-freed", "table-pud")),
    ("TableUnsaid", {}, ("table-pmd",)),
    ("PudTableUnsaid", {}, ("table-pud",)),
    ("BatchOfTheLast", {}, ("reclaim-two-mms",)),
    ("BatchForgetsLater", {}, ("reclaim-two-mms",)),
    ("ChangesNeedNoFlush", {}, ("reclaim-mprotect", "numa-hint")),
    ("HugeChangesNeedNoFlush", {}, ("huge-protect",)),
]

CORE_KILLS = {
    "rmap-after-unlock": ("rmap-under-ptl",),
    "batches-ignore-delayed": ("delayed-in-last-batch",),
    "overfills": ("batch-limit",),
    "unlocks-before-flush": LOST,
    "closes-before-flush": ("nested-gathers",),
    "swap-batch-too-long": ("swap-batch",),
}


def architecture(mutant: str, facts: dict[str, object]) -> Arch:
    """The mutant, set up."""
    return set_up(mutant, getattr(plugins, mutant)(), "tests.mutants", facts)


@pytest.mark.parametrize(
    ("mutant", "facts", "scenario"),
    [(mutant, facts, scenario) for mutant, facts, scenarios in KILLS for scenario in scenarios],
)
def test_plugin_mutant_is_killed(mutant: str, facts: dict[str, object], scenario: str) -> None:
    result = judge(architecture(mutant, facts), ERAS["6.2-fix"], SCENARIOS[scenario])
    assert result.verdict == "fail", result.reason
    assert result.violated
    assert result.trace


@pytest.mark.parametrize(
    ("mutant", "scenario"), [(mutant, scenario) for mutant, found in CORE_KILLS.items() for scenario in found]
)
def test_core_mutant_is_killed(mutant: str, scenario: str) -> None:
    with CORE_MUTANTS[mutant]():
        result = judge(architecture("Healthy", {}), ERAS["6.2-fix"], SCENARIOS[scenario])
    assert result.verdict == "fail", result.reason
    assert result.violated


def test_pages_whose_flags_are_left_in_are_none() -> None:
    """Delayed rmap removals are a bit in the pointers of dirty file pages."""
    with flags_left_in():
        result = judge(architecture("Healthy", {}), ERAS["6.2-fix"], SCENARIOS["lost-dirty-dontneed"])
    assert result.verdict == "error"
    assert "is no pointer to a struct page" in result.reason


@pytest.mark.parametrize("scenario", ["use-after-free", "lost-dirty-dontneed", "range-of-three"])
def test_a_flush_that_never_returns_proves_nothing(scenario: str) -> None:
    result = judge(architecture("NeverReturns", {}), ERAS["6.2-fix"], SCENARIOS[scenario])
    assert result.verdict == "fail", result.reason
    assert result.reason.startswith("vacuous: never reached "), result.reason
    assert result.reason.endswith("the end"), result.reason


@pytest.mark.slow
def test_the_healthy_plugin_passes_what_the_mutants_fail() -> None:
    for scenario in SCENARIOS.values():
        assert judge(architecture("Healthy", {}), ERAS["6.2-fix"], scenario).verdict in (
            "pass",
            "unsupported",
        )


def test_every_required_scenario_of_the_foundation_kills_a_mutant() -> None:
    killing = {s for _, _, scenarios in KILLS for s in scenarios} | {s for f in CORE_KILLS.values() for s in f}
    foundation = {
        *LOST,
        "dirty-bit-in-time",
        "use-after-free",
        "rmap-under-ptl",
        "delayed-in-last-batch",
        "batch-limit",
        "freed-once",
    }
    assert foundation | {"nested-gathers"} <= killing
