"""What code reads while it is loaded is noted, and is told apart when it changes."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from core.base.watch import Seen, watching


def seen_by(what: Callable[[], object]) -> Seen:
    with watching() as seen:
        what()
    return seen


def test_files_directories_and_names_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table").write_text("1")
    seen = seen_by(lambda: (open("table").close(), os.open("table", os.O_RDONLY), list(os.scandir("."))))
    assert (seen.files, seen.directories) == ({str(tmp_path / "table")}, {str(tmp_path)})
    assert seen_by(lambda: os.listdir()).directories == {str(tmp_path)}
    for read in (lambda: os.environ.get("A"), lambda: os.getenv("A"), lambda: "A" in os.environ):
        assert seen_by(read).names == {"A"}
    assert seen_by(lambda: dict(os.environ)).names >= {"PATH"}


def test_what_is_written_or_is_the_projects_or_pythons_is_not(tmp_path: Path) -> None:
    import core.facts

    assert seen_by(lambda: (tmp_path / "log").write_text("1")) == Seen()
    assert seen_by(lambda: [open(module.__file__).close() for module in (core.facts, subprocess)]) == Seen()


def test_nothing_is_noted_afterwards(tmp_path: Path) -> None:
    seen = seen_by(lambda: None)
    os.environ.get("A")
    os.listdir(tmp_path)
    assert seen == Seen()


@pytest.mark.parametrize(
    "change",
    [
        lambda here: (here / "table").write_text("2"),
        lambda here: (here / "table").unlink(),
        lambda here: (here / "absent").write_text(""),
        lambda here: (here / "directory" / "more").mkdir(),
        lambda here: os.environ.__setitem__("READ_BY_TEST", "2"),
        lambda here: os.environ.__delitem__("READ_BY_TEST"),
    ],
)
def test_a_change_of_what_was_read_changes_the_digest(
    change: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READ_BY_TEST", "1")
    (tmp_path / "table").write_text("1")
    (tmp_path / "other").write_text("1")
    (tmp_path / "directory").mkdir()

    def reads() -> None:
        (tmp_path / "table").read_text()
        with pytest.raises(FileNotFoundError):
            (tmp_path / "absent").read_text()
        os.listdir(tmp_path / "directory")
        assert os.environ["READ_BY_TEST"]

    seen = seen_by(reads)
    before = seen.digest()
    (tmp_path / "other").write_text("2")
    assert seen.digest() == before
    change(tmp_path)
    assert seen.digest() != before


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (lambda: subprocess.run(["true"], check=True), ("starts processes",)),
        (lambda: ctypes.CDLL(None), ("calls C",)),
        (lambda: socket.socket().close(), ("uses sockets",)),
        (lambda: open("/dev/null").close(), ("reads devices",)),
        (lambda: open("/proc/self/stat").close(), ("reads devices",)),
        (lambda: None, ()),
    ],
)
def test_what_reads_unseen_is_said(what: Callable[[], object], words: tuple[str, ...]) -> None:
    seen = seen_by(what)
    seen.digest()
    assert seen.words() == words
