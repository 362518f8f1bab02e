"""The conformance suite says the same with either searcher and with each reduction on or off."""

from __future__ import annotations

import sys

import pytest

from core.cli.resolve_arch import choose
from core.conformance import SCENARIOS
from core.explore import Limits, check
from core.explore.numeric import available
from core.explore.reductions import ALL, SYMMETRY

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


@pytest.mark.slow
@pytest.mark.skipif(not available(), reason="needs numba")
@pytest.mark.parametrize("row", ["smp-6.1", "smp-6.2-fix", "s390", "up-preempt"])
def test_equal_users_of_a_crowd_are_exchanged(row: str) -> None:
    """The same verdict and length of trace on about half as many states."""
    chosen = choose(row)
    model = SCENARIOS["lost-dirty-crowd"].build(chosen.arch(), chosen.era)
    some, every = check(model), check(model, reductions=ALL - {SYMMETRY})
    assert (SYMMETRY in some.reductions, SYMMETRY in every.reductions) == (True, False)
    told = [(v.violated, len(v.trace), v.exhaustive, v.unreached) for v in (some, every)]
    assert told[0] == told[1]
    assert some.states < 0.55 * every.states
