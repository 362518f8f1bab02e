"""`tree --equal`: the plugin's text and the C of a tree are the same programs, or where they differ, line by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.compare import main
from core.tree.binding import names
from core.tree.kernel_tree import KernelTree
from tests.tree.conftest import REFERENCE, Edit

SCENARIOS = ("use-after-free", "dontneed-against-mprotect", "reclaim-mprotect", "lazy-back")


def equal(
    root: Path, arch: str, scenarios: tuple[str, ...], capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, str]:
    """The exit status and what is said, without the breaks of lines."""
    chosen = [part for name in scenarios for part in ("--scenario", name)]
    status = main(["tree", str(root), "--arch", arch, "--equal", "--jobs", "2", *chosen, *more])
    return status, " ".join(capsys.readouterr().out.split())


def test_equal_is_proved(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = equal(toy, REFERENCE, SCENARIOS[:3], capsys)
    assert status == 0
    assert "toy-6.12-c against toy-python: 3 scenarios equal (proved), 0 differ;" in said
    assert "hidden words" in said
    assert "READ_ONCE mm.context.id at arch/toy/include/asm/tlbflush.h:11" in said
    assert "lines with operations that nothing has reached" in said  # flush_tlb_mm() by itself: no scenario calls it


def test_a_difference_is_shown_with_both_lines(toy: Path, edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    edit("tlb.c", "\ton_each_cpu_mask(mm_cpumask(mm), ipi_flush_tlb_mm, mm, 1);", "\tipi_flush_tlb_mm(mm);")
    status, said = equal(toy, REFERENCE, ("use-after-free",), capsys, "--no-costs")
    assert status == 1
    assert "0 scenarios equal (proved), 1 differ" in said
    assert "differs: use-after-free, unmap" in said
    assert "C alone: TLBIA at arch/toy/include/asm/tlbflush.h:12: returns -" in said
    assert "> Python: send IPI to CPU0: flush all" in said
    assert "(core/mm/smp.py:" in said
    assert "> C: put_page(page0) (core/mm/swap.py:" in said


def test_a_look_more_of_which_nothing_follows_is_silent(
    toy: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("tlb.c", "\tpreempt_disable();", "\tif (cpumask_empty(mm_cpumask(mm)))\n\t\treturn;\n\tpreempt_disable();")
    status, said = equal(toy, REFERENCE, SCENARIOS, capsys, "--no-costs")
    assert status == 0
    assert "4 scenarios equal (proved), 0 differ" in said
    assert "C: mm_cpumask at arch/toy/mm/tlb.c:14" in said


def test_c_that_is_never_reached_is_listed(toy: Path, edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\tif (cpumask_weight(mm_cpumask(mm)) > 9)\n\t\tBUG();\n\tpreempt_enable();")
    _, said = equal(toy, REFERENCE, ("use-after-free",), capsys, "--no-costs")
    assert "lines with operations that nothing has reached: arch/toy/mm/tlb.c: 17, " in said


def test_a_tree_that_cannot_be_built_is_not_equal(toy: Path, edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\tsome_new_helper(mm);")
    status, said = equal(toy, REFERENCE, ("use-after-free",), capsys, "--no-costs")
    assert status == 1
    assert "use-after-free: not compared: arch/toy/mm/tlb.c:16: does not compile" in said


def test_scenarios_that_run_no_c_are_counted(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said = equal(toy, REFERENCE, ("use-after-free", "kernel-range"), capsys, "--no-costs", "--jobs", "1")
    assert "2 scenarios equal (proved), 1 of these run no C, 0 differ" in said


PAIRS = frozenset({"flush-crosswise"})
"""Where the model's tables are of one page: an entry of loongarch and mips is a pair, which is in one table."""

ZEROED = frozenset({"exit-mmap", "kthread-dontneed"})
"""Where alpha's 6.1 flushes its own TLB before it sets the contexts of other CPUs to 0."""

DIFFER = {
    "alpha": frozenset(),
    "alpha 6.1": ZEROED,
    "arc": frozenset(),
    "arm": frozenset(),
    "arm64": frozenset(),
    "loongarch": PAIRS,
    "mips": PAIRS,
    "mm": frozenset(),
    "mmu_gather": frozenset(),
    "mmu_gather_merged": frozenset(),
    "mmu_gather_rcu": frozenset(),
    "parisc": frozenset(),
    "powerpc_hash": frozenset(),
    "powerpc_radix": frozenset(),
    "riscv": frozenset(),
    "s390": frozenset(),
    "sh": frozenset(),
    "sparc32": frozenset(),
    "sparc64": frozenset(),
    "x86": frozenset(),
    "xtensa": frozenset(),
}
"""The scenarios that differ, by architecture, or by it and version; docs/tree.md explains each."""

LEAST_EQUAL = 75
"""Of the architecture with the fewest."""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["6.1", "6.12"])
@pytest.mark.parametrize("arch", names())
def test_the_plugins_are_the_c_of_the_kernel(
    arch: str, version: str, unpacked: Callable[[str], KernelTree], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.cli import equal as command

    found: list[Any] = []
    run = command._run
    monkeypatch.setattr(command, "_run", lambda *given: found.append(run(*given)) or found[-1])
    main(["tree", str(unpacked(version).root), "--arch", arch, "--equal", "--jobs", "2", "--no-costs"])
    answers = found[0][0]
    assert not [one.problem for one in answers if one.problem]
    differ = {one.scenario for one in answers if one.found and one.found.differences}
    assert differ == DIFFER.get(f"{arch} {version}", DIFFER[arch])
    assert sum(bool(one.equal and one.found and one.found.exhaustive) for one in answers) >= LEAST_EQUAL


@pytest.mark.slow
@pytest.mark.parametrize("version", ["6.1", "6.12"])
def test_advice_goes_on_where_a_huge_page_has_been_split(
    version: str, unpacked: Callable[[str], KernelTree], capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = equal(unpacked(version).root, "mm", ("tests/tree/free_split.py:SPLIT",), capsys, "--no-costs")
    assert status == 0
    assert "1 scenarios equal (proved), 0 differ" in said
