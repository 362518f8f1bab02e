"""The fixes that docs/findings.md proposes, as patches of the kernel's trees: what is red is green with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli.tree import row_of
from core.conformance import Result
from core.table.jobs import VerdictJob
from core.tree.kernel_tree import KernelTree
from tests.tree.patches import Patch, scratch
from tests.tree.patches.fixes import FIXES

Trees = Callable[[str], KernelTree]

TOO = {
    "alpha queues its tables": ("table-nested", "table-upwards", "table-pmd", "exec-stack"),
    "riscv queues its tables, 6.1": ("table-pmd", "table-pud"),
    "sparc32 leaves the mask alone": ("kthread-use-mm",),
    "loongarch interrupts whatever mm_users says": ("kthread-dontneed",),
    "mips interrupts whatever mm_users says": ("kthread-dontneed",),
    "sh interrupts whatever mm_users says": ("kthread-dontneed",),
}
"""What a fix turns green besides the scenario of its patch."""

OTHERS = ("own-tlb", "use-after-free", "reclaim-mprotect", "fork-protects")
"""What stays as it is."""


def judged(arch: str, tree: KernelTree, scenario: str) -> Result:
    """The verdict of a tree."""
    return VerdictJob(row_of(arch, tree, ""), scenario).run()


def both(patch: Patch, unpacked: Trees, tmp_path: Path, scenario: str) -> tuple[Result, Result]:
    """The verdicts without and with a patch."""
    tree = unpacked(patch.version)
    fixed = KernelTree(scratch(patch.arch, tree, tmp_path / "fixed", patch))
    return judged(patch.arch, tree, scenario), judged(patch.arch, fixed, scenario)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIXES)
def test_a_proposed_fix_is_green(name: str, unpacked: Trees, tmp_path: Path) -> None:
    patch = FIXES[name]
    for scenario in (patch.scenario, *TOO.get(name, ())):
        without, fixed = both(patch, unpacked, tmp_path, scenario)
        assert without.verdict == "fail"
        assert (fixed.verdict, fixed.exhaustive) == ("pass", True)
    for scenario in OTHERS:
        without, fixed = both(patch, unpacked, tmp_path, scenario)
        assert (without.verdict, fixed.verdict) == ("pass", "pass")
