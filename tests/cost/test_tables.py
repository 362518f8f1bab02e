"""The accountant frees page tables by the kernel's text: as many as there are, in the batches that the kernel has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cost.accountant import Accountant
from core.cost.counts import instructions_in
from core.cost.layout import HUGE, KINDS, Layout
from core.cost.workload_counts import account
from core.cost.workloads import Workload, WorkloadStep, build, wrong_step
from core.mm.era import ERAS
from core.plugins.arch import Arch, load_object, set_up
from core.table.rows import load_workloads
from core.truth.emulated import instructions
from core.truth.golden import traces
from core.truth.lines import json_object, read_lines
from core.truth.shipped import DATA

TABLE_BATCH, PER_TABLE = 509, 512
GOLDEN = DATA / "golden_public.jsonl.gz"
EMULATED = DATA / "emulated_public.jsonl.gz"


def arch(name: str) -> Arch:
    return set_up(name, load_object(name), name)


@pytest.mark.parametrize("how", ["munmap_sparse", "exit_sparse"])
@pytest.mark.parametrize("tables", [1, 508, 509, 4096])
def test_tables_go_in_batches_of_which_each_is_flushed(how: str, tables: int) -> None:
    """x86: pages of as many tables as fit into the gather, and one pmd table a GiB, one pud table, 512 GiB each."""
    counts = account(arch("arch_plugins.x86:X86"), ERAS["6.12"], build(how, {"tables": tables}))
    freed = tables + -(-tables // 512) + 1
    assert (counts["tables_freed"], counts["pages_freed"]) == (freed, tables)
    assert counts["flushes"] == -(-freed // TABLE_BATCH)  # the first has the pages too


def test_without_rcu_tables_are_in_the_gather_like_pages() -> None:
    """And the last flush of an exit is of everything, pages and tables."""
    capacity = 8 + 19 * 510 - 19 - 1  # a slot of each batch stays free (MAX_GATHER_BATCH - 1)
    smp = arch("arch_plugins.generic:Smp")
    counts = account(smp, ERAS["6.12"], build("exit_sparse", {"tables": 3000}))
    assert counts["max_held"] == 3000 + counts["tables_freed"] < capacity
    assert counts["flushes"] == 1
    counts = account(smp, ERAS["6.12"], build("exit_sparse", {"tables": 30_000}))
    assert counts["flushes"] == -(-(30_000 + counts["tables_freed"]) // capacity)


def test_a_huge_page_has_no_table() -> None:
    step = WorkloadStep(((HUGE, 1024), ("none", 511), ("anon_dirty", 1)), how="exit", tables=True)
    counts = account(arch("arch_plugins.x86:X86"), ERAS["6.12"], Workload("w", "", (step,)))
    assert (counts["pages_freed"], counts["tables_freed"]) == (3, 3)


def test_leaping_over_the_zap_leaves_the_tables() -> None:
    x86, layout = arch("arch_plugins.x86:X86"), Layout([(40, [("none", 100), ("anon_dirty", 412)])])
    fast, slow = (Accountant(x86, ERAS["6.12"], layout, skip=skip, tables=True).count() for skip in (True, False))
    assert fast == slow
    assert fast["tables_freed"] == 42


# ---- beside what kernels did -----------------------------------------------------------------------------------


def emulated() -> Iterator[dict[str, Any]]:
    """Cells in which a mapping goes with all of its tables."""
    for where, line in read_lines(EMULATED):
        row = json_object(where, line, instructions.FIELDS)
        if row["op"] == "munmap" and not row["keep_neighbours"]:
            yield row


def plainly_equal(row: dict[str, Any], version: str) -> traces.Comparison:
    """Nothing was rescheduled, and no entry had been invalid before."""
    return traces.Comparison(row["id"], version, "equal")


@pytest.mark.slow
def test_instructions_are_those_that_kernels_executed() -> None:
    """The accountant's munmap, tables included, executes what the emulated kernels did on the caller's CPU."""
    equal = 0
    for row in emulated():
        version = ".".join(row["kernel"].split(".")[:2])
        if instructions.compare(row) != plainly_equal(row, version) or row["arch"] == "riscv64":
            continue  # riscv's firmware executes the fences of others on the caller's behalf
        plugin = instructions.architecture(row, version, row["cpu_model"] == "max")
        cpus, _ = instructions.THREADS[row["threads"]]
        clean = row["kind"] == "shm_clean" and row["arch"] != "s390x" and not ERAS[version].resched_first
        kind = "anon_dirty" if row["kind"] == "anon" else "file_clean" if clean else "file_dirty"
        layout = Layout([(kind, row["pages"])])
        counts = Accountant(plugin, ERAS[version], layout, cpus=len(cpus), tables=True).count()
        executed = {name: here for name, (here, _) in instructions.counted(row).items() if here}
        assert {name: nr for name, nr in instructions_in(counts).items() if nr} == executed, row["id"]
        equal += 1
    assert equal > 300


def golden() -> Iterator[traces.Case]:
    """Cases of one mapping whose tables are all freed, and that nobody disturbs."""
    for case in traces.read_cases(GOLDEN):
        plain = not (case["resched"] or case["nested"])
        whole = case["free_tables"] and not case["populate_all"] and (case["floor"], case["ceiling"]) == (0, 0)
        if plain and whole and len(case["vmas"]) == 1 and not case["vmas"][0].get("mixedmap"):
            yield case


def test_the_counts_are_those_of_the_kernels_code() -> None:
    found = 0
    for case in golden():
        (vma,) = case["vmas"]
        if not all(kind in KINDS for kind, _ in vma["runs"]):
            continue
        runs = [("none", vma["start"])] * bool(vma["start"]) + [(kind, nr) for kind, nr in vma["runs"] if nr]
        layout, plugin = Layout(runs), traces.architecture(case["config"])
        how = "exit" if case["fullmm"] else "unmap"
        failing = case["fail_allocs"]
        counts = Accountant(plugin, ERAS[case["kernel"]], layout, fail_allocs=failing, how=how, tables=True).count()
        names = {"tables_freed": "tables_freed", "pages_freed": "pages_freed", "flushes": "flushes"}
        names |= {"table_batches_allocated": "table_batches", "batch_pages_allocated": "batch_pages"}
        seen = {name: counts[ours] for name, ours in names.items()}
        assert seen == {name: case["summary"][name] for name in names}, case["id"]
        found += 1
    assert found == 54


# ---- wrong ones ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (WorkloadStep((("file_dirty", 1),), how="clean", tables=True), "tables: clean frees no page tables"),
        (WorkloadStep((("anon_dirty", 1 << 29),), tables=True), "tables: 5.37e+08 pages; expected at most"),
        (WorkloadStep((("anon_dirty", 1),), tables=1), "tables: expected true or false, got 1"),  # type: ignore[arg-type]
    ],
)
def test_wrong_steps(step: WorkloadStep, problem: str) -> None:
    assert problem in wrong_step(step)


def test_tables_in_toml(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        '[[workload]]\nname = "w"\nsteps = [{ how = "exit", tables = true, runs = [["anon_dirty", 512]] }]\n'
    )
    assert load_workloads(file)["w"].steps == (WorkloadStep((("anon_dirty", 512),), how="exit", tables=True),)
