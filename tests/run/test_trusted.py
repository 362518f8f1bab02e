"""What a run trusts, foreign code does not write."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.base.caches import cache, own_cache
from core.run import isolate
from core.run.isolate import isolated
from core.run.trusted import ROOT, code_of, outermost, trusted


@dataclass(frozen=True)
class Opens:
    """A job that opens a file for writing, if it is there, and changes nothing."""

    path: str
    guest: str = "opener"

    def run(self) -> str:
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
        return "opened"

    def failed(self, reason: str) -> str:
        return reason


@dataclass(frozen=True)
class Keeps:
    """A job that writes into the cache of its own, and says what it finds there."""

    guest: str
    name: str

    def run(self) -> str:
        own = own_cache()
        if own is None:
            return "none"
        (own / self.name).write_text("")
        return " ".join(sorted(path.name for path in own.iterdir()))

    def failed(self, reason: str) -> str:
        return reason


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, and wardens that know it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    isolate.close()
    yield tmp_path
    isolate.close()


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux's kernel does")
def test_no_interpreter_s_file_can_be_written(home: Path) -> None:
    opens = isolated(Opens(str(home / "free")))
    if "files read-only" not in isolate.containment():
        pytest.skip("nothing keeps files here")
    assert opens == "opened"
    places = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "scripts")]
    for place in (
        *places,
        ROOT,
        ROOT / "core" / "explore" / "compiled" / "__pycache__",
        cache(),
        cache() / "tree",
        "/etc",
    ):
        reason = isolated(Opens(os.path.join(place, "of-a-test")))
        assert "Read-only file system" in reason or "Permission denied" in reason or "No such file" in reason, place
        assert not os.path.exists(os.path.join(place, "of-a-test"))


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux's kernel does")
def test_a_guest_keeps_what_it_computes_in_a_cache_of_its_own(home: Path) -> None:
    assert isolated(Keeps("a", "1")) == "1"
    assert isolated(Keeps("b", "2")) == "2"
    assert isolated(Keeps("a", "3")) == "1 3"
    assert isolated(Keeps("", "4")) == "none"
    isolate.close()
    assert isolated(Keeps("a", "5")) == "1 3 5"


def test_an_empty_cache_does_not_stay(home: Path) -> None:
    assert isolated(Opens(str(home / "free"))) == "opened"
    assert len(list((cache() / "guests").iterdir())) == 1
    isolate.close()
    assert list((cache() / "guests").iterdir()) == []


def test_what_is_trusted_covers_every_directory_of_modules() -> None:
    inside = trusted()
    for place in (
        ROOT,
        *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib", "scripts")),
        os.path.dirname(os.path.realpath(sys.executable)),
        *site.getsitepackages(),
    ):
        real = os.path.realpath(place)
        assert not os.path.exists(real) or any(real == one or real.startswith(f"{one}/") for one in inside), place


def test_code_is_protected_with_what_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "package").mkdir()
    assert code_of(f"{tmp_path}/mine.py:Mine") == [str(tmp_path)]
    assert code_of(f"{tmp_path}/home/mine.py:Mine") == [f"{tmp_path}/home/mine.py"]
    monkeypatch.chdir(tmp_path)
    assert code_of("package.module:Mine") == [f"{tmp_path}/package"]
    assert code_of("nowhere.module:Mine") == code_of("an_entry_point") == []


def test_outermost(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "ab").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    paths = [str(tmp_path / name) for name in ("a/b", "a", "link", "ab", "nowhere")]
    assert outermost([*paths, "", "/"]) == [str(tmp_path / "a"), str(tmp_path / "ab")]
