"""An installation disturbs no other project's tests, and its own entries work where another `core` is in front."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from core.base.namesakes import HERE, namesakes
from tests.installed import Environment

PLUGIN = """
from arch_plugins.generic import Smp


class Mine(Smp):
    pass
"""

SUITE = ("--pyargs", "core.conformance", "-q", "-p", "no:cacheprovider", "-k", "use-after-free or own-tlb")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that has nothing to do with this one, but a package `core`; and a plugin beside it."""
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text("ANSWER = 42\n")
    (tmp_path / "test_answer.py").write_text(
        "import core\n\n\ndef test_answer(request):\n    assert core.ANSWER == 42\n"
    )
    (tmp_path / "mine.py").write_text(PLUGIN)
    return tmp_path


def ours(modules: list[str]) -> list[str]:
    return [m for m in modules if m.partition(".")[0] in ("shootdown", "shootdown_pytest", "arch_plugins", "reports")]


def test_pytest_of_another_project_loads_one_module(installed: Environment, project: Path) -> None:
    """Held against sys.modules too: importtime does not tell what importlib.import_module() itself was asked for."""
    (project / "conftest.py").write_text(
        "import sys\n\ndef pytest_unconfigure():\n    print('loaded:', *sys.modules, file=sys.stderr)\n"
    )
    done = installed.run("python", "-X", "importtime", "-m", "pytest", "--collect-only", "-q", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_answer.py::test_answer" in done.stdout
    timed = re.findall(r"^import time:.*\|\s+([\w.]+)$", done.stderr, re.MULTILINE)
    assert "pluggy._hooks" in timed
    assert ours(timed) in ([], ["shootdown_pytest"])
    (loaded,) = re.findall(r"^loaded: (.*)$", done.stderr, re.MULTILINE)
    assert ours(loaded.split()) == ["shootdown_pytest"]
    assert [name for name in loaded.split() if name.partition(".")[0] == "core"] == ["core"]  # the project's own


def test_an_option_of_the_project_is_left_to_it(installed: Environment, project: Path) -> None:
    (project / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--arch', default='z80')\n"
    )
    with (project / "test_answer.py").open("a") as tests:
        tests.write("    assert request.config.getoption('--arch') == '6502'\n")
    done = installed.run("python", "-m", "pytest", "-q", "--arch", "6502", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    done = installed.run(
        "python", "-P", "-m", "pytest", *SUITE, "--arch", "6502", "--shootdown-arch", "mine.py:Mine", cwd=project
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("2 passed")


@pytest.mark.parametrize("command", [("python", "-m", "pytest"), ("python", "-P", "-m", "pytest")], ids=" ".join)
def test_the_suite_runs_beside_another_core(installed: Environment, project: Path, command: tuple[str, ...]) -> None:
    done = installed.run(*command, *SUITE, "--arch", "mine.py:Mine", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("2 passed")


def test_the_suite_stays_away_where_another_core_has_been_imported(installed: Environment, project: Path) -> None:
    (project / "conftest.py").write_text("import core\n")
    done = installed.run("python", "-m", "pytest", *SUITE, "--arch", "mine.py:Mine", cwd=project)
    assert done.returncode == 4
    (line,) = done.stderr.split("\n\n")[0].splitlines()
    assert f"the module core is already that of {project / 'core'}" in line
    done = installed.run("python", "-m", "pytest", "-q", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr


ARGUMENTS = ("--plugin", "mine.py:Mine", "--scenario", "use-after-free", "--no-costs", "--output", "out")


@pytest.mark.parametrize("variables", [{}, {"PYTHONPATH": "."}], ids=["beside", "in front"])
def test_the_command_runs_beside_another_core(installed: Environment, project: Path, variables: dict[str, str]) -> None:
    done = installed.run("shootdown", *ARGUMENTS, cwd=project, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Mine" in done.stdout
    assert ("not used: " in done.stderr) == bool(variables)
    if variables:
        assert f"not used: {project / 'core'}\n" in done.stderr


def test_core_compare_says_which_core_it_is_of(installed: Environment, project: Path) -> None:
    done = installed.run("python", "-P", "-m", "core.compare", *ARGUMENTS, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not used" not in done.stderr
    done = installed.run("python", "-P", "-m", "core.compare", "list", cwd=project, PYTHONPATH=f"{HERE}:{project}")
    assert done.returncode == 0
    assert done.stderr.startswith(f"shootdown: runs from {HERE}; of the same name, and not used: {project / 'core'}, ")
    assert done.stderr.count("\n") == 1


def test_a_directory_that_is_no_package_is_no_namesake(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    assert namesakes([str(tmp_path), str(HERE)]) == []
    (tmp_path / "reports.py").touch()
    assert namesakes([str(HERE), str(tmp_path)]) == [tmp_path / "reports.py"]
    assert sys.modules["core"].__file__ == str(HERE / "core" / "__init__.py")
