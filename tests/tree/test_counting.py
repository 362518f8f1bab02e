"""Workloads on C: counted as with the text, whatever their sizes, and with instructions that no model needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.cli.against import count_changes
from core.cli.tree import row_of, rows_of
from core.cost.core_workloads import OF_THE_CORE
from core.cost.workloads import CHANGES, WORKLOADS
from core.table.count_jobs import Counted, CountJob
from core.table.row import Row
from core.tree.binding import binding
from core.tree.counting import counting, name_of
from core.tree.kernel_tree import KernelTree
from core.tree.row import counting_plugin
from core.tree.vocabulary import Word
from tests.tree.conftest import REFERENCE
from tests.tree.patches import counted, scratch

CORE = ("mm", "mmu_gather", "mmu_gather_rcu", "mmu_gather_merged")
"""Units whose C is in place of functions of the core."""

LOADS = {**CHANGES, **OF_THE_CORE}

LARGE = ("tlb_flush1", "munmap_sparse")
"""In which lengths are symbolic (core.cost.affine)."""


def test_a_workload_of_any_size_counts_alike_on_c_and_on_the_text(toy: Path) -> None:
    text, c = rows_of(REFERENCE, KernelTree(toy))
    loads = (CHANGES["malloc_trim pages=33"], *(WORKLOADS[name] for name in LARGE))
    ours, theirs = CountJob(text, loads).run(), CountJob(c, loads).run()
    assert (ours.problem, theirs.problem) == ("", "")
    assert theirs.counts == ours.counts
    assert theirs.counts["munmap_sparse"]["tables_freed"] == 4096 + 8 + 1  # of three levels


@pytest.mark.parametrize("name", ["malloc_trim", "tlb_flush1"])
def test_the_core_from_c_counts_runs_of_pages_with_the_text(name: str, unpacked: Callable[[str], KernelTree]) -> None:
    text, c = (CountJob(row, (WORKLOADS[name],)).run() for row in rows_of("mmu_gather", unpacked("6.12")))
    assert c.problem == ""
    assert c.counts == text.counts


@pytest.mark.parametrize(
    ("kind", "said"),
    [("barrier smp_wmb", "smp_wmb"), ("barrier acquire", "acquire"), ("isb", "ISB"), ("dsb nsh", "DSB_NSH")],
)
def test_an_instruction_that_no_model_needs_is_counted_by_its_name(kind: str, said: str) -> None:
    words = binding("arm64").vocabulary
    hidden, counted = words.rule(Word(kind, "")), counting(words).rule(Word(kind, ""))
    assert hidden is not None
    assert counted is not None
    assert hidden.do is None
    assert counted.do is not None
    assert name_of(Word(kind, "")) == said


@pytest.mark.parametrize("word", [Word("dsb ish", ""), Word("preempt_disable", ""), Word("read", "mm_cpumask")])
def test_any_other_word_is_what_it_was(word: Word) -> None:
    words = binding("arm64").vocabulary
    assert counting(words).rule(word) is words.rule(word) is not None


def test_what_no_rule_knows_stays_an_error() -> None:
    assert counting(binding("arm64").vocabulary).rule(Word("new instruction", "")) is None


def by_c(row: Row, *names: str) -> Counted:
    """The counts of workloads by the C of a tree's row."""
    return CountJob(replace(row, plugin=counting_plugin(row.plugin)), tuple(LOADS[name] for name in names)).run()


@pytest.mark.slow
@pytest.mark.parametrize("version", ["6.1", "6.12"])
@pytest.mark.parametrize("arch", CORE)
def test_every_workload_counts_alike_on_the_c_of_the_core(
    arch: str, version: str, unpacked: Callable[[str], KernelTree]
) -> None:
    text, c = rows_of(arch, unpacked(version))
    ours, theirs = CountJob(text, tuple(LOADS.values())).run(), by_c(c, *LOADS)
    assert (ours.problem, theirs.problem) == ("", "")
    assert (ours.by_text, theirs.by_text) == (None, ())
    assert theirs.counts == ours.counts


@pytest.mark.slow
def test_what_is_too_large_for_c_is_counted_with_the_text(unpacked: Callable[[str], KernelTree]) -> None:
    _, c = rows_of("mm", unpacked("6.12"))
    large = WORKLOADS["exit_anon"]
    found = CountJob(replace(c, plugin=counting_plugin(c.plugin)), (large, CHANGES["malloc_trim pages=1"])).run()
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
    assert set(lines) <= set(count_changes(before, now))
