"""The core's C counted on the path of each workload: as the text, and what patches of mm/ change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.cli.against import count_changes
from core.cli.tree import row_of, rows_of
from core.cost.core_workloads import OF_THE_CORE
from core.cost.workloads import CHANGES, STANDARD, WORKLOADS
from core.table.count_jobs import Counted, CountJob
from core.table.row import Row
from core.tree.kernel_tree import KernelTree
from core.tree.row import counting_plugin
from tests.tree.patches import counted, scratch

CORE = ("mm", "mmu_gather", "mmu_gather_rcu", "mmu_gather_merged")
"""Units whose C is in place of functions of the core."""

ALL_OF_THEM = ("mm", "mmu_gather")
"""Those with the three large workloads too, of which each takes seconds."""

LOADS = {**CHANGES, **OF_THE_CORE}

PATIENT = 3600.0
"""Seconds: of a busy machine nothing is asked."""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One cache for all: what is kept there is named by the text that it was made of."""
    place = tmp_path_factory.getbasetemp() / "counted"
    monkeypatch.setenv("SHOOTDOWN_CACHE", str(place))
    return place


def by_c(row: Row, *names: str) -> Counted:
    """The counts of workloads by the C of a tree's row."""
    loads = tuple(LOADS[name] for name in names)
    return CountJob(replace(row, plugin=counting_plugin(row.plugin)), loads, timeout=PATIENT).run()


@pytest.mark.slow
@pytest.mark.parametrize("version", ["6.1", "6.12"])
@pytest.mark.parametrize("arch", CORE)
def test_every_workload_counts_alike_on_the_c_of_the_core(
    arch: str, version: str, unpacked: Callable[[str], KernelTree]
) -> None:
    text, c = rows_of(arch, unpacked(version))
    loads = [name for name in LOADS if arch in ALL_OF_THEM or name not in STANDARD]
    ours = CountJob(text, tuple(LOADS[name] for name in loads), timeout=PATIENT).run()
    theirs = by_c(c, *loads)
    assert (ours.problem, theirs.problem) == ("", "")
    assert (ours.by_text, theirs.by_text) == (None, ())
    assert theirs.counts == ours.counts


@pytest.mark.slow
def test_what_is_too_large_for_c_is_counted_with_the_text(unpacked: Callable[[str], KernelTree]) -> None:
    _, c = rows_of("mm", unpacked("6.12"))
    large = WORKLOADS["exit_anon"]
    loads = (large, CHANGES["malloc_trim pages=1"])
    found = CountJob(replace(c, plugin=counting_plugin(c.plugin)), loads, timeout=PATIENT).run()
    assert (found.problem, found.by_text) == ("", ("exit_anon",))


@pytest.mark.slow
@pytest.mark.parametrize("name", counted.CHANGED)
def test_what_a_patch_of_the_core_changes_is_counted(
    name: str, unpacked: Callable[[str], KernelTree], tmp_path: Path
) -> None:
    tree, (patch, load, lines) = unpacked("6.12"), counted.CHANGED[name]
    patched = KernelTree(scratch(patch.arch, tree, tmp_path / "patched", patch))
    before, now = (by_c(row_of(patch.arch, one, ""), load) for one in (tree, patched))
    assert (before.problem, now.problem) == ("", "")
    assert lines
    assert set(lines) <= set(count_changes(before, now))
