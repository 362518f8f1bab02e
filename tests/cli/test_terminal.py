"""What a terminal of 80 columns shows: a real one, in which nothing is wider."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def on_a_terminal(columns: int, *arguments: str) -> list[str]:
    """The lines that a command shows on a terminal with so many columns; progress goes elsewhere."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "core.compare", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=its, stdout=its, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
    )
    os.close(its)
    shown = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # the other end has been closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(60) in (0, 1)
    return shown.decode().replace("\r\n", "\n").splitlines()


RUN = ("run", "--tier", "smoke", "--tier", "required", "--arch", "smp-6.1", "--arch", "s390", "--arch", "up")


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
def test_the_default_view_fits(columns: int, tmp_path: Path) -> None:
    shown = on_a_terminal(columns, *RUN, "--output", str(tmp_path))
    assert shown[0].startswith("3 architectures, ")
    assert "What fails as declared, and where to look" in shown
    assert [line for line in shown if len(line) > columns] == []
    assert not any("\x1b" in line for line in shown)  # no colours: NO_COLOR has nothing to turn off


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("list",), "smp-6.2-fix"),
        (("info", "s390"), "  family        flush at PTE clear"),
        (("bugs", "B-39"), "1 of 1 bugs are found without their fix, and proved absent with it"),
    ],
)
def test_what_is_read_on_a_terminal_fits(arguments: tuple[str, ...], expected: str) -> None:
    shown = on_a_terminal(80, *arguments)
    assert expected in shown
    wide = [line for line in shown if len(line) > (130 if arguments[0] == "bugs" else 80)]
    assert wide == []


@pytest.mark.parametrize("cell", [("smp-6.1", "lost-dirty-dontneed"), ("s390", "own-tlb"), ("B-34",)])
def test_explain_is_within_a_hundred_columns(cell: tuple[str, ...]) -> None:
    shown = on_a_terminal(100, "explain", *cell)
    assert max(map(len, shown)) <= 100
