"""`compare A --against B` shows what differs, in lines for a mail; `coverage` which hooks ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.compare import main
from core.conformance import SCENARIOS
from core.conformance.coverage import covered
from core.explore.model import Step
from core.explore.text import MAIL_WIDTH, mail
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up
from core.plugins.hook_calls import WHOLE, after

PLUGIN = """
from arch_plugins.generic import Smp, flush_by_ipi
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest

class OneShort(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        await flush_by_ipi(mm, FlushRequest(start, max(start + 1, end - 1)))

class Whole(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        await mm.hook.flush_tlb_mm(mm=mm)
"""

SOME = ["--scenario", "range-of-three", "--scenario", "own-tlb"]


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    file = tmp_path / "p.py"
    file.write_text(PLUGIN)
    return str(file)


def test_only_what_differs_is_shown_in_lines_of_a_mail(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", f"{plugin}:OneShort", "--against", "smp-6.2-fix", *SOME]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "verdicts that differ: 1" in lines
    assert any("range-of-three: pass -> fail(" in line for line in lines)
    assert not any("own-tlb" in line for line in lines)
    assert any("CPU0" in line and "CPU1" in line for line in lines)
    assert max(map(len, lines)) <= MAIL_WIDTH
    assert any(line.startswith("Not seen:") for line in lines)


def test_the_order_of_the_two_turns_the_arrow(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "smp-6.2-fix", f"{plugin}:OneShort", *SOME]) == 1
    assert "-> pass" in capsys.readouterr().out


def test_a_plugin_is_judged_on_the_era_of_the_row(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", f"{plugin}:Whole", "--against", "smp-6.1", "--scenario", "own-tlb"]) == 0
    assert "eras 6.1 and 6.1" in capsys.readouterr().out


def test_two_eras_and_a_row_on_another_era(capsys: pytest.CaptureFixture[str]) -> None:
    only = ["--scenario", "lost-dirty-munmap"]
    assert main(["compare", "6.12", "6.1", *only]) == 1
    first = capsys.readouterr().out
    assert "lost-dirty-munmap: fail(33) no-lost-dirty -> pass" in first
    assert main(["compare", "smp-6.2-fix", "smp-6.2-fix@6.1", *only]) == 1
    assert "eras 6.2-fix and 6.1" in capsys.readouterr().out


def test_nothing_differs_from_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "smp-6.2-fix", "--against", "smp-6.2-fix", "--scenario", "own-tlb"]) == 0
    shown = capsys.readouterr().out
    assert "verdicts that differ: 0" in shown
    assert "counts that differ: 0" in shown


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["smp-6.1"], "name one B"),
        (["smp-6.1", "smp-6.2-fix", "--against", "6.1"], "name one B"),
        (["smp-6.1@5.4", "smp-6.1"], "behind the @"),
        (["smp-6.1", "nobody"], "nobody"),
        (["smp-6.1", "6.12", "--workload", "page_fault4"], "did you mean page_fault3?"),
    ],
)
def test_what_cannot_be_compared_is_said(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *argv]) == 2
    assert said in capsys.readouterr().err


def test_a_step_that_does_not_fit_is_continued() -> None:
    trace = (Step(0, "a", "x" * 60, ()), Step(1, "b", "one two three " * 4, ()), Step(2, "c", "z", ()))
    lines = mail(trace).splitlines()
    assert max(map(len, lines)) <= MAIL_WIDTH
    assert "".join(line[5:28].strip() for line in lines).count("x") == 60
    assert lines[-1].startswith("  3>")


def test_coverage_says_what_ran_with_how_many_pages_under_which_locks() -> None:
    arch = set_up("x86", load_object("arch_plugins.x86:X86"), "x86")
    found = covered(arch, ERAS["6.12"], SCENARIOS["batch-limit"])
    assert not found.problem
    cleared = {call for call in found.calls if call.hook == "ptep_get_and_clear"}
    assert {call.locks for call in cleared} == {("mmap_lock (read)", "ptl")}
    (flushed, *_) = [call for call in found.calls if call.hook == "tlb_flush"]
    assert flushed.pages is not None
    assert flushed.pages != WHOLE
    assert not {call.hook for call in found.calls} & {"ptep_clear_flush", "arch_tlbbatch_flush"}


def test_a_hook_that_never_ran_is_named(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coverage", f"{plugin}:Whole", "--scenario", "range-of-three"]) == 0
    shown = capsys.readouterr().out
    assert "1 hooks of its own" in shown
    assert "never ran: none" in shown
    assert main(["coverage", f"{plugin}:Whole", "--scenario", "reclaim-old"]) == 1
    assert "never ran: flush_tlb_range" in capsys.readouterr().out
    assert main(["coverage", f"{plugin}:Whole", "--hook", "nothing"]) == 2


def test_locks_are_taken_and_released() -> None:
    held: frozenset[str] = frozenset()
    for name, value, expected in (
        ("mmap_write_lock", None, {"mmap_lock (write)"}),
        ("mmap_write_downgrade", None, {"mmap_lock (read)"}),
        ("lock ptl[0]", None, {"mmap_lock (read)", "ptl[0]"}),
        ("lock ptl[1]", None, {"mmap_lock (read)", "ptl[0]", "ptl[1]"}),
        ("unlock ptl[0]", None, {"mmap_lock (read)", "ptl[1]"}),
        ("trylock ptl[0]", False, {"mmap_lock (read)", "ptl[1]"}),
        ("trylock ptl[0]", True, {"mmap_lock (read)", "ptl[0]", "ptl[1]"}),
        ("mmap_read_unlock", None, {"ptl[0]", "ptl[1]"}),
    ):
        held = after(held, name, value)
        assert held == expected


def test_a_workload_that_calls_no_hook_of_the_plugin_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    luf = "arch_plugins.research.luf:Luf"
    assert main(["workloads", "--plugin", luf, "--workload", "page_fault3"]) == 0
    assert f"none of the hooks of {luf} ran in: page_fault3" in capsys.readouterr().out
    assert main(["workloads", "--plugin", "arch_plugins.x86:X86", "--workload", "page_fault3"]) == 0
    assert "none of the hooks" not in capsys.readouterr().out


def test_a_page_has_both_side_by_side(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jinja2")
    command = ["compare", f"{plugin}:OneShort", "--against", "smp-6.2-fix", *SOME, "--format", "html"]
    assert main(command) == 1
    page = capsys.readouterr().out
    assert page.startswith("<!doctype html>")
    assert "OneShort against smp-6.2-fix</h2>" in page
    table = page[page.index('id="beside"') : page.index("Verdicts that differ: 1; the same: 1")]
    assert "range-of-three" in table
    assert "own-tlb" not in table
    assert 'href="#/cell/smp-6.2-fix/range-of-three">✓ pass</a>' in table
