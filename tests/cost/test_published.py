"""Published effects stand beside predictions, and a miss is called one."""

from __future__ import annotations

import pytest

from core.compare import main
from core.cost.published import Effect, effects, span


def effect(published: tuple[float, float], predicted: tuple[float, float]) -> Effect:
    return Effect("e", "", published, predicted, "ns", "a source")


@pytest.mark.parametrize(
    ("published", "predicted", "verdict"),
    [
        ((1, 2), (2, 3), "agrees"),
        ((10, 10), (10.5, 12), "within 10 %"),
        ((10, 10), (5, 9), "within 10 %"),
        ((10, 10), (15, 20), "off by 50 %"),
        ((40, 50), (10, 20), "off by 50 %"),
    ],
)
def test_verdicts(published, predicted, verdict) -> None:
    assert effect(published, predicted).verdict == verdict


def test_every_effect_has_a_source_and_ranges() -> None:
    found = list(effects())
    assert len({e.name for e in found}) == len(found)
    for e in found:
        assert e.source
        assert e.published[0] <= e.published[1]
        assert e.predicted[0] <= e.predicted[1]
    for name in ("5df397dec7c4", "c47454823bd4", "ceiling", "INVLPGB", "arm64", "riscv"):
        assert any(name in e.name for e in found)


def test_the_regression_is_one_and_the_repair_repairs_it() -> None:
    broken, repaired = (next(e for e in effects() if name in e.name) for name in ("5df397dec7c4", "c47454823bd4"))
    assert broken.predicted[1] < 80
    assert "every 8 pages, not every 512" in broken.what
    assert repaired.predicted == (100, 100)


def test_riscv_asks_once_for_a_batch() -> None:
    (share,) = (e for e in effects() if "share" in e.name)
    assert share.note == "32 calls for 32 pages become 1"


def test_the_table(capsys) -> None:
    assert main(["published"]) == 0
    out = capsys.readouterr().out
    found = list(effects())
    missed = sum(e.verdict.startswith("off") for e in found)
    assert out.splitlines()[-1] == f"{len(found)} effects: {len(found) - missed} predicted, {missed} missed"


def test_spans() -> None:
    assert span((1, 1)) == "1"
    assert span((0.123456, 12345)) == "0.123 to 12345"
