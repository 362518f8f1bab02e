"""The suite the way a third party runs it, on every shipped row; and its pinned counts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.conformance import SCENARIOS, SUITE, as_declared, expected, judge
from core.table.rows import load

ROWS = {row.name: row for row in load(None)}
RUN = sum(not scenario.lacking(ROWS["smp-6.2-fix"].arch()) for scenario in SUITE.values())
"""Scenarios that the row can run: the others are about abilities that it lacks."""

PINNED = {
    ("smp-6.1", "lost-dirty-dontneed"): ("fail", 31),
    ("smp-6.1", "lost-dirty-munmap"): ("fail", 33),
    ("smp-6.1", "lost-dirty-mmap-over"): ("fail", 32),
    ("up", "lost-dirty-dontneed"): ("fail", 35),
    ("up-preempt", "lost-dirty-dontneed"): ("fail", 33),
}
"""Verdict and length of a shortest trace."""

STATES = {
    ("smp-6.2-fix", "lost-dirty-dontneed"): (5327, 13593, 73),
    ("smp-6.2-fix", "nested-gathers"): (4096, 13404, 31),
    ("s390", "lost-dirty-dontneed"): (6060, 15132, 86),
}
"""States, transitions and depth of an exhaustive pass."""


@pytest.mark.slow  # make compare says the same of every row, without the large runs
@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_as_declared(name: str) -> None:
    row = ROWS[name]
    arch = row.arch()
    for scenario in SUITE.values():
        result = judge(arch, row.era, scenario)
        if scenario.id in row.expect:
            result = expected(result, row.expect[scenario.id])
        assert as_declared(result), (scenario.id, result.verdict, result.reason)
        assert result.exhaustive or result.violated or result.verdict == "unsupported" or result.tier == "large"


@pytest.mark.parametrize(("cell", "wanted"), PINNED.items())
def test_pinned_traces(cell: tuple[str, str], wanted: tuple[str, int]) -> None:
    row = ROWS[cell[0]]
    result = judge(row.arch(), row.era, SCENARIOS[cell[1]])
    assert (result.verdict, len(result.trace)) == wanted
    assert len(result.trace) <= 35


@pytest.mark.parametrize(("cell", "wanted"), STATES.items())
def test_pinned_counts(cell: tuple[str, str], wanted: tuple[int, int, int]) -> None:
    row = ROWS[cell[0]]
    result = judge(row.arch(), row.era, SCENARIOS[cell[1]])
    assert (result.states, result.transitions, result.depth) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "status", "summary"),
    [
        ("smp-6.2-fix", 0, f"{RUN} passed"),
        ("tests.mutants.plugins:NoFlush", 1, "failed"),
    ],
)
def test_pytest_pyargs(arch: str, status: int, summary: str) -> None:
    """One test per scenario through the pytest plugin, as in a third party's CI."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "core.conformance"]
    done = subprocess.run([*command, "--arch", arch], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert summary in done.stdout.splitlines()[-1]


CONFIG = """
[[arch]]
name = "mine"
plugin = "arch_plugins.generic:Smp"
era = "6.1"
expect = { lost-dirty-dontneed = "as 6.1 was" }
"""


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        ([], 2, "no architecture to judge: name one, as in --shootdown-arch mine.py:Mine"),
        (["--arch", "nowhere"], 1, "plugin nowhere: expected module:object, file.py:object"),
        (["--arch", "mine", "--arch-config", "mine.toml"], 0, "1 xfailed"),
        (["--arch", "mine", "--arch-config", "none.toml"], 1, "none.toml: no such file"),
    ],
)
def test_pytest_pyargs_as_a_third_party_calls_it(
    flags: list[str], status: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "core.conformance"]
    done = subprocess.run([*command, *flags, "-k", "lost-dirty-dontneed"], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert message in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


KIT = [
    sys.executable,
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    "--strict-markers",
    "--pyargs",
    "core.conformance",
]


@pytest.mark.parametrize(
    ("lines", "status", "message"),
    [
        (
            "# what 6.1 lacks\nlost-dirty-dontneed rmap goes first\n\nlost-dirty-munmap the same # B-01\n",
            0,
            "2 xfailed",
        ),
        ("lost-dirty-dontneed rmap goes first\n", 1, ", 1 xfailed"),
        ("use-after-free it is not\n", 1, "declared to fail (it is not), but passes"),
        ("lost-dirty-dontned rmap\n", 2, "x.txt:1: scenario lost-dirty-dontned: no such scenario; did you mean"),
        ("\nlost-dirty-dontneed\n", 2, "x.txt:2: expected a scenario and the reason why it fails"),
    ],
)
def test_what_fails_is_declared_in_a_file(
    lines: str, status: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.txt").write_text(lines)
    monkeypatch.chdir(tmp_path)
    chosen = ["-k", "lost-dirty-dontneed or lost-dirty-munmap or use-after-free"]
    smp = ["--shootdown-arch", "arch_plugins.generic:Smp", "--shootdown-era", "6.1"]
    command = [*KIT, *smp, "--shootdown-xfails-file", "x.txt", *chosen]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert message in done.stdout + done.stderr


def test_a_tier_is_a_marker(tmp_path: Path) -> None:
    command = [*KIT, "--arch", "smp-6.2-fix", "-m", "shootdown_smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert re.match(r"1 passed, \d+ deselected", done.stdout.splitlines()[-1]), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("flags", "tests"),
    [
        ([], ["own-tlb", "use-after-free", "range-of-three"]),
        (["-p", "backwards"], ["range-of-three", "use-after-free", "own-tlb"]),
        (["-p", "twice"], ["own-tlb", "own-tlb", "use-after-free", "use-after-free"]),
    ],
)
def test_verdicts_that_are_found_ahead_are_those_of_their_tests(
    flags: list[str], tests: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order in which a plugin lets the tests come, and if one comes again."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    (tmp_path / "backwards.py").write_text("def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    again = "from _pytest.runner import runtestprotocol\n\n\ndef pytest_runtest_protocol(item, nextitem):\n"
    again += "    for _ in range(2):\n        for report in runtestprotocol(item, nextitem=nextitem, log=False):\n"
    again += "            item.ihook.pytest_runtest_logreport(report=report)\n    return True\n"
    (tmp_path / "twice.py").write_text(again)
    chosen = " or ".join(dict.fromkeys(tests))
    done = subprocess.run(
        [*KIT, *flags, "--arch", "tests.mutants.plugins:NoFlush", "-k", chosen],
        capture_output=True,
        text=True,
        check=False,
    )
    shown = re.findall(r"^FAILED .*NoFlush-([\w-]+)\]", done.stdout, re.MULTILINE)
    assert shown == tests, done.stdout


def test_a_run_that_stops_at_its_first_failure_ends_the_searches_behind_it() -> None:
    done = subprocess.run(
        [*KIT, "-x", "--arch", "tests.mutants.plugins:NoFlush"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("1 failed")
    assert "Traceback" not in done.stderr
