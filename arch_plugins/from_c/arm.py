"""arm (v7) from its C: kernel/smp_tlb.c and tlbflush.h, on CPUs that broadcast.

A TLBI is issued, and complete at this CPU's DSB ISH.  A flush of a range is assembly in the kernel (mm/tlb-v7.S), and
here the plugin's.  How ASIDs are given out (context.c) stays in Python, and so do flushes where a model follows ASIDs.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.arm import Arm
from arch_plugins.families.broadcast import effect_of
from arch_plugins.from_c._common import ADDRESS, COMMON, FlushesFromC, Hook
from core.machine.broadcast import complete, issue
from core.machine.insn import EVERYWHERE, Operand, insn
from core.machine.ipi import FlushRequest
from core.machine.op import barrier
from core.machine.order import Order
from core.mm.mm import Mm
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just

BROADCAST = "__local_flush_tlb_mm __flush_tlb_mm __local_flush_tlb_page __flush_tlb_page"
FLUSHES = """
    ipi_flush_tlb_mm ipi_flush_tlb_page ipi_flush_tlb_range ipi_flush_tlb_a15_erratum broadcast_tlb_mm_a15_erratum
    flush_tlb_mm flush_tlb_page flush_tlb_range
"""


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    return Manifest(
        (
            Source("arch/arm/include/asm/tlbflush.h", keep=("#TLB_\\w+", *names_in(BROADCAST))),
            Source("arch/arm/kernel/smp_tlb.c", keep=("struct tlb_args", *names_in(FLUSHES))),
        ),
        "arm.h",
        "arm.c",
    )


async def _issue(of: Hook, name: str, request: FlushRequest, operand: Operand) -> None:
    await insn(of.mm.task.cpu, name, operand.nr or 1, operand)
    await issue(of.mm.task.cpu, name, request, effect_of(of.mm) if of.mm.early_broadcasts else ())


async def _asid(of: Hook, word: Word) -> int:
    await _issue(of, "TLBIASIDIS", FlushRequest(), EVERYWHERE)
    return 0


async def _address(of: Hook, word: Word) -> int:
    await _issue(of, "TLBIMVAIS", FlushRequest(of.addr, of.addr + 1), Operand(of.addr, 1, everywhere=True))
    return 0


async def _ishst(of: Hook, word: Word) -> int:
    await insn(of.mm.task.cpu, Arm.prologue)
    await barrier(Order.DSB_ISHST)
    return 0


async def _ish(of: Hook, word: Word) -> int:
    await insn(of.mm.task.cpu, Arm.barrier)
    await complete(of.mm.task.cpu, of.mm.everyone, of.mm.addrs, Arm.barrier)
    return 0


async def _range(of: Hook, word: Word) -> int:
    """v7wbi_flush_user_tlb_range(): a barrier, page by page, a barrier."""
    start, end = (of.addr + (address - ADDRESS >> PAGE_SHIFT) for address in (word.a, word.b))
    await _ishst(of, word)
    await _issue(of, "TLBIMVAIS", FlushRequest(start, end), Operand(start, end - start, everywhere=True))
    await _ish(of, word)
    return 0


VOCABULARY = Vocabulary(
    (
        Rule("mcr c8, c3, 2", "", _asid),
        Rule("mcr c8, c3, 1", "", _address),
        Rule("v7wbi_flush_user_tlb_range", "", _range),
        Rule("dsb ishst", "", _ishst),
        Rule("dsb ish", "", _ish),
        hidden("read|READ_ONCE", "mm.context.id", "the mm has an ASID of its own", just(1)),
        *COMMON,
    )
)


class ArmFromC(FlushesFromC, Arm):
    """The flushes."""

    def c_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        return Hook(mm, start), ADDRESS, ADDRESS + (end - start << PAGE_SHIFT)


def _plugin(automata: Any) -> object:
    return ArmFromC(automata)


BINDING = Binding("arm", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.arm:Arm")
