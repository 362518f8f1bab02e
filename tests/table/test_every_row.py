"""Every row of arches-all.toml is as declared in every scenario, the long ones too: a quarter of them in each commit.

All of them take about five minutes on two cores.  So each commit tries one scenario in four, on all rows: the next
quarter than that of the commit before, so that four commits have tried all.  SHOOTDOWN_ROWS=1/1 tries all at once,
SHOOTDOWN_ROWS=3/4 the third quarter.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from core.compare import main

ROOT = Path(__file__).parents[2]
PARTS = 4


def part_of(commits: int) -> str:
    """The part that is tried when there have been so many commits."""
    return f"{commits % PARTS + 1}/{PARTS}"


def turn() -> str:
    """What SHOOTDOWN_ROWS says, or the turn of this commit; the first part where there is no history."""
    command = ["git", "rev-list", "--count", "HEAD"]
    count = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return os.environ.get("SHOOTDOWN_ROWS") or part_of(int(count.stdout) if count.returncode == 0 else 0)


def test_as_many_commits_as_there_are_parts_have_tried_all() -> None:
    assert sorted(map(part_of, range(100, 100 + PARTS))) == [f"{i}/{PARTS}" for i in range(1, PARTS + 1)]


@pytest.mark.slow
def test_every_row_is_as_declared(capfd: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--config", str(ROOT / "arches-all.toml"), "--all", "--no-costs", "--shard", turn()]
    status = main(command)
    assert status == 0, capfd.readouterr().out
