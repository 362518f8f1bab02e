"""Where files are kept: where the platform expects them, or where the environment says; and how they go."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from core.base.caches import CHECKOUT, cache, reports_directory
from core.compare import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SHOOTDOWN_CACHE", "SHOOTDOWN_REPORTS", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "home"


@pytest.mark.parametrize("given", [{}, {"XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s"}, {"XDG_CACHE_HOME": "here"}])
def test_the_places_are_those_of_the_platform(
    given: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held against platformdirs, which pip brings."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    platformdirs = pytest.importorskip("pip._vendor.platformdirs")
    if given.get("XDG_CACHE_HOME") == "here":  # which the specification says is to be ignored; platformdirs takes it
        assert cache() == home / ".cache" / "shootdown"
        return
    assert str(cache()) == platformdirs.user_cache_dir("shootdown")
    assert str(reports_directory().parent) == platformdirs.user_state_dir("shootdown")


def test_the_environment_and_the_checkout_say_otherwise(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOOTDOWN_CACHE", "/somewhere")
    assert cache() == Path("/somewhere")
    monkeypatch.chdir(CHECKOUT)
    assert reports_directory() == Path("reports/out")
    monkeypatch.setenv("SHOOTDOWN_REPORTS", "/else")
    assert reports_directory() == Path("/else")


def test_a_run_leaves_its_files_there_and_cache_clear_removes_them(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--arch", "s390", "--scenario", "own-tlb", "--no-costs"]) == 0
    reports = home / ".local" / "state" / "shootdown" / "reports"
    assert sorted(path.name for path in reports.iterdir()) == ["badge.json", "report.json", "report.md", "report.xml"]
    assert list(Path.cwd().iterdir()) == []
    assert len(list(cache().glob("kept/*/*/*.json"))) == 1
    (cache() / "mine").touch()
    capsys.readouterr()
    assert main(["cache"]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0].startswith(f"{cache()}: ")
    assert "kept: " in told
    assert main(["cache", "clear"]) == 0
    assert f"reports stay in {reports}" in capsys.readouterr().out
    assert [path.name for path in cache().iterdir()] == ["mine"]  # which is nobody's here
    (cache() / "mine").unlink()
    assert main(["cache", "clear", "--reports"]) == 0
    assert not cache().exists()
    assert not (home / ".local" / "state" / "shootdown").exists()


def test_what_another_source_has_kept_goes_with_the_next_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = importlib.import_module("core.table.checkpoint")
    run = ["--arch", "s390", "--scenario", "own-tlb", "--no-costs", "--output", str(home / "out")]
    assert main(run) == 0
    monkeypatch.setattr(checkpoint, "suite_digest", lambda: "f" * 64)
    assert main(run) == 0
    assert [path.name for path in cache().glob("kept/*/*")] == ["f" * 16]
    assert sorted(path.name for path in (home / "out").iterdir()) == [
        "badge.json",
        "report.json",
        "report.md",
        "report.xml",
    ]
