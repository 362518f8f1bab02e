"""SIGTERM and SIGHUP end a run as Ctrl-C does: with what has been found, in one line, and with nothing left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = """
import time
from arch_plugins.generic import Smp
from core.hookspecs import hookimpl

class Slow(Smp):
    @hookimpl
    def arch_facts(self):
        print("set up", flush=True)
        time.sleep(0.3)
        return super().arch_facts()
"""


def started(tmp_path: Path) -> subprocess.Popen[str]:
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "-m", "core.compare", "--plugin", f"{tmp_path / 'slow.py'}:Slow", "--no-costs"]
    command += ["--jobs", "1", "--format", "json", "--output", str(tmp_path / "out")]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hears_everything
    )


def _hears_everything() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_with_what_has_been_found(number: signal.Signals, tmp_path: Path) -> None:
    process = started(tmp_path)
    assert process.stderr is not None
    for _ in range(3):  # it is being set up for its second job: at least one is done
        while process.stderr.readline() != "set up\n":
            pass
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "interrupted; --resume continues" in err
    assert "Traceback" not in err
    report = json.loads(out)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    reasons = [result["reason"] for result in report["results"] if result["verdict"] == "error"]
    assert 0 < len(reasons) < len(report["results"])
    assert set(reasons) == {"interrupted"}
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"slow.py", "out"}


def test_a_place_that_cannot_be_written_is_said_before_anything_is_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loud.py").write_text("raise SystemExit('it was run')")
    command = [sys.executable, "-m", "core.compare", "--plugin", f"{tmp_path / 'loud.py'}:Loud"]
    command += ["--output", str(tmp_path / "file" / "out")]
    taken = subprocess.run(command, capture_output=True, text=True, check=False)
    assert taken.returncode == 2
    assert taken.stderr == f"shootdown: --output {tmp_path / 'file' / 'out'}: cannot be written: Not a directory\n"


def test_a_full_disk_costs_the_files_and_not_the_results(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "core.compare", "--arch", "s390", "--scenario", "own-tlb", "--no-costs"]
    limited = f"ulimit -f 1; exec {' '.join(command)} --format json --output {tmp_path / 'out'}"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert json.loads(done.stdout)["results"][0]["verdict"] == "pass"
    assert f"{tmp_path / 'out' / 'report.json'}: not written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
