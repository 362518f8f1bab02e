"""Wardens that are forks of the command's process: what they keep of it, when there are none, and that they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.run import isolate
from core.run.before import is_the_commands_own
from core.run.forked import can_fork

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

COMMAND = """
import json, os, signal, sys, threading, time
from dataclasses import dataclass
from pathlib import Path
from core.run import isolate
from core.run.before import this_is_the_commands_own

def raises(number, frame):
    raise KeyboardInterrupt

@dataclass(frozen=True)
class Looks:
    guest: str = ""
    seconds: int = 0
    def run(self) -> str:
        print("printed by the child")
        if self.seconds:
            print("ready", flush=True)
            time.sleep(self.seconds)
        files = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
                 if os.path.exists(f"/proc/self/fd/{name}")]
        caller = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\\0")
        return json.dumps({
            "fork": b"command.py" in caller[1],
            "files": [one for one in files if one.endswith("held")],
            "sockets": sum(one.startswith("socket:") for one in files),
            "term": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
            "hangup": signal.getsignal(signal.SIGHUP) is signal.SIG_IGN,
            "session": os.getsid(os.getppid()) == os.getppid(),
            "path": os.environ.get("PYTHONPATH", ""),
        })
    def failed(self, reason: str) -> str:
        return json.dumps(reason)

if __name__ == "__main__":
    sys.modules["command"] = sys.modules["__main__"]
    Looks.__module__ = "command"
    sys.path.append(str(Path(__file__).parent))
    os.environ["PYTHONPATH"] = "relative:" + os.environ["PYTHONPATH"]
    signal.signal(signal.SIGTERM, raises)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    kept = open(Path(__file__).with_name("held"), "w")
    sys.stdout.write("once ")
    if "ours" in sys.argv:
        this_is_the_commands_own()
    if "thread" in sys.argv:
        threading.Thread(target=time.sleep, args=(0.5,)).start()
    isolate.fork_wardens(2)
    print(len(isolate._idle))
    seconds = 600 if "sleep" in sys.argv else 0
    print(isolate.isolated(Looks(seconds=seconds)))
    print(isolate.isolated(Looks("somebody")))
    print(isolate.isolated(Looks()))
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    return [sys.executable, str(script)]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def run(command: list[str], *arguments: str) -> tuple[int, list[dict[str, object]]]:
    """How many wardens were forked, and what jobs saw: of shipped code, of a guest, of shipped code again."""
    done = subprocess.run([*command, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    first, *seen = done.stdout.splitlines()
    once, number = first.split()
    assert once == "once"
    assert done.stderr.count("printed by the child") == 3
    return int(number), [json.loads(line) for line in seen]


def test_shipped_code_is_run_in_a_fork_that_keeps_nothing_of_the_command(command: list[str]) -> None:
    number, (shipped, guest, again) = run(command, "ours")
    assert number == 2
    assert shipped == again
    assert shipped == {
        "fork": True,
        "files": [],
        "sockets": 0,
        "term": True,
        "hangup": True,
        "session": True,
        "path": str(ROOT),
    }
    assert guest["fork"] is False


@pytest.mark.parametrize("arguments", [(), ("ours", "thread")])
def test_there_is_no_fork_of_a_process_of_others_or_with_threads(
    command: list[str], arguments: tuple[str, ...]
) -> None:
    number, seen = run(command, *arguments)
    assert number == 0
    assert [one["fork"] for one in seen] == [False, False, False]


def test_no_fork_of_this_process_is_made() -> None:
    assert not is_the_commands_own()
    assert not can_fork()
    before = list(isolate._idle)
    isolate.fork_wardens(3)
    assert isolate._idle == before


def test_forks_end_when_the_command_is_killed(command: list[str], tmp_path: Path) -> None:
    mark = f"MARK_OF_TEST={tmp_path}".encode()
    process = subprocess.Popen(
        [*command, "ours", "sleep"],
        env=ENVIRONMENT | {"MARK_OF_TEST": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while process.stderr.readline() != "ready\n":
        pass
    assert len(_marked(mark)) == 4  # the command, two wardens, a child
    process.kill()
    process.wait()
    process.stderr.close()
    end = time.monotonic() + 10
    while left := _marked(mark):
        assert time.monotonic() < end, left
        time.sleep(0.05)


def _marked(mark: bytes) -> set[int]:
    """The processes with `mark` in their environment."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                found.add(int(entry.name))
        except OSError:
            continue
    return found
