"""Whatever is in a file, a command ends within seconds with 0, 1 or 2, and 2 comes with one line.

A thousand files are made from seeds; SHOOTDOWN_FUZZ=20000 makes that many, SHOOTDOWN_FUZZ_SEED begins elsewhere.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.compare import main
from tests.fuzz.damage import VALUES, damaged
from tests.fuzz.inputs import AXES, inputs

FILES = int(os.environ.get("SHOOTDOWN_FUZZ", "1000"))
SEED = int(os.environ.get("SHOOTDOWN_FUZZ_SEED", "0"))
KINDS = ("rows", "workloads", "prices", "old report", "new report", "recording", "golden", "measured", "emulated")
PARTS = 4
"""Parts of the files of a kind, so that several workers share them."""

MOST_SHOWN = 10
"""Files of a part whose problem is shown."""

LONGEST = 10
"""Seconds that one command may take."""


class TooLong(BaseException):
    """A command took longer than LONGEST; not an Exception, so that nobody takes it for a plugin's."""


@contextlib.contextmanager
def _ends() -> Iterator[None]:
    def late(number: int, frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def wrong(arguments: list[str]) -> str:
    """What is wrong with how the command ends; '' if nothing."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with _ends(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(arguments)
    except SystemExit as usage:  # argparse's
        status = usage.code if isinstance(usage.code, int) else 1
        return "" if status == 2 else f"exit {usage.code!r}"
    except TooLong:
        return f"more than {LONGEST} s"
    except BaseException as error:
        return f"raised {type(error).__name__}: {str(error)[:200]}"
    said = err.getvalue()
    if status not in (0, 1, 2):
        return f"status {status}"
    if "Traceback" in said or not all(char.isprintable() or char in "\n\t" for char in said + out.getvalue()):
        return f"said {said[:300]!r}"
    lines = [line for line in said.splitlines() if line.startswith("shootdown: ")]
    if status == 2 and (len(lines) != 1 or len(said.splitlines()) != 1):
        return f"{len(said.splitlines())} lines: {said[:300]!r}"
    return ""


@pytest.mark.fuzz
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_one_line_and_status_2(kind: str, part: int, tmp_path: Path) -> None:
    source, problems = inputs(tmp_path)[kind], []
    for number in range(SEED + part, SEED + FILES // len(KINDS), PARTS):
        draw = random.Random(f"{kind} {number}")
        path = tmp_path / source.name
        path.write_bytes(damaged(source.sound, draw))
        problem = wrong(source.arguments(str(path)))
        if problem:
            problems.append(f"{kind}, seed {number}: {problem}\n{path.read_bytes()[:3000]!r}")
    assert not problems, "\n".join([f"{len(problems)} problems", *problems[:MOST_SHOWN]])


@pytest.mark.parametrize("kind", KINDS)
def test_the_sound_file_is_read(kind: str, tmp_path: Path) -> None:
    """Else damage to it would show nothing."""
    source = inputs(tmp_path)[kind]
    path = tmp_path / source.name
    path.write_bytes(source.sound)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(source.arguments(str(path))) in (0, 1)


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_sweep_is_one_line_and_status_2(seed: int) -> None:
    draw = random.Random(seed)
    axes = draw.sample(AXES, 2)
    name, _, values = axes[0].partition("=")
    axes[0] = draw.choice((f"{name}={draw.choice(VALUES)}", f"{name}={values}:{draw.choice(VALUES)}", values, name, ""))
    problem = wrong(["sweep", *axes, "--jobs", "1"])
    assert not problem, (axes, problem)


@pytest.mark.parametrize("value", ["1e10", "1e-400", "nan", "-1", "1e400", "0"])
@pytest.mark.parametrize("flag", ["--timeout", "--max-states", "--max-memory", "--jobs", "--walks"])
def test_a_limit_that_is_none_is_one_line(flag: str, value: str, tmp_path: Path) -> None:
    arguments = ["--arch", "s390", "--scenario", "own-tlb", "--no-costs", "--output", str(tmp_path), flag, value]
    assert not wrong(arguments)
