"""Ctrl-C: what has been found is told, wherever the kernel gives the signal to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ladder import Size, ladder
from core.compare import main
from core.explore import check
from core.run.pool import run
from core.table.checkpoint import place
from core.table.jobs import VerdictJob
from tests.run.jobs import Trouble


@dataclass(frozen=True)
class Interrupting:
    """A long search during which somebody presses Ctrl-C."""

    parent: int
    guest: str = ""

    def run(self) -> str:
        threading.Timer(1, os.kill, (self.parent, signal.SIGINT)).start()
        return check(ladder("DELAYED", Size(3, 3, 3, 3)), searcher="reference", reductions=()).bounds

    def failed(self, reason: str) -> str:
        return reason


def _collect(found: Iterator[str], answers: list[str]) -> None:
    for answer in found:
        answers.append(answer)


def test_ctrl_c_leaves_what_has_been_found() -> None:
    """In an interpreter of its own: nothing else is interrupted, and an interrupt that is lost ends in a timeout."""
    program = "from tests.run.test_interrupts import ctrl_c; ctrl_c()"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, timeout=100, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_interrupt_that_the_kernel_gives_to_another_thread_is_not_lost() -> None:
    """It does not wake the main thread from its wait for a result."""
    program = "from tests.run.test_interrupts import ctrl_c_elsewhere; ctrl_c_elsewhere()"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, timeout=60, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def ctrl_c_elsewhere() -> None:
    """What the test above runs: the job hangs until it is interrupted."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, if the tests run in the background

    def other_thread() -> None:
        time.sleep(2)  # the main thread waits by then
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        time.sleep(30)

    threading.Thread(target=other_thread, daemon=True).start()
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        _collect(run([Trouble("hang")], pool), [])


def ctrl_c() -> None:
    """What the test above runs."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, if the tests run in the background
    jobs: list[Any] = [Trouble("none"), Interrupting(os.getpid()), Trouble("none"), *[Trouble("hang")] * 20]
    answers: list[str] = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        _collect(run(jobs, pool), answers)
    assert answers[0] == "fine"
    assert answers[1].startswith("interrupted; depth ")
    assert answers[2:] == ["interrupted"] * 21
    with ThreadPoolExecutor(1) as pool:
        assert list(run(jobs[:1], pool)) == ["fine"]


def test_an_interrupted_run_tells_what_it_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(jobs: list[VerdictJob], *rest: Any, **more: Any) -> Iterator[Any]:
        yield jobs[0].run()
        raise KeyboardInterrupt

    monkeypatch.setattr("core.run.pool.run", interrupted)
    scenarios = ["--scenario", "use-after-free", "--scenario", "lost-dirty-munmap"]
    argv = ["--arch", "s390", *scenarios, "--no-costs", "--format", "json", "--output", str(tmp_path)]
    assert main(argv) == 2
    told = capsys.readouterr()
    found = [(result["verdict"], result["reason"]) for result in json.loads(told.out)["results"]]
    assert found == [("pass", ""), ("error", "interrupted")]
    assert "--resume continues" in told.err
    told_as_table = (tmp_path / "report.md").read_text()
    assert "not run" in told_as_table
    (line,) = [line for line in told_as_table.splitlines() if line.startswith("| s390")][:1]
    assert line.rstrip(" |").endswith("1 of 2")  # what was not run is not exhaustive
    assert "Not as declared" not in told_as_table
    assert len(list(place(tmp_path).iterdir())) == 1
    monkeypatch.undo()
    assert main([*argv, "--resume"]) == 0
    assert [result["verdict"] for result in json.loads(capsys.readouterr().out)["results"]] == ["pass", "pass"]
