"""The series in examples/series: right forms pass, each wrong form is refuted where its file says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.compare import main
from core.conformance import SUITE, Result, judge
from core.conformance.outside import load
from core.conformance.scenario import Scenario
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up

SERIES = Path(__file__).parents[1] / "examples" / "series"

ERA = "6.12"

ERA_OF = {"young_folios": "7.0", "batched_folios": "7.0"}
"""Series for a later kernel."""

SWITCHES = (
    "switch-back",
    "task-moves",
    "lazy-back",
    "task-moves-lazily",
    "switch-reclaim",
    "switch-range",
    "switch-full",
    "two-mms",
)

RIGHT = {
    "arm64_active_here:ActiveHere": (*SWITCHES, "arm64_active_here:JOINS"),
    "riscv_deferred:Deferred": SWITCHES,
    "leave_when_flushed:LeavesWhenFlushed": (*SWITCHES, "leave_when_flushed:TWICE"),
    "s390_lazy_mmu:NotInZap": (
        "use-after-free",
        "reclaim-mprotect",
        "dontneed-against-mprotect",
        "lost-dirty-dontneed",
    ),
    "hugetlb_unshare:AsksForUnshared": ("hugetlb-walk", "hugetlb-unshare", "lazy-walk"),
    "hugetlb_unshare:AsksOnArm64": ("hugetlb-walk", "hugetlb-unshare"),
    "rar:Rar": ("use-after-free", "gup-fast", "three-cpus", "flush-crosswise", "range-of-three", "migrate-batch"),
    "table_sync:Implied": ("gup-fast-collapse", "gup-fast-unshare", "gup-fast"),
    "table_sync:GracePeriod": ("gup-fast-collapse", "gup-fast-unshare", "gup-fast"),
    "young_folios:OneFlush": ("folio-young", "young-dirty", "reclaim-old"),
    "batched_folios:OneRange": ("folio-reclaim", "batch-several", "batch-join", "migrate-batch", "reclaim-pending"),
    "lazy_mmu_nesting:Sections": ("lazy-mmu-nested", "use-after-free", "reclaim-mprotect", "lost-dirty-dontneed"),
    "nohz_kernel_flush:DefersKernelFlush": ("kernel-range", "own-tlb", "use-after-free", *SWITCHES),
    "arm64_batched_unmap:Batched": ("migrate-batch", "migrate-batch-dontneed", "reclaim-pending", "batch-join"),
    "arm64_batched_unmap:OneEach": ("migrate-batch", "migrate-batch-dontneed", "reclaim-pending", "batch-join"),
}
"""Plugins, and the scenarios of the suite or of their file that are about them."""

WRONG = {
    ("arm64_active_here:JoinsQuietly", "switch-back"): ("use-after-free", 22),
    ("arm64_active_here:Leaves", "task-moves"): ("use-after-free", 37),
    ("arm64_active_here:MarksLate", "switch-back"): ("use-after-free", 20),
    ("arm64_active_here:MarksLate", "arm64_active_here:JOINS"): ("stale-after-return", 24),
    ("arm64_active_here:LooksEarly", "arm64_active_here:JOINS"): ("stale-after-return", 26),
    ("riscv_deferred:LooksFirst", "switch-reclaim"): ("use-after-free", 23),
    ("riscv_deferred:DrainsFirst", "switch-reclaim"): ("use-after-free", 15),
    ("riscv_deferred:NeverDrains", "switch-reclaim"): ("use-after-free", 21),
    ("riscv_deferred:NoBarrierHere", "switch-reclaim"): ("use-after-free", 23),
    ("riscv_deferred:NoBarrierThere", "switch-reclaim"): ("use-after-free", 15),
    ("riscv_deferred:NotedOnce", "two-mms"): ("use-after-free", 37),
    ("leave_when_flushed:KeepsEntries", "leave_when_flushed:TWICE"): ("use-after-free", 50),
    ("leave_when_flushed:BitFirst", "leave_when_flushed:TWICE"): ("use-after-free", 49),
    ("leave_when_flushed:NoBarrier", "switch-reclaim"): ("use-after-free", 12),
    ("s390_lazy_mmu:FreesAtOnce", "use-after-free"): ("use-after-free", 13),
    ("s390_lazy_mmu:FlushesBeforeFree", "lost-dirty-dontneed"): ("no-lost-dirty", 39),
    ("s390_lazy_mmu:NeverFlushes", "reclaim-mprotect"): ("stale-after-return", 25),
    ("nohz_kernel_flush:LooksFirst", "kernel-range"): ("use-after-free", 18),
    ("nohz_kernel_flush:TwoSteps", "kernel-range"): ("use-after-free", 18),
    ("nohz_kernel_flush:NeverDone", "kernel-range"): ("use-after-free", 17),
    ("nohz_kernel_flush:LeftOut", "kernel-range"): ("use-after-free", 17),
    ("hugetlb_unshare:OnlyFreed", "hugetlb-walk"): ("walk-of-freed-table", 37),
    ("hugetlb_unshare:LeafOnly", "hugetlb-walk"): ("walk-of-freed-table", 36),
    ("rar:GivesBackEarly", "use-after-free"): ("use-after-free", 17),
    ("rar:GivesBackEarly", "flush-crosswise"): ("use-after-free", 25),
    ("rar:NeverWaits", "use-after-free"): ("use-after-free", 15),
    ("rar:NotEnabled", "use-after-free"): ("deadlock", 11),
    ("rar:WithoutRcu", "gup-fast"): ("gup-in-freed-table", 36),
    ("table_sync:ImpliedByBroadcast", "gup-fast-collapse"): ("gup-in-freed-table", 37),
    ("table_sync:ImpliedByBroadcast", "gup-fast-unshare"): ("gup-of-another", 25),
    ("table_sync:ImpliedInGuest", "gup-fast-collapse"): ("gup-in-freed-table", 36),
    ("table_sync:ImpliedInGuest", "gup-fast-unshare"): ("gup-of-another", 24),
    ("table_sync:NoGracePeriod", "gup-fast-collapse"): ("gup-in-freed-table", 38),
    ("table_sync:NoGracePeriod", "gup-fast-unshare"): ("gup-of-another", 26),
    ("young_folios:AsksFirst", "folio-young"): ("young-unseen", 13),
    ("young_folios:SaysLast", "folio-young"): ("young-unseen", 15),
    ("young_folios:WritesBack", "young-dirty"): ("no-lost-dirty", 20),
    ("batched_folios:FirstOnly", "folio-reclaim"): ("use-after-free", 28),
    ("batched_folios:LastLeft", "folio-reclaim"): ("use-after-free", 28),
    ("batched_folios:NeverWaits", "folio-reclaim"): ("use-after-free", 27),
    ("lazy_mmu_nesting:FlushesLate", "lazy-mmu-nested"): ("use-after-free", 15),
    ("lazy_mmu_nesting:LosesAtFlush", "lazy-mmu-nested"): ("use-after-free", 16),
    ("lazy_mmu_nesting:StaysOpen", "lazy-mmu-nested"): ("use-after-free", 34),
    ("lazy_mmu_nesting:NeverLeaves", "lazy-mmu-nested"): ("use-after-free", 46),
    ("arm64_batched_unmap:WaitsThere", "migrate-batch-dontneed"): ("stale-after-return", 29),
    ("arm64_batched_unmap:WaitsThere", "reclaim-pending"): ("stale-after-return", 51),
    ("arm64_batched_unmap:NeverWaits", "migrate-batch"): ("store-after-copy", 49),
}
"""(plugin, scenario) -> what is violated, and the steps of a shortest trace."""

SMP, ARM64, X86 = "arch_plugins.generic:Smp", "arch_plugins.arm64:Arm64", "arch_plugins.x86:X86"

SCENARIOS = {
    ("migrate_batching:BATCH", SMP): ("", 0),
    ("migrate_batching:TWO_BATCHES", SMP): ("", 0),
    ("migrate_batching:LATE", SMP): ("store-after-copy", 39),
    ("migrate_batching:LOCKS_ALL", SMP): ("deadlock", 12),
    ("process_madvise:MADVISE", SMP): ("", 0),
    ("process_madvise:MADVISE", ARM64): ("", 0),
    ("process_madvise:MADVISE", X86): ("", 0),
    ("process_madvise:LATE", X86): ("stale-after-return", 15),
    ("process_madvise:FULLMM", SMP): ("", 0),
    ("process_madvise:FULLMM", ARM64): ("use-after-free", 18),
}
"""Scenarios of a series that changes no hook, and the architecture: what is violated, and the steps of a trace."""


def judged(reference: str, scenario: str) -> Result:
    """A plugin in a scenario of the suite, or FILE:NAME of the folder."""
    if scenario in SUITE:
        found = SUITE[scenario]
        assert isinstance(found, Scenario)
    else:
        found = load(of_folder(scenario))
    era = ERAS[ERA_OF.get(Path(reference.partition(":")[0]).stem, ERA)]
    return judge(set_up("mine", load_object(reference), reference), era, found)


def of_folder(name: str) -> str:
    """The reference of FILE:NAME."""
    file, _, name = name.partition(":")
    return f"{SERIES / file}.py:{name}"


@pytest.mark.parametrize("plugin", RIGHT)
def test_a_right_form_passes(plugin: str) -> None:
    for scenario in RIGHT[plugin]:
        result = judged(of_folder(plugin), scenario)
        assert (scenario, result.verdict, result.reason) == (scenario, "pass", "")


@pytest.mark.parametrize(("plugin", "scenario"), WRONG)
def test_each_wrong_form_is_refuted(plugin: str, scenario: str) -> None:
    result = judged(of_folder(plugin), scenario)
    assert (result.violated, len(result.trace)) == WRONG[plugin, scenario]


@pytest.mark.parametrize(("scenario", "reference"), SCENARIOS)
def test_scenarios_of_a_series(scenario: str, reference: str) -> None:
    result = judged(reference, scenario)
    assert (result.violated, len(result.trace)) == SCENARIOS[scenario, reference]
    assert result.exhaustive == (not result.violated)


def test_one_gather_is_one_full_flush_on_x86_and_saves_nothing_on_arm64(capsys: pytest.CaptureFixture[str]) -> None:
    loads = [f"--workload={SERIES / 'process_madvise.py'}:{name}" for name in ("ONE_GATHER", "EACH_RANGE")]
    assert main(["workloads", "--config", "arches-all.toml", "--arch", "x86", "--arch", "arm64", *loads]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("one_", "each_"))]
    assert [row[1:3] for row in rows] == [["1", "3"], ["16", "48"], ["16", "0"], ["16", "0"]]


def of(text: str, row: str) -> dict[str, str]:
    """The columns of a workload in a printed table, by their titles."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    head = next(line for line in lines if line[0] == "workload")
    return dict(zip(head, next(line for line in lines if line[0] == row), strict=True))


SAVINGS = {
    ("nohz_kernel_flush:DefersKernelFlush", "x86", "vunmap"): ("ipis_isolated 16 -> 0", "ipis 48 -> 32"),
    ("table_sync:Implied", "x86", "collapse"): ("sync_ipis 4 -> 0",),
    ("batched_folios:OneRange", "arm64-range-7.2", "batched_folios:DISCARDS"): ("flush_insns 512 -> 32",),
    ("rar:Rar", "smp-6.12", "protect"): ("ipis 3 -> 0", "insn:RAR 0 -> 3"),
    ("leave_when_flushed:LeavesWhenFlushed", "riscv-ipi", "left_behind"): ("ipis 48 -> 3",),
}
"""(plugin, row, workload) -> what `compare` says about the counts."""


@pytest.mark.parametrize(("plugin", "row", "workload"), SAVINGS)
def test_what_a_series_saves(plugin: str, row: str, workload: str, capsys: pytest.CaptureFixture[str]) -> None:
    load = of_folder(workload) if ":" in workload else workload
    config = [] if row == "smp-6.12" else ["--config", "arches-all.toml"]
    main(["compare", of_folder(plugin), "--against", row, *config, "--workload", load, "--scenario", "own-tlb"])
    printed = capsys.readouterr().out
    for saving in SAVINGS[plugin, row, workload]:
        assert f"{workload.partition(':')[2].lower() or workload}: {saving}" in printed


def test_one_flush_ages_a_folio(capsys: pytest.CaptureFixture[str]) -> None:
    loads = [f"--workload={of_folder(f'young_folios:{name}')}" for name in ("AGES", "EACH")]
    assert main(["workloads", "--plugin", of_folder("young_folios:OneFlush"), "--era", "7.0", *loads]) == 0
    printed = capsys.readouterr().out
    assert [of(printed, name)["flush_insns"] for name in ("ages", "ages_each")] == ["32", "512"]


def test_every_file_has_its_forms_here_and_says_which_are_wrong() -> None:
    named = {plugin.partition(":")[0] for plugin in (*RIGHT, *(scenario for scenario, _ in SCENARIOS))}
    assert named == {file.stem for file in SERIES.glob("*.py")}
    for plugin, _ in WRONG:
        file, _, name = plugin.partition(":")
        text = (SERIES / f"{file}.py").read_text(encoding="utf-8")
        assert re.search(rf'class {name}\(\w+\):\n    """Wrong', text), plugin
