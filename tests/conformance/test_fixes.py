"""The fixes that docs/findings.md suggests: the model, with one of them and nothing else, finds nothing any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from arch_plugins.arc import Arc
from arch_plugins.families.at_clear import (
    ATTACH_MASK,
    FLUSH_COUNT,
    count_flusher,
    cpu_attach_mask,
    detach,
    flush_mm_lazy,
    ipte,
    join,
)
from arch_plugins.generic import Generic, Smp
from arch_plugins.mips import Mips, MipsGinvt
from arch_plugins.riscv_kvm import RiscvKvm, RiscvKvmV61
from arch_plugins.s390 import S390
from arch_plugins.sparc32 import Sparc32
from arch_plugins.up import Up
from arch_plugins.x86 import X86, X86Up
from core.conformance import FINDINGS, SCENARIOS, judge
from core.hookspecs import hookimpl
from core.machine.op import Op, Outcome
from core.machine.pte import Entry, xchg_pte
from core.mm.era import ERAS
from core.mm.huge_memory import xchg_pmd
from core.mm.mm import CPUMASK, Mm, cpumask_set_cpu, mm_cpumask
from core.mm.mmu_gather import MmuGather
from core.plugins.arch import set_up

ALL = {**SCENARIOS, **FINDINGS}


class UpThatDelays(Up):
    """Without the two #ifdef CONFIG_SMP around tlb_delay_rmap() and tlb_flush_rmaps()."""

    @hookimpl
    def tlb_delay_rmap(self, tlb: MmuGather) -> bool:
        tlb.delayed_rmap = True
        return True


class FlushesHugeFirst(Smp):
    """zap_huge_pmd() with a flush before the removal of rmap."""

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        pmd: Entry = await xchg_pmd(mm, addr)
        await Generic().flush_tlb_range(mm, addr, addr + mm.span[0], mm.span[0])
        return pmd


class FlushesWhatItClears(Smp):
    """A zap that flushes under the lock of the table whatever it has cleared, a page of DAX too."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        pte: Entry = await xchg_pte(addr, nr, ("clear", addr, nr))
        await Generic().flush_tlb_range(mm, addr, addr + nr, 1)
        return pte


class FlushesTheTable(RiscvKvm):
    """flush_tlb_range() that flushes the whole ASID where it covers a page table."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if end - start >= mm.span[0]:
            await self.flush_tlb_mm(mm)
        else:
            await super().flush_tlb_range(mm, start, end, stride)


class FlushesTheTableV61(FlushesTheTable, RiscvKvmV61):
    """The same in 6.1."""


class HostCountsATable(RiscvKvm):
    """KVM with its limit below what a page table maps."""

    firmware_pages = 511


class ComparesAttachMask(S390):
    """ptep_flush_direct() that is local only where cpu_attach_mask has no other CPU either."""

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        await count_flusher(mm, +1)
        here = {mm.task.cpu}
        local = await mm_cpumask(mm) == here and await cpu_attach_mask(mm) == here
        pte: Entry = await ipte(mm, addr, 1, local=local)
        await count_flusher(mm, -1)
        return pte


class JoinsFirst(S390):
    """finish_arch_post_lock_switch() that sets its bit of mm_cpumask before it waits."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await detach(prev)
        if next is None:
            return
        if next.cpus is None:
            await join(ATTACH_MASK, next.task.cpu)
            await join(CPUMASK, next.task.cpu)
            await Op("wait for flush_count", (FLUSH_COUNT,), (), lambda n: [] if n else [Outcome(None)])
        await flush_mm_lazy(next)


class ReadsOnce(Mips):
    """check_switch_mmu_context() that loads the ASID of the context that it has looked at."""

    reads_twice = False


class LooksAtTheDirtyBit(Arc):
    """CONV_PTE_TO_TLB that leaves the write permission out of a clean entry."""

    FACTS = replace(Arc.FACTS, capabilities=Arc.FACTS.capabilities - {"refill_by_permission"})


class BarrierFirst(MipsGinvt):
    """flush_tlb_page() that orders the cleared entry before it reads the MMID."""

    def asid_behind_barrier(self, mm: Mm) -> bool:
        return True


class SetsTheBit(Sparc32):
    """switch_mm() that sets the bit, as switch_to() does."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if next is not None:
            await cpumask_set_cpu(next)


class AsksForUnshared(X86):
    """tlb_flush() that counts a table that was left to others as freed."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str:
        return await super().tlb_flush(replace(tlb, freed_tables=tlb.freed_tables or tlb.unshared_tables))


UP = ("lost-dirty-dontneed", "lost-dirty-munmap", "lost-dirty-mmap-over", "lost-dirty-crowd", "mapped-twice")


@pytest.mark.parametrize("preemption", ["none", "voluntary", "full", "rt"])
@pytest.mark.parametrize("scenario", UP)
def test_up_without_the_two_ifdefs(scenario: str, preemption: str) -> None:
    found = {}
    for plugin in (Up, UpThatDelays):
        arch = set_up(plugin.__name__, plugin(), "test", {"preemption": preemption})
        result = judge(arch, ERAS["6.12"], SCENARIOS[scenario])
        found[plugin] = (result.verdict, result.exhaustive)
    assert found[UpThatDelays] == ("pass", True)
    assert found[Up][0] == "fail"


class UpThatExchanges(Up):
    """UP that clears an entry by one atomic exchange."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        pte: Entry = await xchg_pte(addr, nr, ("clear", addr, nr))
        return pte


@pytest.mark.parametrize(("scenario", "steps"), [("dirty-bit-in-time", 8), ("migrate-dirty", 26)])
def test_up_clears_an_entry_under_a_lock_that_sleeps(scenario: str, steps: int) -> None:
    def verdict(plugin: type[Up] | type[X86Up], preemption: str) -> tuple[str, int]:
        arch = set_up(plugin.__name__, plugin(), "test", {"preemption": preemption})
        result = judge(arch, ERAS["6.12"], SCENARIOS[scenario])
        return result.verdict, len(result.trace)

    assert verdict(Up, "full") == ("pass", 0)
    assert verdict(Up, "rt") == verdict(X86Up, "rt") == ("fail", steps)
    assert verdict(UpThatExchanges, "rt") == ("pass", 0)


@pytest.mark.parametrize(
    ("before", "after", "scenario"),
    [
        (Smp, FlushesHugeFirst, "zap-huge-dirty"),
        (Smp, FlushesWhatItClears, "dax-zap"),
        (RiscvKvm, FlushesTheTable, "mremap-walk"),
        (RiscvKvm, HostCountsATable, "mremap-walk"),
        (RiscvKvmV61, FlushesTheTableV61, "mremap-walk"),
        (RiscvKvmV61, FlushesTheTableV61, "table-collapse"),
        (S390, ComparesAttachMask, "local-ipte"),
        (S390, JoinsFirst, "local-ipte"),
        (MipsGinvt, BarrierFirst, "asid-rollover"),
        (Mips, ReadsOnce, "asid-dropped"),
        (Arc, LooksAtTheDirtyBit, "refill-load"),
        (Sparc32, SetsTheBit, "exec-then-flush"),
        (X86, AsksForUnshared, "hugetlb-walk"),
    ],
)
def test_the_suggested_fix(before: Any, after: Any, scenario: str) -> None:
    results = [judge(set_up(p.__name__, p(), "test"), ERAS["6.12"], ALL[scenario]) for p in (before, after)]
    assert [result.verdict for result in results] == ["fail", "pass"]
    assert results[1].exhaustive


@pytest.mark.parametrize("plugin", [ComparesAttachMask, JoinsFirst])
def test_s390_passes_the_suite_with_either(plugin: Any) -> None:
    arch = set_up(plugin.__name__, plugin(), "test")
    for name in ("use-after-free", "switch-back", "switch-tso", "switch-asid", "local-flush", "lazy-back"):
        assert judge(arch, ERAS["6.12"], SCENARIOS[name]).verdict == "pass", name


@pytest.mark.parametrize("plugin", ["S390", "Sparc64", "PowerpcHash", "PowerpcRadix"])
def test_who_flushes_as_a_pmd_is_cleared_loses_nothing(plugin: str) -> None:
    """zap-huge-dirty is refuted on the others, whether hardware or a fault sets the dirty bit."""
    modules = {"S390": "s390", "Sparc64": "sparc64", "PowerpcHash": "powerpc_hash", "PowerpcRadix": "powerpc_radix"}
    module = __import__(f"arch_plugins.{modules[plugin]}", fromlist=[plugin])
    result = judge(set_up(plugin, getattr(module, plugin)(), "test"), ERAS["6.12"], FINDINGS["zap-huge-dirty"])
    assert (result.verdict, result.exhaustive) == ("pass", True)
