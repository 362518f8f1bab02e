"""A policy from a paper passes the whole suite under its conditions, and fails without each of them."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from arch_plugins.research import access_tracking, early_ack, latr, luf
from arch_plugins.research.access_tracking import AccessTracking
from arch_plugins.research.early_ack import EarlyAck
from arch_plugins.research.latr import Latr
from arch_plugins.research.luf import Luf
from core.conformance import SCENARIOS, judge
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up

QUICK = [s for s in SCENARIOS.values() if s.tier != "long"]


@pytest.mark.parametrize("policy", [Latr, EarlyAck, AccessTracking, Luf])
def test_the_policy_passes_under_its_conditions(policy: type) -> None:
    arch = set_up(policy.__name__, policy(), "test")
    for scenario in QUICK:
        result = judge(arch, ERAS["6.12"], scenario)
        assert result.verdict in ("pass", "unsupported"), (scenario.id, result.verdict, result.reason)
        assert result.exhaustive or result.verdict == "unsupported"


PAGE = (Path(__file__).parents[2] / "docs" / "research.md").read_text(encoding="utf-8")
VARIANTS = re.findall(r"\| `(\w+:\w+)` \| `([\w-]+)` \| ([\w'-]+) \|", PAGE)
"""The table of docs/research.md: variant, scenario, property."""


def test_the_page_has_every_variant() -> None:
    modules = (access_tracking, early_ack, latr, luf)
    classes = {f"{m.__name__.rpartition('.')[2]}:{n}" for m in modules for n, c in vars(m).items() if is_own(m, c)}
    policies = {"latr:Latr", "early_ack:EarlyAck", "access_tracking:AccessTracking", "luf:Luf"}
    assert {variant for variant, _, _ in VARIANTS} == classes - policies


def is_own(module: ModuleType, member: object) -> bool:
    return isinstance(member, type) and member.__module__ == module.__name__


@pytest.mark.parametrize(("variant", "scenario", "broken"), VARIANTS)
def test_the_policy_fails_without_a_condition(variant: str, scenario: str, broken: str) -> None:
    plugin = load_object(f"arch_plugins.research.{variant}")
    result = judge(set_up(variant, plugin, "test"), ERAS["6.12"], SCENARIOS[scenario])
    assert (result.verdict, result.reason) == ("fail", broken)
    assert result.trace
