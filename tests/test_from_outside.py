"""Workloads and properties from outside: beside a patch, run in child processes, checked like scenarios and plugins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.compare import main
from core.conformance.rule import described as described_rule
from core.cost.outside import described
from core.table.count_jobs import CountJob
from core.table.rows import load as rows

ROW = next(row for row in rows(None, ["smp-6.2-fix"]) if row.name == "smp-6.2-fix")
PAGE = (Path(__file__).parents[1] / "docs" / "add-a-scenario.md").read_text(encoding="utf-8")
HEAD = "from core.cost.turns import Turn, Turns\nfrom core.cost.workload import Workload\n"
RUNS = "Turn(0, 'run'), Turn(1, 'run'), Turn(0, 'fault', 0, 2)"


def workload(turns: str, before: str = "") -> str:
    return f"{HEAD}{before}\nMINE = Workload('mine', 't', (Turns(({RUNS}, {turns}), 2),))\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.py"


def test_the_workload_of_the_page_is_counted(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = (text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "Workload(" in text)
    file.write_text(source)
    assert main(["workloads", "--arch", "smp-6.2-fix", "--workload", f"{file}:COMPACTS"]) == 0
    line = capsys.readouterr().out.splitlines()[3]
    assert line.split()[:3] == ["compacts", "1", "3"]
    assert main(
        ["compare", "smp-6.2-fix", "--against", "up", "--scenario", "own-tlb", "--workload", f"{file}:COMPACTS"]
    )
    assert "compacts: ipis 0 -> 3" in capsys.readouterr().out


def test_a_sweep_takes_the_workload_of_the_page(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its axes are facts of the machine: 64 pages are one full flush at a ceiling of 33."""
    (source,) = (text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "Workload(" in text)
    file.write_text(source)
    assert main(["sweep", "ceiling=33,64", "--workload", f"{file}:COMPACTS", "--arch", "smp-6.2-fix"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[:3] for row in rows] == [["33", "1", "3"], ["64", "1", "3"]]
    assert main(["sweep", "ceiling=33", "--workload", f"{file}:NOPE"]) == 2
    assert "there is no NOPE in it; it has COMPACTS" in capsys.readouterr().err


WRONG = {
    "workload {}:MINE: steps[0].turns[3]: there is no word 'fly'": workload("Turn(0, 'fly', 0, 1)"),
    "workload {}:MINE: name: expected letters": workload("Turn(0, 'dontneed', 0, 1)").replace("'mine'", "'a b'"),
    "workload {}:MINE: name: migrate is a workload": workload("Turn(0, 'dontneed', 0, 1)").replace(
        "'mine'", "'migrate'"
    ),
    "workload {}:MINE: steps: expected a tuple": f"{HEAD}MINE = Workload('mine', 't', ())\n",
    "workload {}:MINE: expected a Workload, got 3": "MINE = 3\n",
    "workload {}:MINE: running it raised ZeroDivisionError": "1 / 0\n",
    "workload {}:MINE: there is no MINE in it": HEAD,
}


@pytest.mark.parametrize("said", WRONG)
def test_a_wrong_workload_is_told_in_one_line(file: Path, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(WRONG[said])
    assert main(["workloads", "--arch", "smp-6.2-fix", "--workload", f"{file}:MINE"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"shootdown: {said.format(file)}")
    assert len(error.splitlines()) == 1


PROGRAMS = {
    "raises": ("async def p(mm):\n    raise ValueError('no')", "ValueError: no"),
    "counts": (
        "SEEN = []\nasync def p(mm):\n    SEEN.append(1)\n"
        "    for _ in SEEN:\n        await mm.hook.flush_tlb_mm(mm=mm)",
        "counting it twice gives different counts",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_raises_or_remembers_is_not_counted(file: Path, name: str) -> None:
    text, said = PROGRAMS[name]
    file.write_text(workload("Turn(0, p)", text))
    found = described(f"{file}:MINE")
    assert found.problem == ""
    assert said in CountJob(ROW, (found,)).run().problem


def test_a_workload_that_hangs_takes_nothing_with_it(file: Path) -> None:
    file.write_text("import os\nos._exit(3)\n")
    assert described(f"{file}:MINE").problem.startswith(f"workload {file}:MINE: loading it: ")


RULES = """
from core.conformance.rule import PolicyRule
from core.explore.model import Property
from core.machine.pte import pte_cell

def never(arch, model):
    cells = tuple(cell for cell in model.initial if cell.array == "pte")
    return [Property("never-empty", "No entry is ever empty.", cells, lambda *ptes: None not in ptes)]

def nothing(arch, model):
    return []

SEEN = []
def other(arch, model):
    SEEN.append(1)
    return never(arch, model)[: len(SEEN) - 1]

NEVER = PolicyRule("never", always=never)
LATE = PolicyRule("late", finally_=never)
NOTHING = PolicyRule("nothing", always=nothing)
OTHER = PolicyRule("other", always=other)
SEVEN = PolicyRule("seven", always=lambda arch, model: [7])
NAMELESS = PolicyRule("", always=nothing)
"""


@pytest.mark.parametrize(
    ("rule", "status", "said"),
    [
        ("NEVER", 1, "never-empty"),
        ("LATE", 1, "never-empty"),
        ("NOTHING", 0, "pass"),
        ("OTHER", 1, "asked twice it gives different properties"),
        ("SEVEN", 1, "returned 7, expected properties"),
    ],
)
def test_a_rule_is_to_hold_in_every_scenario(
    file: Path, rule: str, status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(RULES)
    command = [
        "run",
        "--arch",
        "smp-6.2-fix",
        "--scenario",
        "use-after-free",
        "--no-costs",
        "-v",
        "--output",
        str(tmp_path),
    ]
    assert main([*command, "--property", f"{file}:{rule}"]) == status
    assert said in capsys.readouterr().out


def test_a_rule_that_cannot_be_used_is_one_line(file: Path) -> None:
    file.write_text(RULES)
    assert described_rule(f"{file}:NAMELESS").problem == f"property {file}:NAMELESS: name: expected a string, got ''"
    assert "there is no GONE in it" in described_rule(f"{file}:GONE").problem
