"""What the model refutes of shipped kernels is refuted still, with a trace of the length that the docs give."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.compare import main
from core.conformance import FINDINGS, SCENARIOS, judge
from core.conformance.choose import choose

TEXT = (Path(__file__).parents[2] / "docs" / "findings.md").read_text(encoding="utf-8")

PINNED = [
    ("smp-6.1", "zap-huge-dirty", "no-lost-dirty", 25),
    ("smp-6.12", "zap-huge-dirty", "no-lost-dirty", 25),
    ("s390", "local-ipte", "use-after-free", 15),
]


@pytest.mark.parametrize(("row", "finding", "violated", "steps"), PINNED)
def test_the_finding_stands(row: str, finding: str, violated: str, steps: int) -> None:
    choice = choose(row, "", None)
    result = judge(choice.arch, choice.era, FINDINGS[finding])
    assert (result.verdict, result.violated, len(result.trace)) == ("fail", violated, steps)
    assert f"`{finding}` fails" in TEXT
    assert f"shortest trace {steps} steps" in TEXT


def test_every_finding_has_a_row_above_and_none_is_in_the_suite() -> None:
    assert set(FINDINGS) == {finding for _, finding, _, _ in PINNED}
    assert not set(FINDINGS) & set(SCENARIOS)


def test_explain_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "s390", "local-ipte"]) == 1
    assert "IPTE(0), local" in capsys.readouterr().out
