"""A child with foreign code: what it does ends with it, reaches nobody else, and leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.run import contain, isolate
from core.run.isolate import CELL_MEMORY, isolated, isolated_batch
from core.run.pool import run

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="what Linux's kernel does")
WITHIN = 2.0
"""Seconds after its timeout in which a job must have ended."""

PATIENCE = 60.0
"""Seconds after which a test on a machine with much to do gives up."""


def _thread() -> None:
    threading.Thread(target=time.sleep, args=(PATIENCE,)).start()


def _closes() -> None:
    os.closerange(0, 256)


def _orphan() -> None:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(PATIENCE)
        os._exit(0)


def _forks(number: int) -> None:
    for _ in range(number):
        if os.fork() == 0:
            time.sleep(PATIENCE)
    time.sleep(1)  # a look at the processes comes in between


def _deaf() -> None:
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
            signal.signal(number, signal.SIG_IGN)
    time.sleep(PATIENCE)


HARM = {
    "fine": lambda: None,
    "a thread that goes on": _thread,
    "an orphan in a session of its own": _orphan,
    "fifty processes": lambda: _forks(50),
    "ninety processes": lambda: _forks(90),
    "stops itself": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "deaf": _deaf,
    "kills its group": lambda: os.killpg(0, signal.SIGKILL),
    "kills its parent": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "kills everybody": lambda: os.kill(-1, signal.SIGKILL),
    "closes everything": _closes,
    "exits": lambda: os._exit(0),
}


@dataclass(frozen=True)
class Guest:
    """A job that does harm, and answers who it is."""

    harm: str
    guest: str = "somebody"
    name: str = ""

    def run(self) -> str:
        HARM[self.harm]()
        return self.name or "unharmed"

    def failed(self, reason: str) -> str:
        return reason

    def wrong(self, answer: str) -> str:
        return "it is a lie" if answer == "lie" else ""


def descendants(of: int = 0) -> set[int]:
    """The children of the process `of`, 0 for this one, and theirs, without those that have ended."""
    first = of or os.getpid()
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:2]
            except OSError:
                continue
            if state != b"Z":
                parents[int(entry.name)] = int(parent)
    found = {first}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {first}


@pytest.mark.parametrize(
    ("harm", "answer"),
    [
        ("fine", "unharmed"),
        ("a thread that goes on", "unharmed"),
        ("an orphan in a session of its own", "unharmed"),
        ("fifty processes", "unharmed"),
        ("ninety processes", f"started more than {contain.PROCESSES} processes"),
        ("stops itself", "timed out after 3 s"),
        ("deaf", "timed out after 3 s"),
        ("kills its group", "its process died with exit status -9"),
        ("closes everything", "its process died with exit status 1"),
        ("exits", "its process died with exit status 0"),
    ],
)
@LINUX
def test_a_guest_ends_and_leaves_nothing(harm: str, answer: str) -> None:
    assert isolated(Guest("fine", harm)) == "unharmed"  # its warden is there, so that only the child is timed
    before, begun = descendants(), time.monotonic()
    assert isolated(Guest(harm, harm), 3) == answer
    assert time.monotonic() - begun < 3 + WITHIN
    assert descendants() <= before


@pytest.mark.parametrize("harm", ["kills its parent", "kills everybody", "kills its group"])
@LINUX
def test_signals_reach_no_other_guest_and_not_this_process(harm: str) -> None:
    jobs = [Guest("fine", "good", "1"), Guest(harm, "bad"), Guest("fine", "good", "2"), Guest("fine", "bad", "3")]
    with ThreadPoolExecutor(3) as pool:
        answers = list(run(jobs, pool, timeout=10))
    assert (answers[0], *answers[2:]) == ("1", "2", "3")


def test_jobs_of_two_guests_never_share_a_process() -> None:
    jobs = [WhoAmI("a"), WhoAmI("a"), WhoAmI("b"), WhoAmI(""), WhoAmI("")]
    with ThreadPoolExecutor(1) as pool:
        (a, again), (b,), (own, second) = [
            answers[first:last] for answers in [list(run(jobs, pool))] for first, last in ((0, 2), (2, 3), (3, 5))
        ]
    assert a == again
    assert own == second
    assert len({a, b, own, str(os.getpid())}) == 4


@dataclass(frozen=True)
class Prints:
    """A job that prints its pieces, and waits before each but the first until a file is there."""

    guest: str
    pieces: tuple[str, ...]
    others: str = ""

    def run(self) -> str:
        for number, piece in enumerate(self.pieces):
            while number and not Path(self.others).exists():
                time.sleep(0.01)
            os.write(1, piece.encode())
        return ""

    def failed(self, reason: str) -> str:
        return reason


def test_a_line_that_a_guest_prints_in_pieces_stays_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = threading.Thread(target=isolated, args=(Prints("slow", ("a li", "ne\nan e", "nd"), str(tmp_path / "go")),))
    begun.start()
    time.sleep(0.5)  # so that it has begun to print; if not, this shows less
    isolated(Prints("quick", ("one line\n",)))
    (tmp_path / "go").touch()
    begun.join(PATIENCE)
    assert capsys.readouterr().err.splitlines() == ["one line", "a line", "an end"]


@dataclass(frozen=True)
class WhoAmI:
    """A job that answers which process has run it; in a namespace of its own that says little, so with its start."""

    guest: str

    def run(self) -> str:
        return Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19] + os.readlink(
            "/proc/self"
        )

    def failed(self, reason: str) -> str:
        return reason


def test_an_answer_that_cannot_be_the_job_s_is_none() -> None:
    assert isolated(Guest("fine", "liar", "lie")) == "its answer is none: it is a lie"


@dataclass(frozen=True)
class Forger:
    """A job that writes into every descriptor what is no answer."""

    guest: str = "forger"

    def run(self) -> str:
        for descriptor in range(3, 32):
            try:
                os.write(descriptor, b'\x80\x04cos\nsystem\n{"a": [}\n')
            except OSError:
                continue
        return "unharmed"

    def failed(self, reason: str) -> str:
        return reason


def test_what_is_no_answer_is_read_as_none() -> None:
    assert isolated(Forger()).startswith("its answer is none: not JSON")


def test_the_others_go_on_when_one_is_lost() -> None:
    jobs = [Guest("fine", name="1"), Guest("exits"), Guest("fine", name="3"), Guest("deaf"), Guest("fine", name="5")]
    lost, late = "its process died with exit status 0", "timed out after 1 s"
    assert isolated_batch(jobs, 1) == ["1", lost, "3", late, "5"]


@LINUX
def test_a_guest_writes_none_of_the_projects_files(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    ours.mkdir()
    (ours / "report.json").write_text("before")
    isolate.protect(ours)
    assert isolated(Writes("writer", str(other), "w")) == "written"
    if "read-only" not in isolate.containment():
        pytest.skip("needs a mount namespace")
    for path in (ours / "report.json", ours / "new", ROOT / "core" / "new.py", ROOT / "arch_plugins" / "x86.py"):
        assert "Read-only file system" in isolated(Writes("writer", str(path), "a"))
    assert (ours / "report.json").read_text() == "before"
    assert isolated(Writes("", str(ours / "report.json"), "w")) == "written"  # the project's own may


@dataclass(frozen=True)
class Writes:
    guest: str
    path: str
    mode: str

    def run(self) -> str:
        with open(self.path, self.mode, encoding="utf-8") as file:
            file.write("after")
        return "written"

    def failed(self, reason: str) -> str:
        return reason


def test_memory_of_several_processes_is_added_up() -> None:
    reason = isolated(Eats(), 30, 256 << 20)
    assert reason == "ran out of memory, with the processes that it started"


@dataclass(frozen=True)
class Eats:
    """Eight processes, each of which is within the limit."""

    guest: str = "eater"

    def run(self) -> str:
        for _ in range(8):
            if os.fork() == 0:
                kept = b"x" * (64 << 20)
                time.sleep(PATIENCE)
                os._exit(len(kept) & 1)
        time.sleep(20)
        return "unharmed"

    def failed(self, reason: str) -> str:
        return reason


ASKS = """
import os, sys
from dataclasses import dataclass
from core.run.isolate import isolated

@dataclass(frozen=True)
class Sleeps:
    guest: str = "sleeper"
    def run(self) -> str:
        import time
        print("ready", flush=True)
        time.sleep(600)
        return ""
    def failed(self, reason: str) -> str:
        return reason

if __name__ == "__main__":
    sys.modules["asks"] = sys.modules["__main__"]
    Sleeps.__module__ = "asks"
    isolated(Sleeps())
"""


@LINUX
def test_nothing_is_left_when_this_process_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "asks.py"
    script.write_text(ASKS)
    told = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))}
    process = subprocess.Popen([sys.executable, script], env=told, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    there = descendants(process.pid)
    assert there
    process.kill()
    process.wait()
    process.stderr.close()
    end = time.monotonic() + 10
    while left := {pid for pid in there if b"core.run.warden" in _command(Path(f"/proc/{pid}"))}:
        assert time.monotonic() < end, left
        time.sleep(0.05)


def _command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


@LINUX
def test_a_warden_that_is_killed_costs_its_job_only() -> None:
    assert isolated(Guest("fine", "victim")) == "unharmed"
    (warden,) = [custody for custody in isolate._idle if custody.guest == "victim"]
    warden.process.kill()
    warden.process.wait()
    assert "does not answer" in isolated(Guest("fine", "victim"))
    assert isolated(Guest("fine", "victim")) == "unharmed"


def test_how_guests_are_contained_is_said() -> None:
    isolated(Guest("fine"))
    assert isolate.containment().startswith(("namespaces (", "counting ("))


def test_a_child_cannot_have_more_memory_than_it_is_given() -> None:
    assert isolated(Allocates(), 30, 1 << 30) == "ran out of memory"
    assert isolated(Allocates(), 30, CELL_MEMORY) == "unharmed"


@dataclass(frozen=True)
class Allocates:
    guest: str = "allocator"

    def run(self) -> str:
        assert len(bytearray(2 << 30)) == 2 << 30
        return "unharmed"

    def failed(self, reason: str) -> str:
        return reason


def test_a_guest_has_no_way_to_the_socket_of_its_warden() -> None:
    assert isolated(Sockets()) == "none"


@dataclass(frozen=True)
class Sockets:
    guest: str = "looker"

    def run(self) -> str:
        found = []
        for name in os.listdir("/proc/self/fd"):
            try:
                with socket.socket(fileno=os.dup(int(name))) as one:
                    found.append(str(one.family))
            except OSError:
                continue
        return ", ".join(found) or "none"

    def failed(self, reason: str) -> str:
        return reason
