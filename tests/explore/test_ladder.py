"""The ladder's counts, on which other tools agree; the large ones are the benchmark's."""

from __future__ import annotations

import pytest

from benchmarks import counts
from benchmarks.ladder import LADDER, Size, ladder
from core.explore import check

SMALL = 13_000

CASES = [
    pytest.param(policy, size, counts, id=f"{policy}-{'.'.join(map(str, size))}")
    for policy, sizes in LADDER.items()
    for size, counts in sizes.items()
    if counts[0] < SMALL
]


@pytest.mark.parametrize(("policy", "size", "counts"), CASES)
def test_states_and_edges_are_those_of_other_tools(policy: str, size: Size, counts: tuple[int, int]) -> None:
    verdict = check(ladder(policy, size), searcher="reference", reductions=frozenset(), stop_at_violation=False)
    assert (verdict.states, verdict.transitions) == counts
    wanted = {"EARLY": "saved 0", "NOFLUSH": "use-after-free"}.get(policy, "")
    assert verdict.violated == wanted


def test_the_shortest_way_to_lose_data() -> None:
    """Other tools say depth 22: the steps before the one that loses."""
    verdict = check(ladder("EARLY", Size(1, 1, 2, 1)))
    assert (verdict.violated, verdict.depth, len(verdict.trace)) == ("saved 0", 22, 23)


def test_counting_tells_what_differs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {Size(1, 1, 2, 1): (523, 762), Size(1, 1, 1, 1): (1, 1)}
    monkeypatch.setitem(LADDER, "UP", sizes)
    monkeypatch.setattr("sys.argv", ["counts", "--policy", "UP", "--searcher", "reference"])
    assert counts.main() == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in told[1:3]] == ["equal", "DIFFERENT"]
    assert told[-1] == "1 different"
    del sizes[Size(1, 1, 1, 1)]
    assert counts.main() == 0


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="policy 'LATE', expected one of EARLY"):
        ladder("LATE", Size(1, 1, 1, 1))
