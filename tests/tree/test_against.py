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
from tests.tree.patches import Patch, memory, scratch

SCENARIOS = ("--scenario", "use-after-free", "--scenario", "reclaim-mprotect")


@pytest.fixture
def before(toy: Path, tmp_path: Path) -> Path:
    """The toy tree as it was before it is edited."""
    return Path(shutil.copytree(toy, tmp_path / "before"))


def against(new: Path, old: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    """The exit status, and what is said on stdout and stderr without the breaks of lines."""
    status = main(["tree", str(new), "--against", str(old), "--arch", REFERENCE, "--jobs", "2", *SCENARIOS, *more])
    said = capsys.readouterr()
    return status, " ".join(said.out.split()), " ".join(said.err.split())


def changed(arch: str, new: Path, old: Path, capsys: pytest.CaptureFixture[str], *more: str) -> set[str]:
    """The lines about counts that differ between two trees of an architecture."""
    chosen = ["--arch", arch, "--scenario", "own-tlb", "--jobs", "2", *more]
    main(["tree", str(new), "--against", str(old), *chosen])
    said = capsys.readouterr().out
    assert "not counted" not in said
    counted = said.partition("\ncounts that differ: ")[2].partition("\n\n")[0]
    number, *lines = counted.splitlines()
    assert len(lines) == int(number)
    return {line.strip() for line in lines}


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


@pytest.mark.slow
def test_what_a_good_patch_changes_is_shown_the_other_way_round(
    toy: Path, before: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("tlb.c", "\ton_each_cpu_mask(mm_cpumask(mm), ipi_flush_tlb_mm, mm, 1);", "\tipi_flush_tlb_mm(mm);")
    status, out, _ = against(before, toy, capsys)
    assert status == 1
    assert "use-after-free: fail(12) use-after-free -> pass" in out


@pytest.mark.slow
def test_a_barrier_that_is_added_or_removed_is_a_count(
    toy: Path, before: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("tlb.c", "\tpreempt_disable();\n\ton_each", "\tpreempt_disable();\n\tsmp_wmb();\n\ton_each")
    status, out, _ = against(toy, before, capsys)
    assert status == 1
    assert "verdicts that differ: 0" in out
    assert "malloc_trim pages=1: insn:smp_wmb 0 -> 1" in out
    assert "checkpoint_writeback pages=8 every=1: insn:smp_wmb 0 -> 8" in out
    status, out, _ = against(before, toy, capsys)
    assert status == 1
    assert "fork_storm children=1 pages=8: insn:smp_wmb 2 -> 0" in out


@pytest.mark.slow
def test_the_workloads_that_are_counted_can_be_named(
    toy: Path, before: Path, edit: Edit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("tlb.c", "\ton_each_cpu_mask(mm_cpumask(mm), ipi_flush_tlb_mm, mm, 1);", "\tipi_flush_tlb_mm(mm);")
    own = tmp_path / "own.py"
    own.write_text(
        "from core.cost.workload import Workload, WorkloadStep\n"
        "five = Workload('five', 'five pages', (WorkloadStep((('anon_dirty', 5),), times=3),))\n"
    )
    _, out, _ = against(toy, before, capsys, "--workload", f"{own}:five", "--workload", "malloc_trim pages=8")
    assert "counts that differ: 4 five: ipis 3 -> 0 five: ipis_running 3 -> 0 malloc_trim pages=8: ipis 1 -> 0" in out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--against", "6.12", "--workload", "nosuch"], "--workload nosuch: no such workload; expected one of"),
        (["--workload", "protect"], "--workload says what is counted of two trees: give --against PATH2 too"),
    ],
)
def test_a_workload_that_cannot_be_counted_is_one_line(
    asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tree", "6.12", "--arch", "s390", "--scenario", "own-tlb", *asked]) == 2
    assert said in capsys.readouterr().err


def test_one_workload_that_cannot_be_counted_leaves_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    loads = ["--workload", "tlb_flush1", "--workload", "page_fault3"]
    assert main(["tree", "6.12", "--against", "6.1", "--arch", "x86", "--scenario", "own-tlb", *loads]) == 1
    said = capsys.readouterr()
    out = " ".join(said.out.split())
    assert "counts that differ: 1 page_fault3: " in out
    assert "x86-6.12-c: not counted: tlb_flush1: enter_tlb_flush(0x400000, " in out
    assert "barriers: they are not counted" in said.err


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
    patched = scratch("mm", tree, tmp_path / "patched", memory.BAD["the zap does not flush under the lock"])
    chosen = ["--scenario", "lost-dirty-dontneed", "--scenario", "use-after-free", "--jobs", "2"]
    assert main(["tree", str(patched), "--against", str(tree.root), "--arch", "mm", *chosen]) == 1
    said = capsys.readouterr()
    out = " ".join(said.out.split())
    assert "verdicts that differ: 1 lost-dirty-dontneed: pass -> fail(30) no-lost-dirty" in out
    assert "set_page_dirty(page0) at mm/memory.c:1496" in out
    assert "rests on 1 hidden words" in said.err


TLB = "arch/x86/mm/tlb.c"
COUNTED = {
    "always flush all": (
        Patch("x86", TLB, "((end - start) >> stride_shift) > tlb_single_page_flush_ceiling) {", "1) {", ""),
        ("malloc_trim pages=1: insn:INVLPG 1 -> 0", "malloc_trim pages=33: flush_insns 33 -> 1"),
        "malloc_trim pages=34",
    ),
    "a ceiling of 32": (
        Patch("x86", TLB, "flush_ceiling __read_mostly = 33", "flush_ceiling __read_mostly = 32", ""),
        ("malloc_trim pages=33: insn:INVLPG 33 -> 0", "malloc_trim pages=33: insn:MOV_CR3 0 -> 1"),
        "malloc_trim pages=8",
    ),
    "the flushing CPU orders its stores": (
        Patch(
            "x86",
            TLB,
            "\tput_flush_tlb_info();\n\tput_cpu();",
            "\tsmp_mb();\n\tput_flush_tlb_info();\n\tput_cpu();",
            "",
        ),
        ("malloc_trim pages=34: insn:smp_mb 0 -> 1", "switching rounds=4 threads=3: insn:smp_mb 4 -> 8"),
        "vunmap",
    ),
    "a TLBI is followed by an ISB": (
        Patch("arm64", "arch/arm64/include/asm/tlbflush.h", "\tdsb(ish);\n", "\tdsb(ish);\n\tisb();\n", ""),
        ("malloc_trim pages=1: insn:ISB 0 -> 1", "munmap_sparse tables=2 pages=8: insn:ISB 0 -> 3"),
        "malloc_trim pages=1: flushes",
    ),
}
"""Patches that no scenario fails: some counts that differ, and the begin of lines of which none does."""


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTED)
def test_a_patch_that_is_right_is_shown_by_its_counts(
    name: str, unpacked: Callable[[str], KernelTree], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, (patch, lines, same) = unpacked("6.12"), COUNTED[name]
    patched = scratch(patch.arch, tree, tmp_path / "patched", patch)
    differ = changed(patch.arch, patched, tree.root, capsys)
    assert set(lines) <= differ
    assert not [line for line in differ if line.startswith(same)]
