"""Conditions on versions, held against what packaging says of them."""

from __future__ import annotations

import pytest

from core.base.version import fulfilled

VERSIONS = ("0.1", "1", "1.0", "1.2", "1.2.0", "1.10", "2.0.1")


@pytest.mark.parametrize("sign", [">=", "<=", "==", "!=", ">", "<"])
def test_versions_compare_by_their_numbers(sign: str) -> None:
    packaging = pytest.importorskip("packaging.specifiers")
    for version in VERSIONS:
        for other in VERSIONS:
            assert fulfilled(f"{sign}{other}", version) == (version in packaging.SpecifierSet(f"{sign}{other}"))


def test_all_conditions_must_hold_and_none_does() -> None:
    assert fulfilled(">=1.2, <2", "1.9")
    assert not fulfilled(">=1.2, <2", "2.0")
    assert fulfilled("", "0.1")


@pytest.mark.parametrize("text", ["1.2", "~=1.2", ">=1.2.*", ">= ", "latest"])
def test_what_is_no_condition_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="expected conditions such as"):
        fulfilled(text, "1.0")
