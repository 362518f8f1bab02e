"""`tree PATH --against PATH2`: what a patch changes, and the fixes that docs/findings.md proposes, in C."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli.tree import row_of
from core.compare import main
from core.table.jobs import VerdictJob
from core.tree.kernel_tree import KernelTree
from tests.tree.conftest import PLACES, REFERENCE, Edit
from tests.tree.test_kernels import PATCHES, Patch, scratch

SCENARIOS = ("--scenario", "use-after-free", "--scenario", "reclaim-mprotect")


@pytest.fixture
def before(toy: Path, tmp_path: Path) -> Path:
    """The toy tree as it was before it is edited."""
    return Path(shutil.copytree(toy, tmp_path / "before"))


def against(new: Path, old: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The exit status, and what is said on stdout and stderr without the breaks of lines."""
    status = main(["tree", str(new), "--against", str(old), "--arch", REFERENCE, "--jobs", "2", *SCENARIOS])
    said = capsys.readouterr()
    return status, " ".join(said.out.split()), " ".join(said.err.split())


def test_a_tree_does_not_differ_from_itself(toy: Path, before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = against(toy, before, capsys)
    assert status == 0
    assert "verdicts that differ: 0" in out
    assert "counts that differ: 0" in out


def test_what_a_bad_patch_changes_is_shown_with_lines_of_c_and_counts(
    toy: Path, before: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("tlb.c", "\ton_each_cpu_mask(mm_cpumask(mm), ipi_flush_tlb_mm, mm, 1);", "\tipi_flush_tlb_mm(mm);")
    status, out, _ = against(toy, before, capsys)
    assert status == 1
    assert "verdicts that differ: 2 use-after-free: pass -> fail(12) use-after-free" in out
    assert "TLBIA at arch/toy/include/asm/tlbflush.h:12" in out
    assert "page_fault3: ipis 4 -> 0" in out


def test_what_a_good_patch_changes_is_shown_the_other_way_round(
    toy: Path, before: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("tlb.c", "\ton_each_cpu_mask(mm_cpumask(mm), ipi_flush_tlb_mm, mm, 1);", "\tipi_flush_tlb_mm(mm);")
    status, out, _ = against(before, toy, capsys)
    assert status == 1
    assert "use-after-free: fail(12) use-after-free -> pass" in out


@pytest.mark.parametrize("which", [0, 1])
def test_a_tree_that_cannot_be_built_is_one_line(
    which: int, toy: Path, before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (before / PLACES["tlb.c"]).unlink()
    sides = (before, toy) if which else (toy, before)
    status, out, err = against(*sides, capsys)
    assert status == 2
    assert not out
    assert "arch/toy/mm/tlb.c: No such file or directory" in err


PGTABLE, CONTEXT = "arch/s390/mm/pgtable.c", "arch/s390/include/asm/mmu_context.h"

FIXES = {
    "ptep_flush_direct() compares cpu_attach_mask as well": Patch(
        "s390",
        PGTABLE,
        "\t    cpumask_equal(mm_cpumask(mm), cpumask_of(smp_processor_id())))\n\t\tptep_ipte_local",
        "\t    cpumask_equal(&mm->context.cpu_attach_mask, cpumask_of(smp_processor_id())) &&\n"
        "\t    cpumask_equal(mm_cpumask(mm), cpumask_of(smp_processor_id())))\n\t\tptep_ipte_local",
        "local-ipte",
    ),
    "mm_cpumask is joined before flush_count is waited for": Patch(
        "s390",
        CONTEXT,
        "\t\twhile (atomic_read(&mm->context.flush_count))\n\t\t\tcpu_relax();\n"
        "\t\tcpumask_set_cpu(smp_processor_id(), mm_cpumask(mm));\n",
        "\t\tcpumask_set_cpu(smp_processor_id(), mm_cpumask(mm));\n"
        "\t\twhile (atomic_read(&mm->context.flush_count))\n\t\t\tcpu_relax();\n",
        "local-ipte",
    ),
}
"""Of B-43: without one of them the C of the kernel fails."""


@pytest.mark.parametrize("name", FIXES)
def test_a_proposed_fix_turns_the_c_green(name: str, unpacked: Callable[[str], KernelTree], tmp_path: Path) -> None:
    tree, patch = unpacked("6.12"), FIXES[name]
    fixed = KernelTree(scratch(patch.arch, tree, tmp_path / "patched", patch))
    old, new = (VerdictJob(row_of(patch.arch, one, ""), patch.scenario).run() for one in (tree, fixed))
    assert (old.verdict, old.violated) == ("fail", "use-after-free")
    assert any(f" at {PGTABLE}:" in step.step for step in old.trace)
    assert (new.verdict, new.exhaustive) == ("pass", True)


@pytest.mark.slow
def test_a_patch_of_the_core_is_shown_with_its_lines(
    unpacked: Callable[[str], KernelTree], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = unpacked("6.12")
    patched = scratch("mm", tree, tmp_path / "patched", PATCHES["the zap does not flush under the lock"])
    chosen = ["--scenario", "lost-dirty-dontneed", "--scenario", "use-after-free", "--jobs", "2"]
    assert main(["tree", str(patched), "--against", str(tree.root), "--arch", "mm", *chosen]) == 1
    said = capsys.readouterr()
    out = " ".join(said.out.split())
    assert "verdicts that differ: 1 lost-dirty-dontneed: pass -> fail(27) no-lost-dirty" in out
    assert "set_page_dirty(page0) at mm/memory.c:1496" in out
    assert "rests on 1 hidden words" in said.err
