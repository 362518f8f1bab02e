"""Workloads on C: counted as with the text, whatever their sizes, and with instructions that no model needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli.tree import rows_of
from core.cost.workloads import CHANGES, WORKLOADS
from core.table.count_jobs import CountJob
from core.tree.binding import binding
from core.tree.counting import counting, name_of
from core.tree.kernel_tree import KernelTree
from core.tree.vocabulary import Word
from tests.tree.conftest import REFERENCE

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
