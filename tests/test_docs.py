"""What the documents show is what the program prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.cli.reference import PAGES
from core.compare import main
from tests.shown import Shown, lacking, printed, renewed, shown

ROOT = Path(__file__).parents[1]
SHOWN = shown()


def test_something_is_shown() -> None:
    assert len(SHOWN) >= 2


@pytest.mark.parametrize("one", SHOWN, ids=lambda one: f"{one.document.name}-{one.command}")
def test_shown_output_is_real(one: Shown) -> None:
    """`make docs` writes it anew."""
    assert lacking(one.output, printed(one.command)) == []


def test_what_is_shown_is_made_anew_around_its_dots() -> None:
    real = "one 1\ntwo 2\nthree 3\nfour 4\n"
    assert renewed("one 1\n...\nthree 5\nfour 4\n", real) == "one 1\n...\nthree 3\nfour 4\n"
    assert renewed("one 7\n", real) == real


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_is_made_from_the_code_is_up_to_date(page: str) -> None:
    """`make docs` writes it."""
    assert (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") == PAGES[page]() + "\n"


def test_the_example_plugin_of_the_readme_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    plugin = tmp_path / "mine.py"
    plugin.write_text(source)
    assert main(["--plugin", f"{plugin}:AlwaysEverything", "--no-costs", "--output", str(tmp_path / "out")]) == 0
    assert "AlwaysEverything" in capsys.readouterr().out


def test_the_two_commands_of_the_quick_start_are_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    (block,) = re.findall(r"## Quick start.*?```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    commands = block.split()
    assert commands == ["make", "compare", "make", "test"]
    assert {"compare", "test"} <= targets
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_steps_that_the_page_about_traces_speaks_of_are_those_of_its_trace() -> None:
    page = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    step = {operation: int(number) for number, operation in re.findall(r"^ (\d\d)>? +(\S+)", page, re.MULTILINE)}
    assert f"step {step['page_remove_rmap(page0)']} removes the reverse mapping" in page
    assert f"step {step['ptep_get_and_clear(0)']} has cleared the entry" in page
    assert f"the store of step {step['store(0)']} goes through" in page
    assert f"`step {step['page_remove_rmap(page0)']}: unmap does" in page
