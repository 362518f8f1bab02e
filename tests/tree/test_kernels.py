"""The C of real trees has the verdicts of the plugins, and what is wrong with a tree is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.compare import main
from core.tree.binding import names
from core.tree.errors import TreeError
from core.tree.kernel_tree import KernelTree, open_tree
from core.tree.row import built
from tests.tree.patches import Patch, scratch

VERSIONS = ("6.1", "6.12")
Trees = Callable[[str], KernelTree]


MEMORY, RMAP = "mm/memory.c", "mm/rmap.c"


def judged(
    arch: str, root: Path, tmp_path: Path, scenarios: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> dict[str, dict[str, Any]]:
    """The results of the plugin in Python and of the C, by scenario."""
    chosen = [part for name in scenarios for part in ("--scenario", name)]
    more = ["--no-costs", "--jobs", "2", "--format", "json", "--output", str(tmp_path / "out")]
    main(["tree", str(root), "--arch", arch, *chosen, *more])
    results = json.loads(capsys.readouterr().out)["results"]
    rows: dict[str, dict[str, Any]] = {"c": {}, "python": {}}
    for result in results:
        rows[result["architecture"].rpartition("-")[2]][result["scenario"]] = result
    return rows


SCENARIOS = ("own-tlb", "use-after-free", "switch-back", "reclaim-mprotect", "table-free", "table-pmd", "huge-dirty")


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("arch", names())
def test_the_c_has_the_verdicts_of_the_plugin(
    arch: str, version: str, unpacked: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = judged(arch, unpacked(version).root, tmp_path, SCENARIOS, capsys)
    found = {name: (result["verdict"], result["violated"]) for name, result in rows["c"].items()}
    assert found == {name: (result["verdict"], result["violated"]) for name, result in rows["python"].items()}
    assert sum(result["exhaustive"] for result in rows["c"].values()) >= 4


def without(path: str, tree: Path) -> None:
    """Remove a file."""
    (tree / path).unlink()


def replaced(path: str, old: str, new: str, tree: Path) -> None:
    """Replace a text wherever it is."""
    (tree / path).write_text((tree / path).read_text().replace(old, new))


BAD = {
    "a file is missing": (partial(without, RMAP), "mm/rmap.c: No such file or directory in "),
    "an entry point is renamed": (
        partial(replaced, MEMORY, "unmap_page_range", "unmap_pages"),
        "mm/memory.c: no function unmap_page_range(); was it renamed, or is the tree of another version?",
    ),
    "the tree is of another version": (
        partial(replaced, "Makefile", "PATCHLEVEL = 12", "PATCHLEVEL = 1"),
        "; was it changed, or is the tree not of its Makefile's version?",
    ),
    "a helper is new": (
        partial(replaced, MEMORY, "\tinit_rss_vec(rss);\n", "\tinit_zap(rss);\n"),
        "does not compile: implicit declaration of function",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_tree_of_the_core_is_one_line(name: str, unpacked: Trees, tmp_path: Path) -> None:
    spoil, said = BAD[name]
    root = scratch("mm", unpacked("6.12"), tmp_path / "bad", Patch("mm", MEMORY, "zap_pte_range", "zap_pte_range", ""))
    spoil(root)
    with pytest.raises(TreeError) as caught:
        built("mm", open_tree(root))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
