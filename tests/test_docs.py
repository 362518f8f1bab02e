"""What the documents show is what the program prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from core.cli.reference import PAGES
from core.compare import main

ROOT = Path(__file__).parents[1]
CONSOLE = re.compile(r"```console\n\$ python -m core\.compare (.*)\n((?:.*\n)*?)```")

SHOWN = [
    (document.name, command, output)
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for command, output in CONSOLE.findall(document.read_text(encoding="utf-8"))
]


def test_something_is_shown() -> None:
    assert len(SHOWN) >= 2


@pytest.mark.parametrize(("document", "command", "output"), SHOWN)
def test_shown_output_is_real(
    document: str, command: str, output: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A line of dots stands for what is left out."""
    argv = shlex.split(command)
    if argv[0].startswith("--"):
        argv += ["--output", str(tmp_path)]
    main(argv)
    printed = capsys.readouterr().out
    for part in output.split("...\n"):
        assert part in printed, f"{document}: {command}"


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
