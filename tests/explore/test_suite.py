"""The conformance suite says the same with either searcher and with each reduction on or off."""

from __future__ import annotations

import sys

import pytest

from core.conformance import SCENARIOS
from core.conformance.choose import choose
from core.explore import Limits, check
from core.explore.numeric import available
from core.explore.plan import ALL

SINGLE = [frozenset({name}) for name in sorted(ALL)]

LARGE = 4_000
"""Larger scenarios are left to the suite itself."""


@pytest.mark.slow
@pytest.mark.parametrize("scenario", list(SCENARIOS))
@pytest.mark.parametrize("row", ["smp-6.1", "up-preempt", "s390"])
def test_searchers_and_reductions_agree(row: str, scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choose(row)
    arch = chosen.arch()
    if SCENARIOS[scenario].lacking(arch):
        pytest.skip("not for this architecture")
    monkeypatch.setattr(sys.modules["core.explore.check"], "LEARN_FIRST", 40)  # so that even small models are reduced
    model = SCENARIOS[scenario].build(arch, chosen.era)
    plain = check(model, searcher="reference", reductions=(), limits=Limits(max_states=LARGE))
    if not plain.violated and not plain.exhaustive:
        pytest.skip("large")
    wanted = (plain.violated, len(plain.trace), plain.exhaustive, plain.unreached)
    sets = [*SINGLE, ALL] if row == "smp-6.1" else [ALL]
    runs = [("reference", names) for names in sets]
    if available():
        runs += [("fast", frozenset[str]()), *[("fast", names) for names in sets]]
    for searcher, names in runs:
        found = check(model, searcher=searcher, reductions=names)
        assert (found.violated, len(found.trace), found.exhaustive, found.unreached) == wanted, (searcher, names)
