"""From the wheel to a policy of one's own: scaffold, red with a trace, one line mended, green, badge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.compare import main
from tests.installed import environment

RIGHT = ("FlushRequest(start, end - 1)", "FlushRequest(start, end)")


@pytest.mark.slow
def test_from_the_wheel_to_a_green_badge(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own: what is installed here is an entry point that other tests would find."""
    wheel_environment = environment(tmp_path / "venv", wheel)

    def run(*command: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return wheel_environment.run(*command, cwd=cwd)

    assert run("shootdown", "new-plugin", "my-policy").returncode == 0
    package = tmp_path / "my-policy"
    pip = [sys.executable, "-m", "pip", "--python", str(wheel_environment.directory / "bin" / "python"), "install"]
    installing = [*pip, "-q", "--no-deps", "--no-index", "--no-build-isolation", "-e", str(package)]
    subprocess.run(installing, check=True, capture_output=True)

    red = run("python", "-m", "pytest", "-q", "-x", cwd=package)
    assert red.returncode == 1, red.stdout + red.stderr
    assert "CPU0" in red.stdout

    module = package / "my_policy.py"
    wrong = module.read_text()
    assert RIGHT[0] in wrong
    module.write_text(wrong.replace(*RIGHT))
    green = run("python", "-m", "pytest", "-q", cwd=package)
    assert green.returncode == 0, green.stdout + green.stderr

    badge = run("shootdown", "--plugin", "my-policy", "--no-costs", "--format", "badge", cwd=package)
    assert (badge.returncode, json.loads(badge.stdout)["color"]) == (0, "brightgreen")


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
