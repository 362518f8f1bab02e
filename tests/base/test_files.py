"""Files are written completely or not at all, with the umask's mode, and nothing else is replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from core.base.files import can_write_in, write_atomically


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o002])
def test_a_new_file_has_the_umasks_mode_and_an_old_one_keeps_its_own(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "new", "text")
        (tmp_path / "old").write_text("before")
        (tmp_path / "old").chmod(0o640)
        write_atomically(tmp_path / "old", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"new", "old"}


def test_a_symlink_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "target")  # which is not there yet
    write_atomically(tmp_path / "link", "one")
    write_atomically(tmp_path / "link", "two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "target").read_text() == "two"


def test_a_device_stays_one() -> None:
    write_atomically(Path(os.devnull), "text")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(Path("/dev/full"), "text")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_a_fifo_is_written_into_if_somebody_reads_it(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(OSError, match="No such device"):
        write_atomically(fifo, "text")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(fifo, "text")
    assert os.read(reader, 100) == b"text"
    os.close(reader)
    assert fifo.is_fifo()


def test_what_utf8_cannot_express_is_an_escape(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", '"\udcff"')
    assert (tmp_path / "file").read_text(encoding="utf-8") == '"\\udcff"'


def test_a_directory_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    can_write_in(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        can_write_in(tmp_path / "file" / "inside")
