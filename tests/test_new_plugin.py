"""From the wheel to a green badge, as docs/first-plugin.md has it: red with a trace, one line mended, green."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from core.compare import main
from tests.installed import Environment, environment

PAGE = Path(__file__).parents[1] / "docs" / "first-plugin.md"
PIP = ["-m", "pip", "--python"]
OFFLINE = ["-q", "--no-deps", "--no-index", "--no-build-isolation"]


def commands() -> list[tuple[str, str]]:
    """The commands of the tutorial in their order, each with what it says that they print."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [
        (line, output) for block in blocks for line, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)
    ]


def done(command: str, of: Environment, cwd: Path, status: int) -> str:
    """What a command of the tutorial prints, and its exit status where that is not `status`.

    pip takes what is here, since tests have no network.
    """
    words = shlex.split(command)
    if words[0] == "pip":
        python = str(of.directory / "bin" / "python")
        run = Environment(Path(sys.prefix)).run("python", *PIP, python, words[1], *OFFLINE, *words[2:], cwd=cwd)
    elif words[0] == "pytest":
        run = of.run("python", "-m", *words, cwd=cwd)
    elif words[0] == "sed":
        module = cwd / words[-1]
        wrong, right = words[2].split("/")[1:3]
        assert wrong in module.read_text()
        module.write_text(module.read_text().replace(wrong, right))
        return ""
    else:
        run = of.run(*words, cwd=cwd)
    return run.stdout if run.returncode == status else f"{run.stdout}{run.stderr}exit status {run.returncode}"


@pytest.mark.slow
def test_the_tutorial_from_the_wheel_to_a_green_badge(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own: what is installed here is an entry point that other tests would find."""
    of, cwd, mended = environment(tmp_path / "venv", wheel), tmp_path, False
    for command, output in commands():
        if command.startswith("cd "):
            cwd = cwd / command[3:]
            continue
        mended = mended or command.startswith("sed ")
        judges = command.startswith(("pytest", "shootdown explain", "shootdown --plugin"))
        printed = done(command, of, cwd, 1 if judges and not mended else 0)
        assert "exit status " not in printed, f"{command}\n{printed}"
        parts = [part.strip("\n") for part in output.split("...\n")]
        assert [part for part in parts if part not in printed] == [], f"{command}\n{printed}"
    assert command.endswith("--format badge")
    assert mended
    assert json.loads(printed)["color"] == "brightgreen"


@pytest.mark.parametrize(
    ("name", "message"),
    [("My-Policy", "expected small letters"), ("-x", "expected small letters"), ("pass", "expected small letters")],
)
def test_a_name_that_is_none_is_refused(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-plugin", "--into", str(tmp_path), "--", name]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_exists_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    assert main(["new-plugin", "mine", "--into", str(tmp_path)]) == 2
    assert "exists" in capsys.readouterr().err
