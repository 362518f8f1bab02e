"""A policy from a paper passes the whole suite under its conditions, and fails without each of them."""

from __future__ import annotations

import pytest

from arch_plugins.research.access_tracking import (
    AccessTracking,
    AccessTrackingAgesLikeX86,
    AccessTrackingEverywhere,
)
from arch_plugins.research.early_ack import EarlyAck, EarlyAckAlways
from arch_plugins.research.latr import Latr, LatrReusesAtOnce
from arch_plugins.research.luf import Luf, LufByPermission, LufReusesAtOnce, LufWritable
from core.arch import set_up
from core.conformance import SCENARIOS, judge
from core.mm.era import ERAS

QUICK = [s for s in SCENARIOS.values() if s.tier != "long"]


@pytest.mark.parametrize("policy", [Latr, EarlyAck, AccessTracking, Luf])
def test_the_policy_passes_under_its_conditions(policy: type) -> None:
    arch = set_up(policy.__name__, policy(), "test")
    for scenario in QUICK:
        result = judge(arch, ERAS["6.12"], scenario)
        assert result.verdict in ("pass", "unsupported"), (scenario.id, result.verdict, result.reason)
        assert result.exhaustive or result.verdict == "unsupported"


@pytest.mark.parametrize(
    ("variant", "scenario", "broken"),
    [
        (LatrReusesAtOnce, "use-after-free", "use-after-free"),
        (LatrReusesAtOnce, "lost-dirty-munmap", "no-lost-dirty"),
        (EarlyAckAlways, "table-free", "walk-of-freed-table"),
        (AccessTrackingAgesLikeX86, "flush-by-access", "use-after-free"),
        (AccessTrackingEverywhere, "hugetlb-unshare", "use-after-free"),
        (LufWritable, "reclaim-dirty", "no-lost-dirty"),
        (LufByPermission, "reclaim-mprotect", "use-after-free"),
        (LufReusesAtOnce, "flush-on-reuse", "another's-page"),
    ],
)
def test_the_policy_fails_without_a_condition(variant: type, scenario: str, broken: str) -> None:
    result = judge(set_up(variant.__name__, variant(), "test"), ERAS["6.12"], SCENARIOS[scenario])
    assert (result.verdict, result.reason) == ("fail", broken)
    assert result.trace
