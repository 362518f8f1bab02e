"""docs/expected.md and docs/start.md: their commands are commands, and what they say is printed is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from core.compare import COMMANDS, parser
from core.table.rows import load
from reports.formats import FORMATS

DOCS = Path(__file__).parents[1] / "docs"
PLACES = {"ARCH SCENARIO": "smp-6.1 own-tlb", "--jobs N --timeout S": "--jobs 2 --timeout 9", "--format ...": ""}


def commands() -> list[str]:
    """Of the table by its code, of the other page by the lines of its shell blocks."""
    table = re.findall(r"`(shootdown[^`]*)`", (DOCS / "expected.md").read_text(encoding="utf-8"))
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / "start.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return sorted({*table, *(line for line in lines if line.startswith("shootdown"))})


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_pages_is_one(command: str) -> None:
    for name, value in PLACES.items():
        command = command.replace(name, value)
    words = shlex.split(command.partition(">")[0])[1:]
    try:
        parser().parse_args(words if words and words[0] in COMMANDS else ["run", *words])
    except SystemExit as end:
        assert (end.code, words[-1]) == (0, "--help")  # noqa: PT017 - argparse ends the program


def test_the_table_has_its_twenty_one_rows() -> None:
    rows = re.findall(r"^\| (\d+) \|", (DOCS / "expected.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [*map(int, rows)] == [*range(1, 22)]
    assert {"html", "badge", "csv", "junit", "jsonl", "markdown"} <= set(FORMATS)


def test_what_the_first_page_says_of_its_run_and_of_its_program_is_so(capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS / "start.md").read_text(encoding="utf-8")
    (rows,) = re.findall(r"^shootdown  +# (\d+) rows:", page, re.MULTILINE)
    assert int(rows) == len(load(None))
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(program, {})
    assert capsys.readouterr().out.strip() == program.rpartition("# ")[2].strip()
