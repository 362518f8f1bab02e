"""What each way of flushing promises, and that it takes what the family says it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from arch_plugins import ia64
from arch_plugins.alpha import AlphaV61
from arch_plugins.arm import Arm
from arch_plugins.arm64 import Arm64, Arm64Range, Arm64RangeV61
from arch_plugins.arm64_tlbi import MAX_TLBI_RANGE_PAGES, range_insns, range_operand
from arch_plugins.csky import Csky
from arch_plugins.loongarch import Loongarch
from arch_plugins.mips import Mips, MipsGinvt
from arch_plugins.parisc import Parisc
from arch_plugins.powerpc_nohash import PowerpcNohash
from arch_plugins.powerpc_radix import PowerpcRadix
from arch_plugins.riscv import Riscv, RiscvV61
from arch_plugins.sh import Sh
from arch_plugins.sparc32 import Sparc32
from arch_plugins.sparc64 import Sparc64
from arch_plugins.x86 import X86
from core.cost.accountant import Accountant
from core.cost.layout import Layout
from core.hookspecs import hookimpl
from core.machine.broadcast import complete, issue
from core.machine.ipi import FlushRequest, take_ipi
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.schedule import run
from core.machine.task import Task
from core.machine.tlb import Entry, Upper, tlb_cell
from core.mm.era import ERAS
from core.mm.mm import CPUMASK, Mm
from core.mm.mmu_gather import MmuGather
from core.plugins.arch import set_up

CPUS = (Cpu(0), Cpu(1))
STALE = Entry(0, True, True)


def space(plugin: object) -> tuple[Mm, Memory]:
    arch = set_up("test", plugin, "test")
    cells = Memory({tlb_cell(cpu, addr): STALE for cpu in CPUS for addr in (0, 1)})
    mm = Mm(arch.facts, ERAS["6.12"], arch.hook, Task("t", Tid(1), Cpu(0)), addrs=(0, 1), cpus=frozenset(CPUS))
    return mm, cells


def covered(insns: Any, pages: range) -> bool:
    """Whether the operands hit each of the pages, and none besides."""
    operands = [of for _, _, each in insns for of in each]
    around = range(pages.start - 40, pages.stop + 40)
    return [page for page in around if any(of.hits(page) for of in operands)] == list(pages)


def go(program: Any, cells: Memory, others: Sequence[Op] = ()) -> list[tuple[Any, ...]]:
    events: list[tuple[Any, ...]] = []

    def only(op: Any, outcomes: Any) -> Any:
        raise AssertionError(op)

    run(program, cells, only, events.append, others)
    return [event[:4] if event[0] == "insn" else event for event in events]


async def ops(*each: Any) -> None:
    for op in each:
        await op


def test_a_broadcast_is_complete_only_at_its_issuers_barrier() -> None:
    cells = Memory({tlb_cell(cpu, 0): STALE for cpu in CPUS})
    go(ops(issue(Cpu(0), "TLBI", FlushRequest(0, 1))), cells)
    go(ops(complete(Cpu(1), CPUS, (0,), "DSB")), cells)
    assert all(cells[tlb_cell(cpu, 0)] == STALE for cpu in CPUS)
    go(ops(complete(Cpu(0), CPUS, (0,), "DSB")), cells)
    assert not any(cells[tlb_cell(cpu, 0)] for cpu in CPUS)


@pytest.mark.parametrize("plugin", [Mips, Sh, Loongarch, AlphaV61])
def test_a_dropped_context_is_taken_anew_by_switch_mm(plugin: type) -> None:
    mm, cells = space(plugin())
    cells[Cell("mm_users")] = 1
    events = go(mm.hook.flush_tlb_mm(mm=mm), cells)
    assert not [event for event in events if event[0] == "ipi"]
    assert cells[tlb_cell(Cpu(0), 0)] is None
    assert cells[tlb_cell(Cpu(1), 0)] == STALE
    go(mm.hook.switch_mm(prev=None, next=mm.on(Task("t", Tid(1), Cpu(1)))), cells)
    assert cells[tlb_cell(Cpu(1), 0)] is None


def test_a_switch_that_keeps_the_context_leaves_what_was_flushed() -> None:
    class Forgets(Mips):
        @hookimpl
        async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
            pass

    mm, cells = space(Forgets())
    cells[Cell("mm_users")] = 1
    go(mm.hook.flush_tlb_mm(mm=mm), cells)
    go(mm.hook.switch_mm(prev=None, next=mm.on(Task("t", Tid(1), Cpu(1)))), cells)
    assert cells[tlb_cell(Cpu(1), 0)] == STALE


class Noting(Sparc64):
    """Notes which pages are flushed together."""

    flushed: ClassVar[list[tuple[int, ...]]] = []

    async def flush_pages(self, mm: Mm, addrs: tuple[int, ...]) -> None:
        self.flushed.append(addrs)


def noting(pages: int) -> tuple[Mm, Memory]:
    """A space of `pages` pages, of which nothing has been flushed."""
    mm, cells = space(Noting())
    Noting.flushed.clear()
    for addr in range(pages):
        cells[pte_cell(addr)] = Pte(addr)
    return mm, cells


def test_queued_flushes_are_done_on_leaving_the_section_in_order_of_need() -> None:
    mm, cells = noting(200)

    async def clear(nr: int, lazy: bool) -> None:
        if lazy:
            await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
        for addr in range(nr):
            await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        if lazy:
            assert len(Noting.flushed) == nr // 192
            await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)

    go(clear(2, lazy=False), cells)
    assert Noting.flushed == [(0,), (1,)]
    Noting.flushed.clear()
    go(clear(200, lazy=True), cells)
    assert [len(addrs) for addrs in Noting.flushed] == [192, 8]


def test_a_section_within_a_section_keeps_what_the_outer_one_has_queued() -> None:
    mm, cells = noting(3)

    async def nested() -> None:
        await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
        await mm.hook.ptep_get_and_clear(mm=mm, addr=0, nr=1, full=False)
        await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
        await mm.hook.ptep_get_and_clear(mm=mm, addr=1, nr=1, full=False)
        assert not Noting.flushed
        await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
        await mm.hook.ptep_get_and_clear(mm=mm, addr=2, nr=1, full=False)  # the section is over: at once
        await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)

    go(nested(), cells)
    assert Noting.flushed == [(0, 1), (2,)]


def test_sparc64_sends_its_whole_queue_with_one_cross_call() -> None:
    mm, cells = space(Sparc64())

    async def clear() -> None:
        await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
        for addr in (0, 5, 1):
            await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)

    events = go(clear(), cells, [take_ipi(Tid(1), Cpu(1), mm.addrs)])
    assert [event for event in events if event[0] == "ipi"] == [("ipi", 1)]
    assert not any(cells[tlb_cell(cpu, addr)] for cpu in CPUS for addr in (0, 1))


@pytest.mark.parametrize(
    ("pages", "singles", "ranges"), [(1, 1, 0), (2, 0, 1), (9, 1, 1), (64, 0, 1), (513, 1, 1), (2048, 0, 1), (68, 0, 2)]
)
@pytest.mark.parametrize("upwards", [False, True])
def test_range_instructions_cover_the_range(pages: int, singles: int, ranges: int, upwards: bool) -> None:
    insns = range_insns("TLBI_VALE1IS", 0, pages, 1, upwards, lpa2=False)
    assert {name: nr for name, nr, _ in insns} == {
        name: nr for name, nr in (("TLBI_VALE1IS", singles), ("TLBI_RVALE1IS", ranges)) if nr
    }
    assert covered(insns, range(pages))


def test_a_range_operand_has_five_bits_of_num_and_two_of_scale() -> None:
    assert range_operand(0, 31, 3, False, False).nr == MAX_TLBI_RANGE_PAGES
    assert range_operand(0, 32, 0, False, False).nr == range_operand(0, 0, 0, False, False).nr == 2
    assert range_operand(0, 0, 4, False, False).nr == 2


@pytest.mark.parametrize(
    ("start", "end", "insns"),
    [(16, 48, {"R": 1}), (17, 48, {"": 15, "R": 1}), (15, 17, {"": 2}), (3, 34, {"": 13, "R": 1})],
)
def test_with_lpa2_ranges_begin_at_64_kib(start: int, end: int, insns: dict[str, int]) -> None:
    """(3, 34): 13 pages up to 16, then 18 as 9 times 2^1."""
    found = range_insns("TLBI_VALE1IS", start, end, 1, False, lpa2=True)
    assert {name: nr for name, nr, _ in found} == {f"TLBI_{r}VALE1IS": nr for r, nr in insns.items()}
    assert covered(found, range(start, end))


@pytest.mark.parametrize(
    ("plugin", "pages", "insns"),
    [
        (Arm64, 511, {"DSB_ISHST": 1, "TLBI_VAE1IS": 511, "DSB_ISH": 1}),
        (Arm64, 512, {"DSB_ISHST": 1, "TLBI_ASIDE1IS": 1, "DSB_ISH": 2}),
        (Arm64Range, 512, {"DSB_ISHST": 1, "TLBI_RVAE1IS": 1, "DSB_ISH": 1}),
        (Csky, 8, {"sync.is": 1, "tlbi.vas": 4, "sync.i": 1}),
        (MipsGinvt, 5, {"GINVT_VA_MMID": 3, "SYNC_GINV": 3}),
        (Arm64RangeV61, 1 << 21, {"DSB_ISHST": 1, "TLBI_ASIDE1IS": 1, "DSB_ISH": 1}),
    ],
)
def test_the_instructions_of_a_range(plugin: type, pages: int, insns: dict[str, int]) -> None:
    mm, cells = space(plugin())
    events = go(mm.hook.flush_tlb_range(mm=mm, start=0, end=pages, stride=1), cells)
    counts: dict[str, int] = {}
    for kind, _cpu, name, nr in events:
        assert kind == "insn"
        counts[name] = counts.get(name, 0) + nr
    assert counts == insns


@pytest.mark.parametrize(
    ("start", "pages", "name", "nr"),
    [(5, 1, "sta_ASI_M_FLUSH_PROBE_REGION", 1), (4095, 2, "sta_ASI_M_FLUSH_PROBE_REGION", 2)],
)
def test_sparc32_flushes_a_range_by_regions_of_16_mib(start: int, pages: int, name: str, nr: int) -> None:
    mm, cells = space(Sparc32())
    flush = mm.hook.flush_tlb_range(mm=mm, start=start, end=start + pages, stride=1)
    events = go(flush, cells, [take_ipi(Tid(1), Cpu(1), mm.addrs)])
    assert sorted(event for event in events if event[0] == "insn") == [("insn", cpu, name, nr) for cpu in CPUS]


@pytest.mark.parametrize(("mask", "asked"), [({0}, 0), ({1}, 2), ({0, 1}, 2)])
def test_sparc32_calls_everybody_or_nobody(mask: set[int], asked: int) -> None:
    """Three CPUs, and the flush comes from CPU 0: another CPU in mm_cpumask has them all called."""
    mm, cells = space(Sparc32())
    three = frozenset(Cpu(n) for n in range(3))
    mm = replace(mm, cpus=None, online=three)
    cells[CPUMASK] = frozenset(map(Cpu, mask))
    others = [take_ipi(Tid(1), cpu, mm.addrs) for cpu in sorted(three - {Cpu(0)})]
    events = go(mm.hook.flush_tlb_page(mm=mm, addr=0), cells, others)
    assert sum(event[1] for event in events if event[0] == "ipi") == asked
    assert cells[tlb_cell(Cpu(0), 0)] is None


@pytest.mark.parametrize("pages", [1, 2])
def test_powerpc_nohash_flushes_the_mm_for_any_gather(pages: int) -> None:
    arch = set_up("test", PowerpcNohash(), "test")
    counts = Accountant(arch, ERAS["6.12"], Layout([("anon_dirty", pages)])).count()
    assert (counts["full_flushes"], counts["small_flushes"], counts["insn:tlbilx_pid"]) == (1, 0, 1)


@pytest.mark.parametrize(
    ("plugin", "start", "pages", "whole"),
    [(Mips, 0, 64, False), (Mips, 1, 64, True), (Loongarch, 0, 528, False), (Loongarch, 1, 528, True)],
)
def test_ceilings_of_paired_pages_count_pairs(plugin: Any, start: int, pages: int, whole: bool) -> None:
    """33 pairs cover 64 pages that begin in the middle of one."""
    assert (plugin().request(start, start + pages).end is None) == whole


def test_parisc_purges_pages_without_interrupts_and_interrupts_for_more() -> None:
    mm, cells = space(Parisc())
    served = [take_ipi(Tid(1), Cpu(1), mm.addrs)]
    events = go(mm.hook.flush_tlb_range(mm=mm, start=0, end=3, stride=1), cells, served)
    assert events == [("insn", Cpu(0), "pdtlb", 3), ("insn", Cpu(0), "pitlb", 3)]
    assert not any(cells[tlb_cell(cpu, addr)] for cpu in CPUS for addr in (0, 1))
    events = go(mm.hook.flush_tlb_range(mm=mm, start=0, end=4, stride=1), cells, served)
    assert ("ipi", 1) in events


@pytest.mark.parametrize(
    ("start", "pages", "number", "first", "last"),
    [(0, 1, 1, 0, 1), (5, 2, 1, 4, 8), (7, 2, 2, 4, 12), (3, 4, 2, 0, 8), (0, 5, 2, 0, 8), (1, 64, 2, 0, 128)],
)
def test_ia64_purges_ranges_in_supported_powers_of_two(
    start: int, pages: int, number: int, first: int, last: int
) -> None:
    """16 KiB pages; 16, 64, 256 KiB and 1 MiB are supported, 32 KiB is not."""
    begins, pieces, size = ia64.pieces(start << 14, start + pages << 14)
    assert (begins >> 14, pieces, begins + pieces * size >> 14) == (first, number, last)


@pytest.mark.parametrize(
    ("cpus", "pages", "name"),
    [(1, 256, "tlbiel_va"), (1, 257, "tlbiel_pid"), (2, 33, "tlbie_va"), (2, 34, "tlbie_pid")],
)
def test_radix_flushes_more_pages_one_by_one_where_nobody_else_has_the_mm(cpus: int, pages: int, name: str) -> None:
    mm, cells = space(PowerpcRadix())
    mm = replace(mm, cpus=frozenset(map(Cpu, range(cpus))))
    events = go(mm.hook.flush_tlb_range(mm=mm, start=0, end=pages, stride=1), cells)
    assert ("insn", Cpu(0), name, 1 if name.endswith("pid") else pages) in events


@pytest.mark.parametrize(("how", "ipis"), [("unmap", 0), ("exit", 1)])
def test_radix_interrupts_who_is_still_on_an_mm_that_goes_away(how: str, ipis: int) -> None:
    arch = set_up("test", PowerpcRadix(), "test")
    assert Accountant(arch, ERAS["6.12"], Layout([("anon_dirty", 8)]), how=how).count()["ipis"] == ipis


@pytest.mark.parametrize(
    ("plugin", "insn", "nr"), [(Arm64, "TLBI_VAE1IS", 1), (Arm, "TLBIMVAIS", 512), (Csky, "tlbi.vas", 256)]
)
def test_whether_one_flush_is_enough_for_an_entry_of_a_directory(plugin: type, insn: str, nr: int) -> None:
    """asm/tlb.h of arm64 says how far apart the entries were; arm and csky are given the range alone."""
    mm, cells = space(plugin())
    events = go(mm.hook.flush_tlb_range(mm=mm, start=0, end=512, stride=512), cells)
    assert ("insn", Cpu(0), insn, nr) in events


@pytest.mark.parametrize("plugin", [Riscv, RiscvV61])
def test_riscv_flushes_nothing_where_no_cpu_has_the_mm(plugin: type) -> None:
    mm, cells = space(plugin())
    events = go(replace(mm, cpus=frozenset()).hook.flush_tlb_mm(mm=replace(mm, cpus=frozenset())), cells)
    assert events == []
    assert all(cells[tlb_cell(cpu, addr)] == STALE for cpu in CPUS for addr in (0, 1))


@pytest.mark.parametrize(("pages", "spared"), [(31, True), (32, False)])
def test_radix_takes_the_page_walk_cache_along_from_a_tables_span_on(pages: int, spared: bool) -> None:
    """flush_tlb_range(), on which mremap() of a table depends."""
    mm, cells = space(PowerpcRadix())
    cells[tlb_cell(Cpu(1), 0)] = Upper(0)
    go(mm.hook.flush_tlb_range(mm=mm, start=0, end=pages, stride=1), cells)
    assert bool(cells[tlb_cell(Cpu(1), 0)]) == spared


def test_radix_spares_the_page_walk_cache_as_it_flushes_a_huge_entry() -> None:
    """radix__flush_pmd_tlb_range()."""
    mm, cells = space(PowerpcRadix())
    cells[tlb_cell(Cpu(1), 0)] = Upper(0)
    go(mm.hook.flush_pmd_tlb_range(mm=mm, start=0, end=32), cells)
    assert cells[tlb_cell(Cpu(1), 0)]


@pytest.mark.parametrize(("freed_tables", "name"), [(False, "TLBI_VALE1IS"), (True, "TLBI_VAE1IS")])
def test_the_gather_of_arm64_says_whether_upper_entries_are_spared(freed_tables: bool, name: str) -> None:
    """flush_tlb_range() never does: its callers may have moved or collapsed a table."""
    mm, cells = space(Arm64())
    tlb = MmuGather(mm, False, [], start=0, end=1, cleared_ptes=True, freed_tables=freed_tables)
    assert ("insn", Cpu(0), name, 1) in go(mm.hook.tlb_flush(tlb=tlb), cells)
    assert ("insn", Cpu(0), "TLBI_VAE1IS", 1) in go(mm.hook.flush_tlb_range(mm=mm, start=0, end=1, stride=1), cells)


def test_flush_tlb_range_of_x86_reaches_lazy_cpus() -> None:
    """3ef938c35035: it may be about a table, so that their walkers must forget too; flush_tlb_page() is not."""
    lazy = Cpu(1)
    for flush, asked in (
        (lambda mm: mm.hook.flush_tlb_range(mm=mm, start=0, end=1, stride=1), True),
        (lambda mm: mm.hook.flush_tlb_page(mm=mm, addr=0), False),
    ):
        mm, cells = space(X86(frozenset({lazy})))
        events = go(flush(mm), cells, [take_ipi(Tid(1), lazy, mm.addrs)])
        assert (("ipi", 1) in events) == asked
