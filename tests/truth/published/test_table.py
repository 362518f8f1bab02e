"""Published effects stand beside predictions, and a miss is called one."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.compare import main
from core.truth.published.catalogue import effects
from core.truth.published.effect import Effect, span

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def found() -> list[Effect]:
    return list(effects())


def effect(published: tuple[float, float], predicted: tuple[float, float]) -> Effect:
    return Effect("e", "", published, predicted, "ns", "a source")


@pytest.mark.parametrize(
    ("published", "predicted", "verdict"),
    [
        ((1, 2), (2, 3), "agrees"),
        ((33, 33), (5, 50), "agrees"),
        ((33, 33), (4, 50), "says nothing"),
        ((10, 10), (10.5, 12), "within 10 %"),
        ((10, 10), (5, 9), "within 10 %"),
        ((10, 10), (15, 20), "off by 50 %"),
        ((40, 50), (10, 20), "off by 50 %"),
    ],
)
def test_verdicts(published, predicted, verdict) -> None:
    assert effect(published, predicted).verdict == verdict


def test_every_effect_has_a_source_and_ranges(found) -> None:
    assert len({e.name for e in found}) == len(found)
    for e in found:
        assert e.source
        assert e.published[0] <= e.published[1]
        assert e.predicted[0] <= e.predicted[1]
    for name in ("5df397dec7c4", "c47454823bd4", "ceiling", "INVLPGB", "arm64", "riscv"):
        assert any(name in e.name for e in found)


def test_the_table(found, capsys) -> None:
    assert main(["published"]) == 0
    out = capsys.readouterr().out
    missed, wide = (sum(e.verdict.startswith(said) for e in found) for said in ("off", "says nothing"))
    told = f"{len(found)} effects: {len(found) - missed - wide} predicted, {missed} missed, {wide} predicted too widely"
    assert out.splitlines()[-1] == told


def test_the_document_counts_them(found) -> None:
    predicted = sum(e.verdict in ("agrees", "within 10 %") for e in found)
    text = " ".join((ROOT / "docs" / "cost.md").read_text(encoding="utf-8").split())
    assert f"Of {len(found)} effects {predicted} are predicted" in text


def test_spans() -> None:
    assert span((1, 1)) == "1"
    assert span((0.123456, 12345)) == "0.123 to 12345"
