"""Patches of kernel trees: bad ones are red, with lines of C in the trace, and good ones are green."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from core.cli.tree import row_of
from core.conformance import Result
from core.table.jobs import VerdictJob
from core.tree.kernel_tree import KernelTree
from tests.tree.patches import (
    Patch,
    advice,
    asids,
    contexts,
    faults,
    gather,
    good,
    good_flushes,
    issued,
    machines,
    mappings,
    memory,
    reviewed,
    rmap,
    scratch,
    smp,
)

Trees = Callable[[str], KernelTree]
LINE = re.compile(r" at (?:arch|include|mm|kernel)/[\w/.-]+:\d+")
TABLES = (
    faults.BAD,
    gather.BAD,
    memory.BAD,
    mappings.BAD,
    rmap.BAD,
    advice.BAD,
    machines.BAD,
    smp.BAD,
    contexts.BAD,
    issued.BAD,
    reviewed.BAD,
    asids.BAD,
)
GOOD: Mapping[str, Patch] = {**good.GOOD, **good_flushes.GOOD, **reviewed.GOOD, **asids.GOOD}
BAD: Mapping[str, Patch] = {name: patch for table in TABLES for name, patch in table.items()}


def test_each_patch_has_a_name_of_its_own() -> None:
    assert len(BAD) == sum(map(len, TABLES))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One cache for all: what is kept there is named by the text that it was made of."""
    place = tmp_path_factory.getbasetemp() / "patches"
    monkeypatch.setenv("SHOOTDOWN_CACHE", str(place))
    return place


def judged(patch: Patch, tree: KernelTree) -> Result:
    """The verdict of a tree in the scenario of `patch`."""
    return VerdictJob(row_of(patch.arch, tree, ""), patch.scenario).run()


GOOD_TREES: dict[tuple[str, str, str], str] = {}
"""By architecture, version and scenario the verdict of the tree as it is, on which many patches are made."""


def verdict_before(patch: Patch, tree: KernelTree) -> str:
    """The verdict of the tree as it is."""
    key = (patch.arch, patch.version, patch.scenario)
    if key not in GOOD_TREES:
        GOOD_TREES[key] = judged(patch, tree).verdict
    return GOOD_TREES[key]


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_a_bad_patch_is_red_and_its_trace_names_lines_of_c(name: str, unpacked: Trees, tmp_path: Path) -> None:
    patch = BAD[name]
    tree = unpacked(patch.version)
    found = judged(patch, KernelTree(scratch(patch.arch, tree, tmp_path / "bad", patch)))
    assert (verdict_before(patch, tree), found.verdict) == ("pass", "fail")
    assert not patch.lines or any(LINE.search(step.step) for step in found.trace)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_c_that_is_written_otherwise_is_green(name: str, unpacked: Trees, tmp_path: Path) -> None:
    patch = GOOD[name]
    found = judged(patch, KernelTree(scratch(patch.arch, unpacked(patch.version), tmp_path / "good", patch)))
    assert (found.verdict, found.exhaustive) == ("pass", True)
