"""The C of real trees: the verdicts of the plugins, and patches that must be red, with traces that name lines of C."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from core.compare import main
from core.tree.binding import binding, names
from core.tree.kernel_tree import KernelTree

VERSIONS = ("6.1", "6.12")
Trees = Callable[[str], KernelTree]


class Patch(NamedTuple):
    """A text of the tree that is replaced; `scenario` must then fail, with a line of `path` in its trace."""

    arch: str
    path: str
    old: str
    new: str
    scenario: str


S390_TLBFLUSH = "arch/s390/include/asm/tlbflush.h"
S390_PGTABLE = "arch/s390/mm/pgtable.c"
RISCV_TLBFLUSH = "arch/riscv/mm/tlbflush.c"
LOONGARCH_SMP = "arch/loongarch/kernel/smp.c"
GATHER = "mm/mmu_gather.c"

PATCHES = {
    "flush_mm forgotten": Patch(
        "s390",
        S390_PGTABLE,
        "\t\tset_pte(ptep, set_pte_bit(*ptep, __pgprot(_PAGE_INVALID)));\n\t\tmm->context.flush_mm = 1;",
        "\t\tset_pte(ptep, set_pte_bit(*ptep, __pgprot(_PAGE_INVALID)));",
        "switch-back",
    ),
    "flush_mm cleared behind the flush": Patch(
        "s390",
        S390_TLBFLUSH,
        "\t\tmm->context.flush_mm = 0;\n\t\t__tlb_flush_mm(mm);",
        "\t\t__tlb_flush_mm(mm);\n\t\tmm->context.flush_mm = 0;",
        "table-flush-mm",
    ),
    "s390 frees tables at once": Patch(
        "s390",
        "arch/s390/include/asm/tlb.h",
        "\ttlb->cleared_pmds = 1;\n",
        "\ttlb->cleared_pmds = 1;\n\tpagetable_free(pte);\n\treturn;\n",
        "table-free",
    ),
    "riscv fences this CPU alone": Patch(
        "riscv",
        RISCV_TLBFLUSH,
        "\tif (cpumask_any_but(cmask, cpu) >= nr_cpu_ids) {",
        "\tif (cpumask_any_but(cmask, cpu) >= nr_cpu_ids || size <= PAGE_SIZE) {",
        "use-after-free",
    ),
    "riscv forgets that tables were freed": Patch(
        "riscv",
        "arch/riscv/include/asm/tlb.h",
        "tlb->fullmm || tlb->need_flush_all || tlb->freed_tables",
        "tlb->fullmm || tlb->need_flush_all",
        "table-pmd",
    ),
    "loongarch leaves the contexts of other CPUs": Patch(
        "loongarch",
        LOONGARCH_SMP,
        "\t\t\tif (cpu != smp_processor_id() && cpu_context(cpu, mm))\n\t\t\t\tcpu_context(cpu, mm) = 0;\n"
        "\t\t}\n\t\tlocal_flush_tlb_range",
        "\t\t}\n\t\tlocal_flush_tlb_range",
        "task-moves",
    ),
    "loongarch takes a borrower for the user": Patch(
        "loongarch",
        LOONGARCH_SMP,
        "\tif ((atomic_read(&mm->mm_users) != 1) || (current->mm != mm)) {\n\t\tstruct flush_tlb_data fd",
        "\tif (atomic_read(&mm->mm_users) != 1) {\n\t\tstruct flush_tlb_data fd",
        "kthread-use-mm",
    ),
    "the gather is not flushed": Patch(
        "mmu_gather",
        GATHER,
        "\ttlb_flush_mmu_tlbonly(tlb);\n\ttlb_flush_mmu_free(tlb);",
        "\ttlb_flush_mmu_free(tlb);",
        "pfnmap",
    ),
    "the gather is freed before it is flushed": Patch(
        "mmu_gather",
        GATHER,
        "\ttlb_flush_mmu_tlbonly(tlb);\n\ttlb_flush_mmu_free(tlb);",
        "\ttlb_flush_mmu_free(tlb);\n\ttlb_flush_mmu_tlbonly(tlb);",
        "table-pmd",
    ),
    "nested gathers are not noticed": Patch(
        "mmu_gather", GATHER, "if (mm_tlb_flush_nested(tlb->mm)) {", "if (0) {", "nested-gathers"
    ),
    "delayed rmaps of the first batch are forgotten": Patch(
        "mmu_gather", GATHER, "\ttlb_flush_rmap_batch(&tlb->local, vma);\n", "", "lost-dirty-dontneed"
    ),
    "a single table is freed while walkers may be in it": Patch(
        "mmu_gather",
        GATHER,
        "\t\t\ttlb_table_invalidate(tlb);\n\t\t\ttlb_remove_table_one",
        "\t\t\ttlb_remove_table_one",
        "table-free",
    ),
}


def scratch(arch: str, tree: KernelTree, root: Path, patch: Patch) -> Path:
    """A copy of what the unit of `arch` is made of, patched."""
    for path in ["Makefile", *(source.path for source in binding(arch).manifest(tree.version).sources)]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree.root / path, root / path)
    text = (root / patch.path).read_text()
    assert patch.old in text
    (root / patch.path).write_text(text.replace(patch.old, patch.new, 1))
    return root


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


@pytest.mark.parametrize("name", PATCHES)
def test_a_bad_patch_is_red_and_its_trace_names_lines_of_c(
    name: str, unpacked: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patch = PATCHES[name]
    tree = scratch(patch.arch, unpacked("6.12"), tmp_path / "patched", patch)
    result = judged(patch.arch, tree, tmp_path, (patch.scenario,), capsys)["c"][patch.scenario]
    assert result["verdict"] == "fail"
    places = (f"arch/{patch.arch}/",) if patch.path.startswith("arch/") else ("mm/", "include/")
    assert any(f" at {place}" in step["step"] for step in result["trace"] for place in places)
