"""The example of docs/add-an-architecture.md runs, and the broken one fails; arches-all.toml names every plugin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.compare import main
from core.conformance import SCENARIOS, as_declared, expected, judge
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up
from core.table.row import Row
from core.table.rows import load
from tests.arch_plugins.test_geometry import FOUND

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "add-an-architecture.md").read_text(encoding="utf-8")
SCENARIO = "lost-dirty-munmap"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's two files, as a reader would save them."""
    example, broken = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "example.py").write_text(example)
    (tmp_path / "broken.py").write_text(broken)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_example_of_the_page_passes(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = f"{written / 'example.py'}:Example"
    arguments = ["--plugin", reference, "--scenario", SCENARIO, "--no-costs", "--output", str(written / "out")]
    assert main(arguments) == 0
    assert "Example" in capsys.readouterr().out
    facts = set_up("example", load_object(reference), reference).facts
    assert (facts.batch_entries, facts.batch_count) == (2045, 4)


def test_the_example_without_its_barrier_fails(written: Path) -> None:
    reference = f"{written / 'broken.py'}:Forgetful"
    arch = set_up("forgetful", load_object(reference), reference)
    result = judge(arch, ERAS["6.12"], SCENARIOS[SCENARIO])
    assert result.verdict == "fail"
    assert result.trace


def test_the_commands_about_cost_count_the_example(
    written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(written)
    commands = re.findall(r"^python -m core.compare ((?:workloads|sweep) .*)$", PAGE, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert main(command.split()) == 0
        assert "without tinv.asid" in capsys.readouterr().out


def test_an_instruction_of_the_example_is_priced_by_its_row(
    written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(written)
    prices = '"insn:tinv.asid" = [100, 200], "insn:tsync" = 7'
    Path("rows.toml").write_text(f'[[arch]]\nname = "mine"\nplugin = "example.py:Example"\nprices = {{ {prices} }}\n')
    assert main(["workloads", "--config", "rows.toml", "--arch", "mine", "--workload", "malloc_trim"]) == 0
    told = capsys.readouterr().out
    assert "us without" not in told
    assert "malloc_trim" in told


def test_the_table_of_all_architectures_is_complete() -> None:
    rows = load(ROOT / "arches-all.toml")
    assert not [row.problem for row in rows if row.problem]
    named = {row.plugin for row in rows}
    assert {f"arch_plugins.{module}:{name}" for module, name in FOUND if module not in ("generic", "up")} <= named


QUICK = ("own-tlb", "use-after-free", "lost-dirty-munmap", "switch-back", "lazy-back", "task-moves", "exec-then-flush")


@pytest.mark.parametrize("row", load(ROOT / "arches-all.toml"), ids=lambda row: row.name)
def test_every_row_is_as_declared_where_it_is_quick(row: Row) -> None:
    """The rest is `make compare-all`."""
    arch = row.arch()
    for name in QUICK:
        result = judge(arch, row.era, SCENARIOS[name])
        if name in row.expect:
            result = expected(result, row.expect[name])
        assert as_declared(result), (name, result.verdict, result.reason)
        assert result.exhaustive or result.violated or result.verdict == "unsupported"
