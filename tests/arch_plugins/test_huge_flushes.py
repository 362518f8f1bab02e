"""How often, and by what, a huge entry is flushed as its protection changes and as it is split; row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from arch_plugins.arc import Arc
from arch_plugins.arm import ArmLpae
from arch_plugins.arm64 import Arm64, Arm64V61
from arch_plugins.mips import Mips
from arch_plugins.powerpc_hash import PowerpcHash
from arch_plugins.powerpc_radix import PowerpcRadix
from arch_plugins.riscv import Riscv, RiscvV61
from arch_plugins.s390 import S390
from arch_plugins.sparc64 import Sparc64
from arch_plugins.x86 import X86
from arch_plugins.x86_618 import X86618
from arch_plugins.x86_invlpgb import X86Invlpgb
from core.cost.flush_calls import telling
from core.machine.ipi import take_ipi
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Tid
from core.machine.pte import Pte
from core.mm.era import ERAS
from core.mm.huge_memory import change_huge_pmd, folio_mkclean_pmd, split_huge_anon_pmd, split_huge_pmd
from core.mm.mm import Mm
from core.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu
from core.mm.mprotect import wrprotect
from core.mm.pgtable import upper_entry
from core.plugins.arch import set_up
from tests.arch_plugins.test_families import go, space

OTHER = Cpu(1)


async def mprotect_huge(mm: Mm) -> None:
    """mprotect(PROT_READ) of a huge page."""
    tlb = await tlb_gather_mmu(mm)
    await change_huge_pmd(tlb, 0, mm.span[0], wrprotect)
    await tlb_finish_mmu(tlb)


async def split(mm: Mm) -> None:
    """A huge anonymous page is mapped by its parts."""
    await split_huge_anon_pmd(mm, 0, 0)


async def split_file(mm: Mm) -> None:
    """A huge page of a file is unmapped."""
    await split_huge_pmd(mm, 0)


async def mkclean(mm: Mm) -> None:
    """Writeback write-protects a huge page."""
    await folio_mkclean_pmd(mm, 0)


def flushes(plugin: object, program: Any, era: str = "6.12") -> tuple[list[str], dict[str, int]]:
    """The flushing hooks that `program` calls, and the instructions of CPU 0."""
    mm, cells = space(plugin)
    arch = telling(set_up("test", plugin, "test"))
    mm = replace(mm, hook=arch.hook, era=ERAS[era], mappings={0: [0]}, is_anon=lambda page: True)
    cells = Memory({**cells, upper_entry(0, 0): Pte(0, dirty=True), Cell("mapcount", 0): 1, Cell("mm_users"): 2})
    depth, calls, insns = 0, list[str](), dict[str, int]()
    for event in go(program(mm), cells, [take_ipi(Tid(1), OTHER, mm.addrs)]):
        if event[0] == "flush_call":
            calls += [event[1]] * (not depth)
            depth += 1
        elif event[0] == "flush_return":
            depth -= 1
        elif event[0] == "insn" and event[1] == Cpu(0):
            insns[event[2]] = insns.get(event[2], 0) + event[3]
    return calls, insns


@pytest.mark.parametrize("plugin", [X86, X86618, X86Invlpgb])
def test_x86_leaves_the_flush_of_a_changed_huge_entry_to_the_gather(plugin: type) -> None:
    """arch/x86/mm/pgtable.c:pmdp_invalidate_ad(), as only x86 has it."""
    assert flushes(plugin(), mprotect_huge)[0] == ["tlb_flush"]


@pytest.mark.parametrize(
    ("plugin", "era"),
    [
        (Arm64, "6.12"),
        (Arm64V61, "6.1"),
        (Riscv, "6.12"),
        (RiscvV61, "6.1"),
        (Arc, "6.12"),
        (Mips, "6.12"),
        (ArmLpae, "6.12"),
        (PowerpcRadix, "6.12"),
        (PowerpcHash, "6.12"),
        (Sparc64, "6.12"),
        (S390, "6.12"),
    ],
)
def test_all_others_flush_it_under_the_lock_and_again_with_the_gather(plugin: type, era: str) -> None:
    """mm/pgtable-generic.c:pmdp_invalidate_ad() is pmdp_invalidate()."""
    assert flushes(plugin(), mprotect_huge, era)[0] == ["pmdp_invalidate", "tlb_flush"]


@pytest.mark.parametrize("plugin", [X86, X86618, Arm64, Riscv, Arc, Mips, ArmLpae, PowerpcRadix, S390])
@pytest.mark.parametrize("program", [split, mkclean])
def test_a_huge_entry_that_is_split_or_cleaned_is_flushed_once(plugin: type, program: Any) -> None:
    assert flushes(plugin(), program)[0] == ["pmdp_invalidate"]


@pytest.mark.parametrize(
    ("plugin", "insns"), [(PowerpcRadix, {"tlbie_va": 1, "eieio;tlbsync;ptesync": 1}), (S390, {"IDTE": 1})]
)
def test_a_huge_page_of_a_file_is_flushed_once_as_it_is_unmapped(plugin: type, insns: dict[str, int]) -> None:
    """pmdp_huge_clear_flush(): radix's pmdp_huge_get_and_clear() does not flush, and s390's flushes at once."""
    assert flushes(plugin(), split_file) == (["pmdp_huge_clear_flush"], insns)


@pytest.mark.parametrize(
    ("plugin", "insns"),
    [
        (X86, {"MOV_CR3": 1}),  # flush_tlb_range() goes by 4 KiB, and 512 are above the ceiling
        (Arm64, {"DSB_ISHST": 1, "TLBI_VAE1IS": 1, "DSB_ISH": 1}),
        (Arc, {"tlb_entry_erase": 1}),
        (PowerpcRadix, {"tlbie_va": 1, "eieio;tlbsync;ptesync": 1}),
        (S390, {"IDTE": 1}),
    ],
)
def test_flush_pmd_tlb_range_takes_one_instruction_where_it_knows_the_entry_to_be_large(
    plugin: type, insns: dict[str, int]
) -> None:
    assert flushes(plugin(), split)[1] == insns
