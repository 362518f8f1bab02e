"""The outputs that README and docs show: what they are, whether they are real, and how they are made anew.

`python -m tests.shown` (`make docs`) runs every command and replaces what has changed.  A line of dots stands for what
is left out: the lines around it are replaced by those that are most like them.
"""

from __future__ import annotations

import io
import re
import shlex
import sys
import tempfile
from contextlib import redirect_stdout
from difflib import SequenceMatcher
from pathlib import Path
from platform import python_version
from typing import NamedTuple
from unittest.mock import patch

from core.compare import main

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
CONSOLE = re.compile(r"```console\n\$ python -m core\.compare (.*)\n((?:.*\n)*?)```")
DOTS = "...\n"
PYTHON = "3.11.7"
"""The version that outputs name, whichever runs."""


class Shown(NamedTuple):
    """A command in a document, and what the document says that it prints."""

    document: Path
    command: str
    output: str


def shown() -> list[Shown]:
    """All of them."""
    return [
        Shown(document, command, output)
        for document in DOCUMENTS
        for command, output in CONSOLE.findall(document.read_text(encoding="utf-8"))
    ]


def printed(command: str) -> str:
    """What a command prints on stdout, run from the root of the project; its reports go nowhere."""
    argv, out = shlex.split(command), io.StringIO()
    version = patch.object(sys, "version", sys.version.replace(python_version(), PYTHON))
    with tempfile.TemporaryDirectory() as directory, redirect_stdout(out), version:
        main([*argv, "--output", directory] if argv[0].startswith("--") or argv[0] == "run" else argv)
    return out.getvalue()


def lacking(output: str, real: str) -> list[str]:
    """The parts of `output`, between dots, that are not in what was printed."""
    return [part for part in output.split(DOTS) if part not in real]


def renewed(output: str, real: str) -> str:
    """`output` with every part as it really is."""
    if DOTS not in output:
        return real
    return DOTS.join(part if part in real else _most_like(part, real) for part in output.split(DOTS))


def _most_like(part: str, real: str) -> str:
    """As many lines of `real`, one after another, as `part` has: those that are most like it."""
    size, lines = part.count("\n"), real.splitlines(keepends=True)
    windows = ["".join(lines[at : at + size]) for at in range(max(len(lines) - size + 1, 1))]
    return max(windows, key=lambda window: SequenceMatcher(None, part, window, autojunk=False).ratio())


def regenerate() -> int:
    """Replace what is not what the program prints, and say where. The number of places."""
    changed = 0
    for one in shown():
        real = printed(one.command)
        if lacking(one.output, real):
            text = one.document.read_text(encoding="utf-8")
            one.document.write_text(text.replace(one.output, renewed(one.output, real)), encoding="utf-8")
            print(f"{one.document.relative_to(ROOT)}: {one.command}", file=sys.stderr)
            changed += 1
    return changed


if __name__ == "__main__":
    regenerate()
