"""s390 from the C of real trees: the verdicts of its plugin, and patches that must be red."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.compare import main
from core.tree.binding import binding
from core.tree.kernel_tree import KernelTree

VERSIONS = ("6.1", "6.12")
TLBFLUSH, TLB = "arch/s390/include/asm/tlbflush.h", "arch/s390/include/asm/tlb.h"
PGTABLE = "arch/s390/mm/pgtable.c"
Trees = Callable[[str], KernelTree]


def scratch(tree: KernelTree, root: Path, edits: list[tuple[str, str, str]]) -> Path:
    """A copy of what s390's unit is made of, with texts replaced."""
    for path in ["Makefile", *(source.path for source in binding("s390").manifest(tree.version).sources)]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree.root / path, root / path)
    for path, old, new in edits:
        text = (root / path).read_text()
        assert old in text, f"{path}: {old}"
        (root / path).write_text(text.replace(old, new, 1))
    return root


def judged(root: Path, tmp_path: Path, scenarios: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> Any:
    """The results of the tree's row by scenario."""
    chosen = [part for name in scenarios for part in ("--scenario", name)]
    more = ["--no-costs", "--jobs", "2", "--format", "json", "--output", str(tmp_path / "out")]
    main(["tree", str(root), "--arch", "s390", *chosen, *more])
    results = json.loads(capsys.readouterr().out)["results"]
    rows: dict[str, dict[str, Any]] = {"c": {}, "python": {}}
    for result in results:
        rows["c" if result["architecture"].endswith("-c") else "python"][result["scenario"]] = result
    return rows


SCENARIOS = ("own-tlb", "use-after-free", "local-flush", "switch-back", "task-moves", "table-free", "huge-dirty")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_c_has_the_verdicts_of_the_plugin(
    version: str, unpacked: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = judged(unpacked(version).root, tmp_path, SCENARIOS, capsys)
    assert {name: r["verdict"] for name, r in rows["c"].items()} == {
        name: r["verdict"] for name, r in rows["python"].items()
    }
    assert all(result["exhaustive"] for result in rows["c"].values() if result["verdict"] == "pass")
    assert sum(result["verdict"] == "pass" for result in rows["c"].values()) > 5


FORGOTTEN = (
    PGTABLE,
    "\t\tset_pte(ptep, set_pte_bit(*ptep, __pgprot(_PAGE_INVALID)));\n\t\tmm->context.flush_mm = 1;",
    "\t\tset_pte(ptep, set_pte_bit(*ptep, __pgprot(_PAGE_INVALID)));",
)
LATE = (
    TLBFLUSH,
    "\t\tmm->context.flush_mm = 0;\n\t\t__tlb_flush_mm(mm);",
    "\t\t__tlb_flush_mm(mm);\n\t\tmm->context.flush_mm = 0;",
)
AT_ONCE = (TLB, "\ttlb->cleared_pmds = 1;\n", "\ttlb->cleared_pmds = 1;\n\tpagetable_free(pte);\n\treturn;\n")
PATCHES = {
    "flush_mm forgotten": ([FORGOTTEN], "switch-back", PGTABLE),
    "flush_mm cleared behind the flush": ([LATE], "table-flush-mm", TLBFLUSH),
    "tables freed at once": ([AT_ONCE], "table-free", TLB),
}


@pytest.mark.parametrize("patch", PATCHES)
def test_a_bad_patch_is_red_and_its_trace_names_lines_of_c(
    patch: str, unpacked: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edits, scenario, path = PATCHES[patch]
    tree = scratch(unpacked("6.12"), tmp_path / "patched", edits)
    result = judged(tree, tmp_path, (scenario,), capsys)["c"][scenario]
    assert result["verdict"] == "fail"
    assert any(f" at {path}:" in step["step"] for step in result["trace"])
