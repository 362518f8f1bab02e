"""The C of real trees: the verdicts of the plugins, and patches that must be red, with traces that name lines of C."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from core.compare import main
from core.tree.binding import binding, names
from core.tree.errors import TreeError
from core.tree.kernel_tree import KernelTree, open_tree
from core.tree.row import built

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
GATHER, MEMORY, MPROTECT, MREMAP = "mm/mmu_gather.c", "mm/memory.c", "mm/mprotect.c", "mm/mremap.c"
MIGRATE_DEVICE = "mm/migrate_device.c"
PGTABLE_GENERIC, RMAP, HUGE_MEMORY = "mm/pgtable-generic.c", "mm/rmap.c", "mm/huge_memory.c"
TRANSFER = "\t\t\tif (pte_dirty(pteval))\n\t\t\t\tfolio_mark_dirty(folio);\n"
LIST_FREE = "#ifndef CONFIG_MMU_GATHER_NO_GATHER\n\ttlb_batch_list_free(tlb);\n#endif\n"

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
    "batches go on with delayed rmaps": Patch(
        "mmu_gather",
        GATHER,
        "\tif (tlb->delayed_rmap && tlb->active != &tlb->local)\n\t\treturn false;\n",
        "",
        "delayed-in-last-batch",
    ),
    "a gather is not of the whole mm at its end": Patch(
        "mmu_gather", GATHER, "\t\ttlb->fullmm = 1;\n\t\t__tlb_reset_range", "\t\t__tlb_reset_range", "nested-gathers"
    ),
    "the gather is closed before it is flushed": Patch(
        "mmu_gather",
        GATHER,
        f"\ttlb_flush_mmu(tlb);\n\n{LIST_FREE}\tdec_tlb_flush_pending(tlb->mm);\n",
        f"\tdec_tlb_flush_pending(tlb->mm);\n\ttlb_flush_mmu(tlb);\n{LIST_FREE}",
        "nested-gathers",
    ),
    "the zap does not flush under the lock": Patch(
        "mm",
        MEMORY,
        "\tif (force_flush) {\n\t\ttlb_flush_mmu_tlbonly(tlb);\n",
        "\tif (force_flush) {\n",
        "lost-dirty-dontneed",
    ),
    "the zap removes the rmap before the flush": Patch(
        "mm", MEMORY, "if (tlb_delay_rmap(tlb)) {", "if (0) {", "lost-dirty-dontneed"
    ),
    "the zap forgets delayed rmaps": Patch("mm", MEMORY, "\t\ttlb_flush_rmaps(tlb, vma);\n", "", "lost-dirty-dontneed"),
    "the zap flushes behind the lock": Patch(
        "mm",
        MEMORY,
        "\t\ttlb_flush_mmu_tlbonly(tlb);\n\t\ttlb_flush_rmaps(tlb, vma);\n\t}\n\tpte_unmap_unlock(start_pte, ptl);\n",
        "\t\ttlb_flush_rmaps(tlb, vma);\n\t}\n\tpte_unmap_unlock(start_pte, ptl);\n",
        "lost-dirty-munmap",
    ),
    "the zap does not look for deferred flushes": Patch(
        "mm", MEMORY, "\tflush_tlb_batched_pending(mm);\n\tarch_enter", "\tarch_enter", "reclaim-pending"
    ),
    "the zap forgets a range": Patch(
        "mm", MEMORY, "\ttlb_remove_tlb_entries(tlb, pte, nr, addr);\n", "", "use-after-free"
    ),
    "mprotect flushes nothing": Patch(
        "mm", MPROTECT, "if (pte_needs_flush(oldpte, ptent))", "if (0)", "reclaim-mprotect"
    ),
    "mprotect does not look for deferred flushes": Patch(
        "mm", MPROTECT, "\tflush_tlb_batched_pending(vma->vm_mm);\n", "", "reclaim-mprotect"
    ),
    "mremap leaves the flush out": Patch(
        "mm", MREMAP, "\tif (force_flush)\n\t\tflush_tlb_range(vma, old_end - len, old_end);\n", "", "mremap-writeback"
    ),
    "mremap flushes behind both locks": Patch(
        "mm",
        MREMAP,
        "\tif (force_flush)\n\t\tflush_tlb_range(vma, old_end - len, old_end);\n\tif (new_ptl != old_ptl)\n"
        "\t\tspin_unlock(new_ptl);\n\tpte_unmap(new_pte - 1);\n\tpte_unmap_unlock(old_pte - 1, old_ptl);\n",
        "\tif (new_ptl != old_ptl)\n\t\tspin_unlock(new_ptl);\n\tpte_unmap(new_pte - 1);\n"
        "\tpte_unmap_unlock(old_pte - 1, old_ptl);\n"
        "\tif (force_flush)\n\t\tflush_tlb_range(vma, old_end - len, old_end);\n",
        "mremap-truncate",
    ),
    "mremap moves a table without the rmap locks": Patch(
        "mm", MREMAP, "old_pmd, new_pmd, true))", "old_pmd, new_pmd, false))", "mremap-table"
    ),
    "mremap does not look at the pmd under its lock": Patch(
        "mm", MREMAP, "if (unlikely(!pmd_present(pmd) || pmd_leaf(pmd)))", "if (0)", "mremap-collapse"
    ),
    "mremap does not look for deferred flushes": Patch(
        "mm", MREMAP, "\tflush_tlb_batched_pending(vma->vm_mm);\n", "", "reclaim-mremap"
    ),
    "mremap moves a table without a flush": Patch(
        "mm",
        MREMAP,
        "\tflush_tlb_range(vma, old_addr, old_addr + PMD_SIZE);\nout_unlock",
        "out_unlock",
        "mremap-table-used",
    ),
    "mremap reads an entry and clears it then": Patch(
        "mm",
        MREMAP,
        "\t\tpte = ptep_get_and_clear(mm, old_addr, old_pte);\n",
        "\t\tpte = ptep_get(old_pte);\n\t\tptep_get_and_clear(mm, old_addr, old_pte);\n",
        "mremap-dirty",
    ),
    "mprotect flushes dirty entries only": Patch(
        "mm", MPROTECT, "if (pte_needs_flush(oldpte, ptent))", "if (pte_dirty(oldpte))", "mprotect-clean"
    ),
    "a collapse flushes one page": Patch(
        "mm",
        PGTABLE_GENERIC,
        "\tflush_tlb_range(vma, address, address + HPAGE_PMD_SIZE);\n\treturn pmd",
        "\tflush_tlb_range(vma, address, address + PAGE_SIZE);\n\treturn pmd",
        "collapse-copies",
    ),
    "ptep_clear_flush() does not flush": Patch(
        "mm",
        PGTABLE_GENERIC,
        "\tif (pte_accessible(mm, pte))\n\t\tflush_tlb_page(vma, address);\n\treturn pte;",
        "\treturn pte;",
        "lost-dirty-dontneed",
    ),
    "reclaim does not note its flush": Patch(
        "mm", RMAP, "\t\t\t\tset_tlb_ubc_flush_pending(mm, pteval, address);\n", "", "reclaim-dirty"
    ),
    "reclaim writes a page that may still be written to": Patch(
        "mm", RMAP, "\tif (tlb_ubc->writable)\n\t\ttry_to_unmap_flush();", "", "reclaim-dirty"
    ),
    "deferred flushes are taken for done": Patch(
        "mm", RMAP, "if (pending != flushed) {", "if (0) {", "reclaim-mprotect"
    ),
    "writeback cleans an entry without a flush": Patch(
        "mm",
        RMAP,
        "entry = ptep_clear_flush(vma, address, pte);",
        "entry = ptep_get_and_clear(vma->vm_mm, address, pte);",
        "lost-dirty-dontneed",
    ),
    "reclaim forgets a dirty bit": Patch(
        "mm", RMAP, f"{TRANSFER}\t\t}} else {{\n\t\t\tpte_clear", "\t\t} else {\n\t\t\tpte_clear", "reclaim-dirty"
    ),
    "a migration forgets a dirty bit": Patch(
        "mm", RMAP, "\t\tif (pte_dirty(pteval))\n\t\t\tfolio_mark_dirty(folio);\n\n", "", "migrate-batch"
    ),
    "a deferred flush is taken for done before it is done": Patch(
        "mm",
        RMAP,
        "\t\tarch_flush_tlb_batched_pending(mm);\n",
        "\t\tatomic_cmpxchg(&mm->tlb_flush_batched, batch,\n"
        "\t\t\t       pending | (pending << TLB_FLUSH_BATCH_FLUSHED_SHIFT));\n"
        "\t\tarch_flush_tlb_batched_pending(mm);\n",
        "reclaim-flushed",
    ),
    "a lazyfree page is discarded though it is referenced": Patch(
        "mm", RMAP, "if (ref_count == 1 + map_count &&", "if (1 &&", "lazyfree-dio"
    ),
    "a migration does not note its flush": Patch(
        "mm",
        RMAP,
        "\t\t\t\tset_tlb_ubc_flush_pending(mm, pteval, address);\n\t\t\t} else {\n"
        "\t\t\t\tpteval = ptep_clear_flush(vma, address, pvmw.pte);\n\t\t\t}\n\t\t}\n",
        "\t\t\t} else {\n\t\t\t\tpteval = ptep_clear_flush(vma, address, pvmw.pte);\n\t\t\t}\n\t\t}\n",
        "migrate-batch",
    ),
    "a huge page is forgotten by the gather": Patch(
        "mm",
        HUGE_MEMORY,
        "\ttlb_remove_pmd_tlb_entry(tlb, pmd, addr);\n\tif (vma_is_special_huge(vma)) {",
        "\tif (vma_is_special_huge(vma)) {",
        "huge-freed",
    ),
    "a dirty huge page is zapped as a clean one": Patch(
        "mm", HUGE_MEMORY, "if (pmd_present(orig_pmd) && pmd_dirty(orig_pmd))", "if (0)", "huge-dirty"
    ),
    "a huge entry is empty for a moment": Patch(
        "mm",
        HUGE_MEMORY,
        "oldpmd = pmdp_invalidate_ad(vma, addr, pmd);",
        "oldpmd = pmdp_huge_get_and_clear_full(vma, addr, pmd, 0);",
        "huge-emptied",
    ),
    "a fault does not look again under the lock": Patch(
        "mm",
        MEMORY,
        "if (unlikely(!pte_same(ptep_get(vmf->pte), entry))) {\n\t\tupdate",
        "if (0) {\n\t\tupdate",
        "copy-dontneed",
    ),
    "a copy is mapped though the entry has changed": Patch(
        "mm",
        MEMORY,
        "if (likely(vmf->pte && pte_same(ptep_get(vmf->pte), vmf->orig_pte)))",
        "if (likely(vmf->pte))",
        "copy-dontneed",
    ),
    "a copy is made of a page that nobody holds": Patch(
        "mm",
        MEMORY,
        "\tif (folio)\n\t\tfolio_get(folio);\n\n\tpte_unmap_unlock(vmf->pte, vmf->ptl);\n#ifdef CONFIG_KSM",
        "\tpte_unmap_unlock(vmf->pte, vmf->ptl);\n#ifdef CONFIG_KSM",
        "copy-dontneed",
    ),
    "a copy does not flush the old entry": Patch(
        "mm",
        MEMORY,
        "\t\tptep_clear_flush(vma, vmf->address, vmf->pte);\n\t\tfolio_add_new",
        "\t\tptep_get_and_clear(mm, vmf->address, vmf->pte);\n\t\tfolio_add_new",
        "copy-read",
    ),
    "a fault does not flush what userfaultfd owes": Patch(
        "mm",
        MEMORY,
        "\t\t\tflush_tlb_page(vmf->vma, vmf->address);\n\t}\n\n\tvmf->page",
        "\t\t\t;\n\t}\n\n\tvmf->page",
        "copy-uffd-wp",
    ),
    "a file's page is made writable though the entry has changed": Patch(
        "mm",
        MEMORY,
        "if (!pte_same(ptep_get(vmf->pte), vmf->orig_pte)) {\n\t\tupdate_mmu_tlb(vmf->vma",
        "if (0) {\n\t\tupdate_mmu_tlb(vmf->vma",
        "lost-dirty-dontneed",
    ),
    "nobody holds a file's page while the file system is told": Patch(
        "mm",
        MEMORY,
        "\tvm_fault_t ret = 0;\n\n\tfolio_get(folio);\n\n\tif (vma->vm_ops && vma->vm_ops->page_mkwrite)",
        "\tvm_fault_t ret = 0;\n\n\tif (vma->vm_ops && vma->vm_ops->page_mkwrite)",
        "lost-dirty-dontneed",
    ),
    "migration to a device forgets a dirty bit": Patch(
        "mm",
        MIGRATE_DEVICE,
        "\t\t\tif (pte_present(pte) && pte_dirty(pte))\n\t\t\t\tfolio_mark_dirty(folio);\n",
        "",
        "migrate-dirty",
    ),
    "a split forgets a dirty bit": Patch(
        "mm",
        HUGE_MEMORY,
        "\t\t\tif (!folio_test_dirty(folio) && pmd_dirty(old_pmd))\n\t\t\t\tfolio_mark_dirty(folio);\n",
        "",
        "huge-split",
    ),
    "a split reads an entry and makes it invalid then": Patch(
        "mm",
        HUGE_MEMORY,
        "\t\told_pmd = pmdp_invalidate(vma, haddr, pmd);\n\t\tpage = pmd_page(old_pmd);\n\t\tfolio =",
        "\t\told_pmd = *pmd;\n\t\tpmdp_invalidate(vma, haddr, pmd);\n\t\tpage = pmd_page(old_pmd);\n\t\tfolio =",
        "huge-split-anon",
    ),
    "fork leaves the parent's entries writable": Patch(
        "mm", MEMORY, "\t\twrprotect_ptes(src_mm, addr, src_pte, nr);\n", "", "fork-protects"
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


@pytest.mark.slow
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
