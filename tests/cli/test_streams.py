"""A run whose standard streams are full or closed still writes its reports, and says in one line what it could not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = "from arch_plugins.generic import Smp\n\nclass Mine(Smp):\n    pass\n"


def command(tmp_path: Path) -> list[str]:
    (tmp_path / "mine.py").write_text(PLUGIN)
    run = [sys.executable, "-m", "core.compare", "--arch", "s390", "--plugin", f"{tmp_path}/mine.py:Mine"]
    return [*run, "--scenario", "own-tlb", "--no-costs", "--output", str(tmp_path / "out")]


def verdicts(tmp_path: Path) -> list[str]:
    return [result["verdict"] for result in json.loads((tmp_path / "out" / "report.json").read_text())["results"]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_at_stdout_is_one_line(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(command(tmp_path), stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if "era" not in line] == [
        "shootdown: standard output: No space left on device"
    ]
    assert verdicts(tmp_path) == ["pass", "pass"]


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams_cost_what_would_have_been_said(closed: tuple[int, ...], tmp_path: Path) -> None:
    def close() -> None:
        for number in closed:
            os.close(number)

    run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run
    done = run(command(tmp_path), capture_output=True, text=True, check=False, cwd=ROOT, preexec_fn=close)
    assert done.returncode == 0, done.stderr
    assert verdicts(tmp_path) == ["pass", "pass"]
    assert "Traceback" not in done.stderr
    assert (done.stdout == "") == (1 in closed)
