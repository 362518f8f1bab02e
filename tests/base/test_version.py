"""Conditions on versions, held against what packaging says of them, and the version of the package."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from core.base.version import fulfilled, version

VERSIONS = ("0.1", "1", "1.0", "1.2", "1.2.0", "1.10", "2.0.1")


@pytest.mark.parametrize("sign", [">=", "<=", "==", "!=", ">", "<"])
def test_versions_compare_by_their_numbers(sign: str) -> None:
    packaging = pytest.importorskip("packaging.specifiers")
    for own in VERSIONS:
        for other in VERSIONS:
            assert fulfilled(f"{sign}{other}", own) == (own in packaging.SpecifierSet(f"{sign}{other}"))


def test_all_conditions_must_hold_and_none_does() -> None:
    assert fulfilled(">=1.2, <2", "1.9")
    assert not fulfilled(">=1.2, <2", "2.0")
    assert fulfilled("", "0.1")


@pytest.mark.parametrize("text", ["1.2", "~=1.2", ">=1.2.*", ">= ", "latest"])
def test_what_is_no_condition_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="expected conditions such as"):
        fulfilled(text, "1.0")


def test_the_version_is_that_of_the_installed_package() -> None:
    try:
        known = metadata.version("shootdown")
    except metadata.PackageNotFoundError:
        known = "not installed"
    assert version() == known


def test_the_first_on_the_module_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, number in (("one", "7.1"), ("two", "8")):
        described = tmp_path / place / f"shootdown-{number}.dist-info" / "METADATA"
        described.parent.mkdir(parents=True)
        described.write_text(f"Metadata-Version: 2.4\nName: shootdown\nVersion: {number}\n", encoding="utf-8")
    monkeypatch.setattr("sys.path", [str(tmp_path / "none"), str(tmp_path / "one"), str(tmp_path / "two")])
    assert version() == metadata.version("shootdown") == "7.1"


def test_a_bare_source_tree_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    assert version() == "not installed"
