"""What is learned is the same on every supported interpreter that is installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.explore.digest import automata, models

ROOT = Path(__file__).parents[2]

VERSIONS = ["3.11", "3.12", "3.13", "3.14"]


def interpreter(version: str) -> str | None:
    """Where Python `version` is: in the path, or among those of pyenv."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    found = [shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    for path in found:
        if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    return None


def digest(python: str) -> str:
    done = subprocess.run(
        [python, "-m", "tests.explore.digest"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "random"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def here() -> str:
    return digest(sys.executable)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_learned_automata_are_equal(version: str, here: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"Python {version} is not installed")
    assert digest(python) == here


def test_automata_say_nothing_that_changes_from_run_to_run() -> None:
    for one in models():
        text = automata(one)
        assert " at 0x" not in text
        assert text.count("\n") > 3
