"""What the model refutes of shipped kernels is refuted still, with a trace of the length that the docs give."""

from __future__ import annotations

from pathlib import Path

import pytest

from arch_plugins.alpha import Alpha, AlphaV61
from arch_plugins.arm import Arm
from arch_plugins.families.ipi import Ipi
from arch_plugins.families.local import Local
from arch_plugins.families.region_id import activate_context, drop_context
from arch_plugins.generic import flush_cpus_by_ipi
from arch_plugins.hexagon import Hexagon
from arch_plugins.ia64 import Ia64
from arch_plugins.mips import Mips
from arch_plugins.riscv import RiscvIpi, RiscvV61
from arch_plugins.sh import Sh
from arch_plugins.sparc32 import Sparc32
from core.cli.resolve_arch import choose
from core.compare import main
from core.conformance import FINDINGS, SCENARIOS, judge
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest
from core.machine.tlb import invalidate
from core.mm.era import ERAS
from core.mm.kthread import alone, trim_cpumask
from core.mm.mm import Mm, mm_cpumask
from core.plugins.arch import set_up

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")

PINNED = [
    ("smp-6.1", "zap-huge-dirty", "no-lost-dirty", 26),
    ("smp-6.12", "zap-huge-dirty", "no-lost-dirty", 26),
    ("smp-6.1", "dax-zap", "no-lost-dirty", 17),
    ("smp-6.12", "dax-zap", "no-lost-dirty", 17),
    ("s390", "local-ipte", "use-after-free", 16),
    ("x86", "leaving-walk", "walk-of-freed-table", 30),
]


ROWS = [
    ("loongarch", "kthread-use-mm", "use-after-free", 18),
    ("mips", "kthread-use-mm", "use-after-free", 18),
    ("alpha-6.1-before", "kthread-use-mm", "use-after-free", 17),
    ("loongarch", "kthread-dontneed", "use-after-free", 23),
    ("mips", "kthread-dontneed", "use-after-free", 23),
    ("alpha-6.1", "kthread-dontneed", "use-after-free", 22),
    ("sh", "kthread-dontneed", "use-after-free", 22),
    ("sh", "kthread-use-mm", "use-after-free", 17),
    ("loongarch", "asid-dropped", "anothers-translation", 20),
    ("loongarch-ptw", "asid-dropped", "anothers-translation", 21),
    ("mips", "asid-dropped", "anothers-translation", 20),
    ("sh", "asid-dropped", "anothers-translation", 24),
    ("arc", "refill-load", "no-lost-dirty", 19),
    ("nios2", "refill-load", "no-lost-dirty", 20),
    ("openrisc", "refill-load", "no-lost-dirty", 18),
    ("sh", "task-moves-lazily", "use-after-free", 25),
    ("alpha-6.1-before", "borrower-flushes", "use-after-free", 16),
    ("alpha-6.1-before", "reclaim-elsewhere", "use-after-free", 36),
    ("arm64-6.1", "huge-cold", "no-lost-dirty", 43),
    ("x86-6.18", "huge-cold", "no-lost-dirty", 44),
    ("ia64", "any-order", "use-after-free", 22),
    ("ia64", "borrower-flushes", "use-after-free", 34),
    ("hexagon", "reclaim-elsewhere", "use-after-free", 12),
    ("sparc32", "borrower-flushes", "use-after-free", 33),
    ("sparc32", "exec-then-flush", "use-after-free", 17),
    ("sparc32", "kthread-use-mm", "use-after-free", 37),
    ("riscv", "switch-tso", "use-after-free", 9),
    ("riscv-ipi", "switch-reclaim", "use-after-free", 9),
    ("riscv-6.1", "switch-range", "use-after-free", 9),
    ("riscv-kvm", "switch-asid", "use-after-free", 11),
    ("riscv-kvm", "borrower-flushes", "use-after-free", 13),
    ("riscv-kvm", "reclaim-elsewhere", "use-after-free", 13),
    ("riscv-kvm", "switch-back", "use-after-free", 18),
    ("riscv-kvm", "lazy-back", "use-after-free", 18),
    ("riscv-kvm", "switch-full", "use-after-free", 26),
    ("riscv-kvm", "switch-twice", "use-after-free", 19),
    ("riscv-kvm", "lazy-twice", "use-after-free", 21),
    ("riscv-kvm", "batch-join", "use-after-free", 34),
    ("loongarch-ptw", "lazy-twice", "use-after-free", 25),
    ("loongarch-ptw", "folio-dirty", "no-lost-dirty", 26),
    ("mips-ginvt", "gup-fast-collapse", "gup-in-freed-table", 34),
    ("riscv-kvm", "mremap-walk", "stale-after-return", 25),
    ("riscv-kvm-6.1", "mremap-walk", "stale-after-return", 23),
    ("riscv-kvm-6.1", "table-collapse", "walk-of-freed-table", 10),
    ("arm", "asid-rollover", "use-after-free", 42),
    ("arm-lpae", "asid-rollover", "use-after-free", 42),
    ("mips-ginvt", "asid-rollover", "use-after-free", 41),
    ("x86", "hugetlb-walk", "walk-of-freed-table", 37),
    ("loongarch-ptw", "dirty-bit-in-time", "no-lost-dirty", 8),
    ("loongarch-ptw", "migrate-dirty", "no-lost-dirty", 28),
    ("loongarch-ptw", "mprotect-dirty", "no-lost-dirty", 18),
    ("loongarch-ptw", "mremap-dirty", "no-lost-dirty", 23),
    ("loongarch-ptw", "huge-split", "no-lost-dirty", 11),
    ("loongarch-ptw", "huge-dirty", "no-lost-dirty", 46),
    ("loongarch-ptw", "switch-back", "use-after-free", 21),
    ("loongarch-ptw", "lazy-back", "use-after-free", 21),
    ("sparc32", "dirty-bit-in-time", "no-lost-dirty", 8),
    ("sparc32", "migrate-dirty", "no-lost-dirty", 27),
    ("sparc32", "mprotect-dirty", "no-lost-dirty", 17),
    ("sparc32", "mremap-dirty", "no-lost-dirty", 22),
    ("arc", "refill-dirty", "no-lost-dirty", 13),
    ("sh", "refill-dirty", "no-lost-dirty", 13),
    ("xtensa", "refill-dirty", "no-lost-dirty", 13),
    ("loongarch", "refill-dirty", "no-lost-dirty", 13),
    ("mips", "refill-dirty", "no-lost-dirty", 13),
    ("mips-ginvt", "refill-dirty", "no-lost-dirty", 13),
]
"""Scenarios of the suite that a row of arches-all.toml is declared to fail, because the kernel's architecture does."""


class AlwaysAsks(Mips):
    """mips that sends its interrupts whatever mm_users says."""

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        await Ipi.ask(self, mm, request)


class KeepsTheMask(Sparc32):
    """sparc32 as the patch has it."""

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.ask(mm, FlushRequest())


class AsksWhoIsCurrent(Sparc32):
    """sparc32 that takes current->mm for its user, not active_mm."""

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.ask(mm, FlushRequest())
        if await alone(mm):
            await trim_cpumask(mm.task.cpu)


class AlwaysTakesAContext(Sh):
    """sh that looks at the context also where prev == next."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if next is not None:
            await self.take_context(next)


class FlushesWhosever(Hexagon):
    """hexagon that does not ask whose map it is."""

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        await Local.ask(self, mm, request)


class AsksWhoIsCurrentOnIa64(Ia64):
    """ia64 that does not take a borrower for the only user: it interrupts the CPUs of the mask."""

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await drop_context()
        await flush_cpus_by_ipi(mm, await mm_cpumask(mm) - {mm.task.cpu}, FlushRequest())
        await activate_context(mm)


class PurgesUnderEveryId(Ia64):
    """ia64 whose purge reaches also who has not loaded the new region ID yet."""

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await invalidate(sorted(mm.everyone), [addr], "ptc.ga of every region ID")


class ReadsBehindTheBarrier(Arm):
    """arm with arm64's order."""

    def asid_behind_barrier(self, mm: Mm) -> bool:
        return True


@pytest.mark.parametrize(("row", "scenario", "violated", "steps"), ROWS)
def test_the_row_fails_as_the_page_says(row: str, scenario: str, violated: str, steps: int) -> None:
    choice = choose(row, None, ROOT / "arches-all.toml")
    result = judge(choice.arch(), choice.era, SCENARIOS[scenario])
    assert (result.verdict, result.violated, len(result.trace)) == ("fail", violated, steps)
    assert scenario in choice.expect
    assert f"`{row}`" in TEXT
    assert f"`{scenario}` in {steps} steps" in TEXT


@pytest.mark.parametrize(
    ("plugin", "scenario"),
    [
        (AlwaysAsks, "kthread-use-mm"),
        (KeepsTheMask, "kthread-use-mm"),
        (KeepsTheMask, "borrower-flushes"),
        (AsksWhoIsCurrent, "borrower-flushes"),
        (AlwaysTakesAContext, "task-moves-lazily"),
        (Alpha, "borrower-flushes"),
        (Alpha, "reclaim-elsewhere"),
        (Alpha, "kthread-dontneed"),
        (AlphaV61, "kthread-use-mm"),
        (AlphaV61, "borrower-flushes"),
        (AlphaV61, "reclaim-elsewhere"),
        (AlwaysAsks, "kthread-dontneed"),
        (FlushesWhosever, "reclaim-elsewhere"),
        (FlushesWhosever, "oom-reaper"),
        (FlushesWhosever, "mremap-writeback"),
        (AsksWhoIsCurrentOnIa64, "borrower-flushes"),
        (PurgesUnderEveryId, "any-order"),
        (ReadsBehindTheBarrier, "asid-rollover"),
        (RiscvV61, "table-collapse"),
        (RiscvIpi, "mremap-walk"),
    ],
)
def test_what_other_architectures_have_done_about_it_helps(plugin: type, scenario: str) -> None:
    result = judge(set_up(plugin.__name__, plugin(), "test"), ERAS["6.12"], SCENARIOS[scenario])
    assert (result.verdict, result.exhaustive) == ("pass", True)


@pytest.mark.parametrize(("row", "finding", "violated", "steps"), PINNED)
def test_the_finding_stands(row: str, finding: str, violated: str, steps: int) -> None:
    choice = choose(row, None, ROOT / "arches-all.toml" if row == "x86" else None)
    result = judge(choice.arch(), choice.era, FINDINGS[finding])
    assert (result.verdict, result.violated, len(result.trace)) == ("fail", violated, steps)
    assert f"`{finding}` fails" in TEXT
    assert f"shortest trace {steps} steps" in TEXT


def test_every_finding_has_a_row_above_and_none_is_in_the_suite() -> None:
    assert set(FINDINGS) == {finding for _, finding, _, _ in PINNED}
    assert not set(FINDINGS) & set(SCENARIOS)


def test_a_cpu_that_is_in_the_mask_until_it_is_interrupted_does_not_walk_on() -> None:
    """Since 209954cbc7d0."""
    choice = choose("x86-6.18", None, ROOT / "arches-all.toml")
    result = judge(choice.arch(), choice.era, FINDINGS["leaving-walk"])
    assert (result.verdict, result.exhaustive) == ("pass", True)


def headline(capsys: pytest.CaptureFixture[str]) -> str:
    """The first paragraph that was printed, which the width of the terminal breaks."""
    return " ".join(capsys.readouterr().out.split("\n\n")[0].split())


def test_a_trace_cites_files_of_its_own_architecture(capsys: pytest.CaptureFixture[str]) -> None:
    """lazy-back is from arch/x86, which says nothing of loongarch."""
    config = ["--config", str(ROOT / "arches-all.toml")]
    assert main(["explain", "loongarch-ptw", "lazy-back", *config]) == 0
    head = headline(capsys)
    assert "arch/loongarch/include/asm/mmu_context.h" in head
    assert "arch/x86" not in head
    assert main(["explain", "x86", "lazy-back", *config]) == 0
    assert "arch/x86/mm/tlb.c:switch_mm_irqs_off" in headline(capsys)


def test_explain_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "s390", "local-ipte"]) == 1
    assert "IPTE(0), local" in capsys.readouterr().out
