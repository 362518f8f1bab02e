"""Hints at the end of an error message."""

from __future__ import annotations

import pytest

from core.base.suggest import hint, nearest

KNOWN = ("flush_tlb_mm", "flush_tlb_range", "switch_mm")


@pytest.mark.parametrize(
    ("name", "otherwise", "said"),
    [
        ("flush_tlb_rnage", "", "did you mean flush_tlb_range?"),
        ("color", "", "expected one of flush_tlb_mm, flush_tlb_range, switch_mm"),
        ("color", "it has no class", "it has no class"),
    ],
)
def test_the_nearest_name_is_offered_or_else_what_there_is(name: str, otherwise: str, said: str) -> None:
    assert hint(name, KNOWN, otherwise) == said


def test_the_names_may_come_once_only() -> None:
    assert hint("color", iter(KNOWN)) == "expected one of flush_tlb_mm, flush_tlb_range, switch_mm"


@pytest.mark.parametrize("name", KNOWN)
def test_a_name_is_nearest_to_itself(name: str) -> None:
    assert nearest(name, KNOWN, 1.0) == name
    assert nearest(f"{name}x", KNOWN, 1.0) == ""
