"""Killed at a random moment, a run leaves whole reports or none, no process, and what `--resume` finishes."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.timeless import timeless

KILLS = int(os.environ.get("SHOOTDOWN_KILLS", "12"))
"""SHOOTDOWN_KILLS=100 makes that many."""

ROWS = ("smp-6.1", "smp-6.2-fix", "s390")
RUN = [sys.executable, "-m", "core.compare", "--no-costs", "--jobs", "2"]
PLUGIN = "from arch_plugins.generic import Smp\n\nclass Mine(Smp):\n    pass\n"


def command(tmp_path: Path) -> list[str]:
    (tmp_path / "mine.py").write_text(PLUGIN)
    plugin = ["--plugin", f"{tmp_path / 'mine.py'}:Mine", "--tier", "required"]
    rows = [flag for name in ROWS for flag in ("--arch", name)]
    return [*RUN, *rows, *plugin, "--format", "json", "--output", str(tmp_path / "out")]


def running(mark: str) -> list[int]:
    """The processes that have `mark` in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_run_is_whole_or_absent_and_is_resumed_to_the_byte(seed: int, tmp_path: Path, whole: str) -> None:
    draw, mark = random.Random(seed), f"MARK_OF_TEST={tmp_path}"
    environment = os.environ | {"MARK_OF_TEST": str(tmp_path)}
    with (tmp_path / "stdout").open("w") as out:
        process = subprocess.Popen(command(tmp_path), stdout=out, stderr=subprocess.DEVNULL, env=environment)
        time.sleep(draw.uniform(0, 4))
        victims = [process.pid] if seed % 2 == 0 else [pid for pid in running(mark) if pid != process.pid]
        for pid in draw.sample(victims, min(1, len(victims))):
            os.kill(pid, 9)
        process.wait(60)
    end = time.monotonic() + 10
    while left := running(mark):
        assert time.monotonic() < end, left
        time.sleep(0.05)
    for path in (tmp_path / "out").glob("*.json"):
        json.loads(path.read_text())
    assert list((tmp_path / "out").rglob(".*")) == []
    again = [*command(tmp_path), "--resume"]
    done = subprocess.run(again, capture_output=True, text=True, env=environment, check=False)
    assert elsewhere(done.stdout, tmp_path) == whole
    assert running(mark) == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the run prints that nobody disturbs."""
    tmp_path = tmp_path_factory.mktemp("whole")
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return elsewhere(done.stdout, tmp_path)


def elsewhere(text: str, tmp_path: Path) -> str:
    """A report without what two runs in different directories do not agree on: a digest has the place of a plugin."""
    return re.sub(r'"digest": "\w*"', "", timeless(text).replace(str(tmp_path), ""))
