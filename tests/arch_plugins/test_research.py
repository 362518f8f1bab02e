"""A policy from a paper passes under its condition and fails without it."""

from __future__ import annotations

import pytest

from arch_plugins.research.latr import Latr, LatrReusesAtOnce
from core.arch import set_up
from core.conformance import SCENARIOS, judge
from core.mm.era import ERAS


@pytest.mark.parametrize("scenario", ["use-after-free", "lost-dirty-munmap", "own-tlb"])
def test_latr_passes_where_reuse_waits_for_the_sweep(scenario: str) -> None:
    result = judge(set_up("latr", Latr(), "test"), ERAS["6.12"], SCENARIOS[scenario])
    assert (result.verdict, result.exhaustive) == ("pass", True)


@pytest.mark.parametrize(
    ("scenario", "broken"), [("use-after-free", "use-after-free"), ("lost-dirty-munmap", "no-lost-dirty")]
)
def test_latr_fails_where_a_page_is_used_again_at_once(scenario: str, broken: str) -> None:
    result = judge(set_up("latr", LatrReusesAtOnce(), "test"), ERAS["6.12"], SCENARIOS[scenario])
    assert (result.verdict, result.reason) == ("fail", broken)
    assert result.trace
