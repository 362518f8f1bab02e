"""A plugin that takes all the memory it can get: the limit is named, and the other rows have theirs.

The command is given two gigabytes of address space, and what is taken is touched, so that it is there.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.catalogue import MOMENTS, plugin

ROOT = Path(__file__).parents[2]
SPACE = 2 << 30
"""Bytes of address space of every process of the run: interpreter, libraries, and what the plugin takes."""

TAKES = "kept = []\nwhile True: kept.append(b'x' * (1 << 26))"
IS_DEAF = "kept = []\nwhile True:\n    try: kept.append(b'x' * (1 << 26))\n    except MemoryError: time.sleep(1)"
FORKS = """
for _ in range(20):
    if os.fork() == 0:
        kept = b'x' * (1 << 28)
        time.sleep(100)
        os._exit(0)
time.sleep(100)
"""


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux's rlimits")
@pytest.mark.parametrize(
    ("harm", "moment", "reason"),
    [
        *((TAKES, moment, "raised MemoryError: ran out of memory (") for moment in MOMENTS),
        (IS_DEAF, MOMENTS[0], "timed out after 15 s"),
        (IS_DEAF, MOMENTS[3], "runs on without awaiting an operation"),
        (FORKS, MOMENTS[0], "ran out of memory, with the processes that it started"),
        (FORKS, MOMENTS[3], "ran out of memory, with the processes that it started"),
    ],
)
def test_a_plugin_that_eats_memory_is_told_the_limit(harm: str, moment: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "eats.py").write_text(plugin(harm, moment))
    argv = ["--plugin", f"{tmp_path}/eats.py:Hostile", "--arch", "s390", "--scenario", "lost-dirty-munmap"]
    argv += ["--no-costs", "--format", "json", "--timeout", "15", "--jobs", "1", "--output", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "core.compare", *argv],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE)),
    )
    results = {result["architecture"]: result for result in json.loads(done.stdout)["results"]}
    good, bad = results["s390"], results[f"{tmp_path}/eats.py:Hostile"]
    assert (good["verdict"], bad["verdict"], done.returncode) == ("pass", "error", 1)
    assert reason in bad["reason"]
