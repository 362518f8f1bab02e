"""What the functions of asm/pgtable.h and the flushes of a whole mm do to TLBs, row by row, as the kernel has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from arch_plugins.arm64 import Arm64, Arm64Range, Arm64V61
from arch_plugins.families.at_clear import ATTACH_MASK, FLUSH_COUNT, FLUSH_MM
from arch_plugins.loongarch import Loongarch
from arch_plugins.mips import Mips, MipsGinvt
from arch_plugins.parisc import Parisc
from arch_plugins.powerpc_book3s32 import PowerpcBook3s32
from arch_plugins.powerpc_hash import PowerpcHash
from arch_plugins.powerpc_radix import PowerpcRadix
from arch_plugins.powerpc_radix_hcall import PowerpcRadixHcall
from arch_plugins.riscv import Riscv
from arch_plugins.s390 import S390
from arch_plugins.sparc32 import Sparc32
from arch_plugins.sparc64 import Sparc64
from arch_plugins.x86 import X86, X86Pti
from arch_plugins.x86_invlpgb import X86Invlpgb
from core.machine.accessed import accessed_cell
from core.machine.ipi import take_ipi
from core.machine.op import Cpu, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import Upper, tlb_cell
from core.mm.mm import CPUMASK, Mm
from core.mm.mmu_gather import MmuGather
from core.mm.pgtable import upper_entry
from tests.arch_plugins.test_families import CPUS, STALE, go, space

OTHER = Cpu(1)
READ_ONLY, WRITABLE = Pte(0, write=False), Pte(0, dirty=True)


def counted(mm: Mm, program: Any, cells: Any) -> dict[str, int]:
    """The instructions of CPU 0, by name."""
    found: dict[str, int] = {}
    for event in go(program, cells, [take_ipi(Tid(1), OTHER, mm.addrs)]):
        if event[0] == "insn" and event[1] == Cpu(0):
            found[event[2]] = found.get(event[2], 0) + event[3]
    return found


@pytest.mark.parametrize(
    ("plugin", "flushes"),
    [
        (X86, False),
        (X86Invlpgb, False),
        (Riscv, False),
        (Mips, False),
        (MipsGinvt, False),
        (PowerpcRadix, False),
        (PowerpcHash, False),
        (Arm64, True),
        (S390, True),
        (Loongarch, True),
        (Parisc, True),
        (Sparc32, True),
        (Sparc64, True),
        (PowerpcBook3s32, True),
    ],
)
def test_whether_a_fault_that_allows_more_flushes_what_allows_less(plugin: type, flushes: bool) -> None:
    """ptep_set_access_flags(): flush_tlb_fix_spurious_fault() is flush_tlb_page(), or, as some say, nothing."""
    mm, cells = space(plugin())
    mm = replace(mm, online=frozenset(CPUS))
    cells[pte_cell(0)] = READ_ONLY
    others = [mm.hook.flush_tlb_func(mm=mm, sender=Tid(1), cpu=OTHER)]
    go(mm.hook.ptep_set_access_flags(mm=mm, addr=0, entry=WRITABLE), cells, others)
    assert cells[pte_cell(0)] == WRITABLE
    assert [cells[tlb_cell(cpu, 0)] is None for cpu in CPUS] == [flushes, flushes]


def test_arm64_flushes_for_a_store_alone() -> None:
    mm, cells = space(Arm64())
    cells[pte_cell(0)] = READ_ONLY
    go(mm.hook.ptep_set_access_flags(mm=mm, addr=0, entry=READ_ONLY), cells)
    assert cells[tlb_cell(OTHER, 0)] == STALE


def test_s390_flushes_an_entry_that_it_makes_old() -> None:
    """An old entry is invalid in hardware; on the others the next use of a cached one is not noticed."""
    mm, cells = space(S390())
    mm = replace(mm, online=frozenset(CPUS))
    cells[pte_cell(0)] = WRITABLE
    go(mm.hook.ptep_clear_flush_young(mm=mm, addr=0), cells)
    assert (cells[pte_cell(0)], cells[accessed_cell(0)], cells[tlb_cell(OTHER, 0)]) == (WRITABLE, False, None)
    mm, cells = space(X86())
    go(mm.hook.ptep_clear_flush_young(mm=mm, addr=0), cells)
    assert (cells[accessed_cell(0)], cells[tlb_cell(OTHER, 0)]) == (False, STALE)


def test_s390_execs_without_waiting_for_flushers() -> None:
    """activate_mm() sets both masks; only the scheduler calls finish_arch_post_lock_switch(), which waits."""
    mm, cells = space(S390())
    mm = replace(mm, cpus=None)
    cells[FLUSH_COUNT], cells[FLUSH_MM], cells[tlb_cell(Cpu(0), 0)] = 1, True, STALE
    cells[ATTACH_MASK] = cells[CPUMASK] = frozenset()
    go(mm.hook.activate_mm(mm=mm), cells)
    assert cells[ATTACH_MASK] == cells[CPUMASK] == {Cpu(0)}
    assert (cells[FLUSH_MM], cells[tlb_cell(Cpu(0), 0)]) == (True, STALE)
    with pytest.raises(Exception, match="flush_count"):
        go(mm.hook.switch_mm(prev=None, next=mm), cells)


@pytest.mark.parametrize("plugin", [PowerpcRadix, PowerpcRadixHcall])
def test_radix_spares_the_page_walk_cache_where_no_table_was_freed(plugin: type) -> None:
    """radix__flush_tlb_mm() is RIC_FLUSH_TLB, and so is a flush of the PID for too many pages."""

    def spares(program: Any, mm: Mm, cells: Any) -> bool:
        cells[tlb_cell(OTHER, 0)] = Upper(0)
        go(program, cells, [mm.hook.flush_tlb_func(mm=mm, sender=Tid(1), cpu=OTHER)])
        return cells[tlb_cell(OTHER, 0)] is not None

    mm, cells = space(plugin())
    assert spares(mm.hook.flush_tlb_mm(mm=mm), mm, cells)
    for freed in (False, True):
        for end in (4, 400):
            tlb = MmuGather(mm, False, [], start=0, end=end, cleared_ptes=True, freed_tables=freed)
            assert spares(mm.hook.tlb_flush(tlb=tlb), mm, cells) is not freed
    assert not spares(mm.hook.flush_tlb_range(mm=mm, start=0, end=400, stride=1), mm, cells)


@pytest.mark.parametrize(
    ("start", "pages", "insns"),
    [
        (0, 31, {"tlbie_va": 31}),
        (1, 32, {"tlbie_pid": 1, "tlbie_va": 32}),
        (0, 32, {"tlbie_pid": 1, "tlbie_va": 32 + 1}),
        (0, 34, {"tlbie_pid": 1}),
    ],
)
def test_radix_flushes_2_mib_that_are_whole_as_a_huge_page_too(start: int, pages: int, insns: dict[str, int]) -> None:
    """__radix__flush_tlb_range(): the page-walk cache by a tlbie of the PID, then hstart to hend once more."""
    mm, cells = space(PowerpcRadix())
    found = counted(mm, mm.hook.flush_tlb_range(mm=mm, start=start, end=start + pages, stride=1), cells)
    assert {name: nr for name, nr in found.items() if name.startswith("tlbie_")} == insns


def test_radix_flushes_a_huge_page_as_it_is_cleared_unless_the_mm_is_torn_down() -> None:
    """book3s64/pgtable.c:pmdp_huge_get_and_clear_full()."""
    for full in (False, True):
        mm, cells = space(PowerpcRadix())
        cells[upper_entry(0, 0)] = WRITABLE
        assert go(mm.hook.pmdp_huge_get_and_clear(mm=mm, addr=0, full=full), cells)
        assert (cells[upper_entry(0, 0)], cells[tlb_cell(OTHER, 0)] is None) == (None, not full)


def test_radix_flushes_nothing_of_an_mm_that_no_cpu_is_on() -> None:
    """FLUSH_TYPE_NONE."""
    mm, cells = space(PowerpcRadix())
    mm = replace(mm, cpus=frozenset())
    assert go(mm.hook.flush_tlb_mm(mm=mm), cells) == []


@pytest.mark.parametrize(("cpus", "name"), [(1, "tlbiel"), (2, "tlbie")])
def test_powerpc_hash_broadcasts_only_where_another_cpu_has_had_the_mm(cpus: int, name: str) -> None:
    """mm_is_thread_local()."""
    mm, cells = space(PowerpcHash())
    mm = replace(mm, cpus=frozenset(CPUS[:cpus]))
    cells[pte_cell(0)] = WRITABLE
    assert counted(mm, mm.hook.ptep_get_and_clear(mm=mm, addr=0, nr=1, full=False), cells) == {name: 1}
    assert cells[tlb_cell(Cpu(0), 0)] is None


@pytest.mark.parametrize(
    ("plugin", "most"), [(Arm64, 8 * 512 * 512), (Arm64V61, 8 * 512 * 512 - 1), (Arm64Range, 8 * 512 * 512)]
)
def test_arm64_counts_pages_too_whatever_the_stride(plugin: type, most: int) -> None:
    """MAX_TLBI_RANGE_PAGES, 8 GiB, is asked without range instructions as well: pages of 1 GiB reach it first."""
    assert not plugin().above_ceiling(0, most, 512 * 512)
    assert plugin().above_ceiling(0, most + 1, 512 * 512)


@pytest.mark.parametrize("plugin", [Arm64, Arm64Range, Arm64V61])
@pytest.mark.parametrize(("pages", "name", "nr"), [(512, "TLBI_VAALE1IS", 512), (513, "TLBI_VMALLE1IS", 1)])
def test_arm64_flushes_a_kernel_range_page_by_page_up_to_512(plugin: type, pages: int, name: str, nr: int) -> None:
    """flush_tlb_kernel_range(): more than MAX_DVM_OPS pages, with and without range instructions."""
    mm, cells = space(plugin())
    assert counted(mm, mm.hook.flush_tlb_kernel_range(mm=mm, start=0, end=pages), cells)[name] == nr


@pytest.mark.parametrize(
    ("plugin", "pages", "expected"),
    [
        (X86, 33, {"INVLPG": 33}),
        (X86, 34, {"INVPCID_ALL": 1}),
        (X86Pti, 33, {"INVLPG": 33, "INVPCID_ADDR": 33}),
        (X86Pti, 34, {"INVPCID_ALL": 1}),
    ],
)
def test_x86_flushes_a_kernel_range_page_by_page_up_to_the_ceiling(
    plugin: type, pages: int, expected: dict[str, int]
) -> None:
    """tlb_single_page_flush_ceiling is asked of kernel ranges too; what CPU 0 does, as every other."""
    mm, cells = space(plugin())
    assert counted(mm, mm.hook.flush_tlb_kernel_range(mm=mm, start=0, end=pages), cells) == expected
