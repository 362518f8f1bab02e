"""What the repository offers to the CI of others does what it says: the action, the workflow, the hooks, docs/ci.md."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.compare import parser
from tests.installed import Environment

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "conformance.yml").read_text())
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
WRONG = """
from arch_plugins.generic import Smp
from core.hookspecs import hookimpl

class Mine(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        pass
"""
RIGHT = "from arch_plugins.generic import Smp\n\nclass Mine(Smp):\n    pass\n"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def step(name: str) -> dict[str, Any]:
    (found,) = (one for one in ACTION["runs"]["steps"] if one.get("name") == name)
    return dict(found)


def run_step(name: str, installed: Environment, cwd: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The shell text of a step of the action, as GitHub runs it, with these inputs and the defaults of the others."""
    values = {key: str(one.get("default", "")) for key, one in ACTION["inputs"].items()} | inputs
    (cwd / "script.sh").write_text(step(name)["run"])
    given = {
        variable: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: values[m[1]], text)
        for variable, text in step(name).get("env", {}).items()
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "COV"))}
    environment |= given | {"GITHUB_ACTIONS": "true", "PATH": f"{installed.directory / 'bin'}:{os.environ['PATH']}"}
    environment |= {"GITHUB_OUTPUT": str(cwd / "outputs"), "GITHUB_STEP_SUMMARY": str(cwd / "summary")}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "script.sh"]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_steps_of_the_action_judge_annotate_and_summarise(installed: Environment, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WRONG)
    inputs = {"plugin": "mine.py:Mine", "arguments": "--no-costs --scenario use-after-free --scenario own-tlb"}
    red = run_step("Run", installed, tmp_path, **inputs)
    assert red.returncode == 1, red.stderr
    assert "::error file=mine.py,title=shootdown" in red.stderr
    assert run_step("Summary", installed, tmp_path).returncode == 0
    assert "## Not as declared" in (tmp_path / "summary").read_text()
    assert (tmp_path / "outputs").read_text() == "reports=shootdown-reports\n"
    assert sorted(path.name for path in (tmp_path / "shootdown-reports").iterdir()) == [
        "badge.json",
        "report.json",
        "report.md",
        "report.xml",
    ]
    (tmp_path / "mine.py").write_text(RIGHT)
    more = {"budget": "300", "baseline": "shootdown-reports/report.json", "fail-on": "regression", "output": "new"}
    green = run_step("Run", installed, tmp_path, **inputs, **more)
    assert green.returncode == 0, green.stderr
    assert "(better)" in green.stderr


def test_the_action_uses_every_input_and_asks_for_no_other() -> None:
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])


def test_no_input_is_written_into_a_script() -> None:
    """What a pull request names must not become shell: inputs come by the environment."""
    steps = [*ACTION["runs"]["steps"], *(s for job in WORKFLOW["jobs"].values() for s in job["steps"])]
    assert [one["run"] for one in steps if "${{" in one.get("run", "")] == []


def test_the_workflow_gives_the_action_inputs_that_it_has() -> None:
    (judge,) = (one for one in WORKFLOW["jobs"]["conformance"]["steps"] if one.get("uses") == "./.shootdown")
    assert set(judge["with"]) <= set(ACTION["inputs"])
    inputs = WORKFLOW[True]["workflow_call"]["inputs"]  # YAML 1.1 takes `on` for true
    text = (ROOT / ".github" / "workflows" / "conformance.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(inputs)


@pytest.mark.slow
@pytest.mark.parametrize("hook", HOOKS[:1], ids=lambda hook: hook["id"])
def test_a_pre_commit_hook_is_a_command(hook: dict[str, Any], installed: Environment, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(RIGHT)
    done = installed.run(*shlex.split(hook["entry"]), "--plugin", "mine.py:Mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_hooks_have_ids_and_entries_of_the_command() -> None:
    assert [hook["id"] for hook in HOOKS] == ["shootdown-smoke", "shootdown-conformance"]
    for hook in HOOKS:
        command, *arguments = shlex.split(hook["entry"])
        assert command == "shootdown"
        parser().parse_args(arguments)


def test_the_page_names_what_is_there() -> None:
    for text in blocks("yaml"):
        yaml.safe_load(text)
    assert {"shootdown-smoke", "shootdown-conformance"} <= set(re.findall(r"id: ([\w-]+)", PAGE))
    called = [yaml.safe_load(text) for text in blocks("yaml") if ".github/workflows/conformance.yml" in text]
    (job,) = called[0]["jobs"].values()
    inputs = WORKFLOW[True]["workflow_call"]["inputs"]
    assert set(job["with"]) <= set(inputs)
    assert {name for name, one in inputs.items() if one.get("required")} <= set(job["with"])
    used = [yaml.safe_load(text) for text in blocks("yaml") if "OWNER/shootdown@" in text and "steps" in text]
    (steps,) = (job["steps"] for job in used[0]["jobs"].values())
    (judge,) = (one for one in steps if one.get("uses", "").startswith("OWNER/shootdown@"))
    assert set(judge["with"]) <= set(ACTION["inputs"])


COMMANDS = [
    line for kind in ("yaml", "sh") for text in blocks(kind) for line in re.findall(r"shootdown (run|diff) (.*)", text)
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_of_the_page_are_commands(command: tuple[str, str]) -> None:
    words = shlex.split(command[1].partition(";")[0].partition("#")[0].replace("$CI_NODE_INDEX/$CI_NODE_TOTAL", "1/2"))
    parser().parse_args([command[0], *words])
