"""A type checker holds a third party's plugin against the hook specifications."""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from core.hookspecs import SPECS
from tests.installed import ROOT, Environment

EXAMPLE = ROOT / "examples" / "shootdown-allways" / "shootdown_allways.py"

WRONG = """
from arch_plugins.families.broadcast import Broadcast
from arch_plugins.generic import Smp
from core.hookspecs import Architecture, hookimpl
from core.mm.mm import Mm


class PlainForProgram(Smp):
    @hookimpl
    def flush_tlb_mm(self, mm: Mm) -> None: ...  # override


class WrongType(Broadcast):
    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: str) -> None: ...  # override


class MissingArgument(Architecture):
    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int) -> None: ...  # override


class WrongCall(Smp):
    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await mm.hook.flush_tlb_rnge(mm=mm)  # attr-defined
        await mm.hook.flush_tlb_page(mm=mm, addr="0")  # arg-type
"""


def mypy(installed: Environment, directory: Path) -> set[tuple[str, int, str]]:
    """What `mypy --strict` says of the files in `directory`: file, line, code."""
    cache = installed.directory / "mypy_cache"  # the second run reads what the first has learned of the project
    done = installed.run("python", "-m", "mypy", "--strict", "--cache-dir", str(cache), ".", cwd=directory)
    found = re.findall(r"^(\S+):(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    assert (done.returncode == 0) == (not found), done.stdout + done.stderr
    return {(file, int(line), code) for file, line, code in found}


@pytest.mark.slow
def test_the_example_package_passes_strict_mypy_and_wrong_hooks_fail(installed: Environment, tmp_path: Path) -> None:
    sound, wrong = tmp_path / "sound", tmp_path / "wrong"
    sound.mkdir()
    wrong.mkdir()
    shutil.copy(EXAMPLE, sound)
    (wrong / "wrong.py").write_text(WRONG)
    assert mypy(installed, sound) == set()
    marked = {
        ("wrong.py", number, line.rpartition("# ")[2])
        for number, line in enumerate(WRONG.splitlines(), 1)
        if "  # " in line
    }
    assert mypy(installed, wrong) == marked


@pytest.mark.parametrize("name", SPECS)
def test_every_argument_of_a_hook_has_a_type_that_can_be_read_at_run_time(name: str) -> None:
    hints = get_type_hints(SPECS[name])
    assert {*hints} == {*inspect.signature(SPECS[name]).parameters, "return"} - {"self"}
    assert Any not in hints.values()
