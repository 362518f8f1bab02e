"""The compiled loops are kept on disk, checked when they are loaded, and need numba no more then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the compiled searcher needs numba")

ROOT = Path(__file__).parents[2]

SEARCH = """
import sys
from benchmarks.ladder import Size, ladder
from core.explore import check
verdict = check(ladder("DELAYED", Size(1, 2, 2, 1)), searcher="fast", reductions=())
print(verdict.states, verdict.transitions, "numba" in sys.modules)
"""


def searched(cache: Path) -> str:
    """A search in a process of its own, with the machine code under `cache` alone."""
    code = f"""
from pathlib import Path
from core.explore.compiled import machine_code
machine_code.HERE = Path({str(cache / "not-a-directory")!r})
machine_code.SOURCES = ()
{SEARCH}"""
    (cache / "not-a-directory").touch()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_machine_code_is_kept_and_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    assert searched(tmp_path) == "10698 25076 True"
    kept = sorted((tmp_path / "shootdown").iterdir())
    assert {path.name.partition("-")[0] for path in kept} >= {"expand", "fill", "misses"}
    assert searched(tmp_path) == "10698 25076 False"
    fill = next(path for path in kept if path.name.startswith("fill"))
    whole = fill.read_bytes()
    fill.write_bytes(whole[:-100])
    assert searched(tmp_path) == "10698 25076 True"
    assert len(fill.read_bytes()) == len(whole)
    fill.chmod(0o666)  # anybody could have written it, and what it holds is run
    assert searched(tmp_path) == "10698 25076 True"
    assert fill.stat().st_mode & 0o022 == 0
