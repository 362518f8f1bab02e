"""Mutants made from the programs: which there are, what is said of those that survive, and what each scenario kills."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from core.base.suggest import hint
from core.cli.arguments import under
from core.cli.resolve_arch import choose
from core.compare import main
from core.conformance.equivalent import ARGUED, OF_ROW
from core.conformance.mutate import Mutant, Trial, kills, mutable, trials
from core.conformance.scenarios import SCENARIOS
from core.mm.era import ERAS
from core.plugins.arch import Arch

ROOT = Path(__file__).parents[2]
ROW = "smp-6.2-fix"


def arch() -> Arch:
    """The row whose mutants the arguments are about."""
    return choose(ROW).arch()


def among(*scenarios: str) -> list[Trial]:
    """The mutants of what these scenarios run."""
    era = ERAS["6.2-fix"]
    return trials(arch, era, {name: mutable(SCENARIOS[name], arch(), era) for name in scenarios})


def orphans(arguments: Mapping[tuple[str, str], str], found: list[Trial]) -> list[str]:
    """The arguments that are about none of these mutants, each with the mutant whose wording is nearest."""
    mutants = {(trial.mutant.operator, trial.mutant.kind) for trial in found}
    return [
        f"{operator}: {kind}; {hint(kind, [k for o, k in mutants if o == operator], 'nothing is like it')}"
        for operator, kind in arguments
        if (operator, kind) not in mutants
    ]


@pytest.mark.slow
def test_every_argument_is_about_a_mutant_that_there_is() -> None:
    found = among(*SCENARIOS)
    assert len(found) >= 190
    assert orphans(ARGUED, found) == []


def test_an_argument_whose_operation_was_reworded_is_told_with_the_new_wording() -> None:
    found = among("own-tlb")
    assert orphans({("late", "tea"): "", ("late", "mmap_read_unlok"): ""}, found) == [
        "late: tea; nothing is like it",
        "late: mmap_read_unlok; did you mean mmap_read_unlock?",
    ]


VMAS = ("lost-dirty-munmap", "lost-dirty-mmap-over")
SECTIONS = ("lazy-mmu-nested", "batch-moves")

ELSEWHERE = {
    "x86": (
        "any-order",
        "borrower-flushes",
        "lazy-back",
        "lazy-tso",
        "switch-back",
        "switch-gen",
        "table-reclaim-gup",
        "hugetlb-unshare",
        *SECTIONS,
        "huge-cold",
        *VMAS,
    ),
    "smp-6.2-fix": ("table-reclaim-gup", "hugetlb-unshare", "folio-reclaim", *SECTIONS),
    "arm64": (
        "kernel-range",
        "switch-back",
        "asid-kept",
        "asid-rollover",
        "fork-protects",
        "lazyfree-dio",
        "mremap-writeback",
        *SECTIONS,
        "huge-cold",
        "kernel-table",
        "entry-values",
        *VMAS,
    ),
    "powerpc-radix": (
        "entry-values",
        "exec-lazily",
        "exit-oom-reaper",
        "huge-cold",
        "huge-values",
        "kthread-use-mm",
        "lazy-mmu-nested",
        "lazy-walk",
        "mremap-walk",
        "own-fork",
        "own-tlb",
        "switch-back",
        "table-upwards",
        "use-after-free",
        *VMAS,
    ),
    "riscv": ("kernel-range", "asid-kept", "lazyfree-dio", "switch-tso", "huge-cold", *SECTIONS, *VMAS),
    "s390": (
        "lazyfree-dio",
        "local-flush",
        "lost-dirty-dontneed",
        "pfnmap",
        "switch-back",
        "switch-tso",
        "lazy-mmu-nested",
        *VMAS,
    ),
}
"""By row: scenarios in which its mutants turn up that are argued away."""


@pytest.mark.parametrize("row", OF_ROW)
def test_so_is_every_argument_of_another_row(row: str) -> None:
    choice = choose(row, None, None if row.startswith("smp-") else ROOT / "arches-all.toml")
    found = {name: mutable(SCENARIOS[name], choice.arch(), choice.era) for name in ELSEWHERE[row]}
    assert orphans(OF_ROW[row], trials(choice.arch, choice.era, found)) == []


@pytest.mark.parametrize(
    ("scenario", "operator", "kind"),
    [
        ("huge-dirty", "drop", "pmdp_invalidate(N)"),
        ("lost-dirty-munmap", "late", "unlink VMA"),
        ("lost-dirty-mmap-over", "late", "link VMA"),
        ("freed-once", "hopeful", "allocate a batch"),
        ("reclaim-mprotect", "drop", "set_pte(N, swapN)"),
        ("use-after-free", "drop", "dec_tlb_flush_pending"),
        ("huge-freed", "drop", "page_remove_rmap(pageN)"),
    ],
)
def test_is_killed_by_the_scenario_that_is_there_for_it(scenario: str, operator: str, kind: str) -> None:
    assert kills(SCENARIOS[scenario], arch(), ERAS["6.2-fix"], Mutant(operator, kind))


@pytest.mark.parametrize(
    ("row", "scenario", "mutant"),
    [
        ("arm64", "switch-reclaim", Mutant("drop", "dsb ishst")),
        ("arm64", "switch-reclaim", Mutant("weak", "dsb ishst")),
        ("arm64", "use-after-free", Mutant("weak", "dsb ishst")),
        ("powerpc-radix", "any-order", Mutant("weak", "ptesync")),
        ("powerpc-radix", "switch-asid", Mutant("weak", "smp_mb()")),
        ("x86", "lazy-batch", Mutant("drop", "smp_mb()")),
        ("x86", "lazy-tso", Mutant("drop", "smp_mb()")),
        ("x86", "switch-gen", Mutant("late", "loaded_mm[N] = switching")),
    ],
)
def test_a_barrier_that_is_left_out_or_weaker_is_killed(row: str, scenario: str, mutant: Mutant) -> None:
    choice = choose(row, None, ROOT / "arches-all.toml")
    assert mutant.operator in mutable(SCENARIOS[scenario], choice.arch(), choice.era)[mutant.kind]
    assert kills(SCENARIOS[scenario], choice.arch(), choice.era, mutant)
    assert not kills(SCENARIOS[scenario], choice.arch(), choice.era, Mutant(mutant.operator, "nothing of that name"))


def test_no_barrier_is_mutated_where_every_store_is_visible_at_once() -> None:
    row = under(choose("arm64", None, ROOT / "arches-all.toml"), "sc")
    assert "dsb ishst" not in mutable(SCENARIOS["switch-reclaim"], row.arch(), row.era)


def test_the_hardware_is_no_mutant() -> None:
    found = among("table-free", "use-after-free")
    assert not [t.mutant for t in found if t.mutant.kind.startswith(("walk:", "store(", "load("))]


def test_the_matrix_says_what_a_scenario_kills_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["mutants", "--scenario", "own-tlb", "--scenario", "use-after-free", "--matrix", "--jobs", "1"])
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("own-tlb ", "use-after-free "))}
    killed = [line for line in lines if line.startswith("killed")]
    alone = sum("own-tlb" in line and "use-after-free" not in line for line in killed)
    assert rows["own-tlb"] == [str(sum("own-tlb" in line for line in killed)), str(alone)]
    assert int(rows["use-after-free"][0]) > 0
