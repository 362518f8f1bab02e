"""`info` and `list`: what a plugin is, whose it is, what is not asked of it and why; in lines that can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.width import table
from core.compare import main
from core.conformance import SUITE
from core.table.rows import load
from core.words import WORDS_VERSION

PLUGIN = """
from arch_plugins.generic import Smp
from core.hookspecs import hookimpl

class Mine(Smp):
    requires = {requires!r}

    @hookimpl
    async def flush_tlb_mm(self, mm):
        pass

    @hookimpl(optionalhook=True)
    async def flush_tlb_of_tomorrow(self, mm, start):
        pass
{more}
"""
NEWER = "    @hookimpl\n    async def flush_tlb_newer(self, mm):\n        pass\n"


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(PLUGIN.format(requires=f">={WORDS_VERSION}, <99", more=""))
    return f"{tmp_path}/mine.py:Mine"


def test_info_says_what_a_plugin_is_and_what_does_not_apply(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", plugin]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"requires >={WORDS_VERSION}, <99 (hooks and words here: {WORDS_VERSION})" in told
    assert "ignored flush_tlb_of_tomorrow: optional, not in this version" in told
    assert "own hooks arch_facts, flush_tlb_mm" in told
    assert "n/a hash-refault: needs hash_table (translations are also in a hash table in memory (powerpc))" in told


def test_info_counts_every_scenario_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Held against what a row's architecture lacks by itself."""
    assert main(["info", "s390"]) == 0
    out = capsys.readouterr().out
    (row,) = (row for row in load(None, ["s390"]) if row.name == "s390")
    arch = row.arch()
    lacking = [scenario.id for scenario in SUITE.values() if scenario.lacking(arch)]
    assert f"asked         {len(SUITE) - len(lacking)} of {len(SUITE)} scenarios" in out
    said = " ".join(out.split()).split("n/a ")[1:]
    assert sorted(name for part in said for name in part.partition(": needs")[0].split(", ")) == sorted(lacking)


def test_a_plugin_that_is_too_new_is_told_so_before_its_hooks_are_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN.format(requires=">=99.1", more=NEWER))
    for command in (["info", f"{tmp_path}/mine.py:Mine"], ["explain", f"{tmp_path}/mine.py:Mine", "own-tlb"]):
        assert main(command) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"it requires hooks and words >=99.1, and this is Shootdown with {WORDS_VERSION}" in line


@pytest.mark.parametrize("requires", ["1.2", "~=1.2", ">=1.x", 3])
def test_a_condition_that_is_none_is_refused(
    requires: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN.format(requires=requires, more=""))
    assert main(["info", f"{tmp_path}/mine.py:Mine"]) == 2
    assert "requires: expected " in capsys.readouterr().err


def test_a_hook_that_is_not_optional_must_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN.format(requires="", more=NEWER))
    assert main(["info", f"{tmp_path}/mine.py:Mine"]) == 2
    assert "there is no hook flush_tlb_newer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["info", "smp61"], "smp61: no such row or plugin; did you mean smp-6.1?"),
        (["explain", "S39O", "own-tlb"], "S39O: no such row or plugin; did you mean s390?"),
        (["bugs", "b-34"], "did you mean B-34?"),
        (["explain", "B_34"], "did you mean B-34?"),
    ],
)
def test_a_misspelt_name_is_told_with_the_nearest(
    command: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize("width", [60, 80, 132])
def test_a_table_that_is_too_wide_has_a_row_in_several_lines(width: int) -> None:
    rows = [["smp", "word " * 20, "x"], ["a-longer-name", "", "word " * 40]]
    head = ["architecture", "family", "source files"]
    narrow, whole = table(rows, head, width), table(rows, head, None)
    assert max(map(len, narrow.splitlines())) <= width
    assert narrow.split().count("word") == whole.split().count("word") == 60
    assert [line for line in narrow.splitlines() if line[0] != " "] == ["smp", "a-longer-name"]
    assert len(whole.splitlines()) == 4
    assert table(rows, head, 400) == whole
