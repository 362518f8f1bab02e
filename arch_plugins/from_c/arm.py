"""arm (v7) from its C: kernel/smp_tlb.c and tlbflush.h, on CPUs that broadcast.

A TLBI is issued, and complete at this CPU's DSB ISH.  A flush of a range is assembly in the kernel (mm/tlb-v7.S), and
here one word.  How ASIDs are given out (context.c) stays in Python; a flush reads the mm's where the C does.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.arm import Arm
from arch_plugins.families.asid import context_id
from arch_plugins.families.broadcast import effect_of
from arch_plugins.from_c._common import ADDRESS, COMMON, FlushesFromC, Hook, KernelRangeFromC, flushes_nothing
from core.machine.asid import AsidRequest
from core.machine.broadcast import complete, issue
from core.machine.insn import EVERYWHERE, Operand, insn
from core.machine.ipi import FlushRequest, flush_here
from core.machine.op import barrier
from core.machine.order import Order
from core.mm.mm import Mm
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just

FLUSHES_OF_A_CPU = """
    __local_flush_tlb_all local_flush_tlb_all@0 __flush_tlb_all __local_flush_tlb_mm local_flush_tlb_mm@0
    __flush_tlb_mm __local_flush_tlb_page local_flush_tlb_page@0 __flush_tlb_page
"""
FLUSHES = """
    ipi_flush_tlb_mm ipi_flush_tlb_page ipi_flush_tlb_range ipi_flush_tlb_a15_erratum broadcast_tlb_mm_a15_erratum
    flush_tlb_mm flush_tlb_page flush_tlb_range broadcast_tlb_a15_erratum ipi_flush_tlb_kernel_range
    flush_tlb_kernel_range
"""


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    return Manifest(
        (
            Source("arch/arm/include/asm/tlbflush.h", keep=("#TLB_\\w+", *names_in(FLUSHES_OF_A_CPU))),
            Source("arch/arm/kernel/smp_tlb.c", keep=("struct tlb_args", *names_in(FLUSHES))),
        ),
        "arm.h",
        "arm.c",
    )


ASID, ASIDS = 1, range(1, 8)
"""Of the mm where a model does not follow ASIDs; and all that it may have where one does."""

ASID_MASK = 0xFF


async def _read_asid(of: Hook, word: Word) -> int:
    if of.mm.context is None:
        return ASID
    _, asid = await context_id(of.mm.context)
    return int(asid)


async def _issue(of: Hook, name: str, request: FlushRequest, operand: Operand, asid: int) -> None:
    """Of an ASID; where the model does not follow it another one is somebody else's."""
    await insn(of.mm.task.cpu, name, operand.nr or 1, operand)
    effects = effect_of(of.mm) if of.mm.early_broadcasts else ()
    if of.mm.context is not None:
        await issue(of.mm.task.cpu, name, AsidRequest(asid, request), effects)
    elif asid == ASID:
        await issue(of.mm.task.cpu, name, request, effects)
    else:
        await flushes_nothing(of, Word(name, ""))


def _pages(of: Hook, word: Word) -> FlushRequest:
    """The page of an operand, whose lowest bits are the ASID."""
    page = of.addr + (word.a - ADDRESS >> PAGE_SHIFT)
    return FlushRequest(page, page + 1)


async def _all_asids(of: Hook, word: Word) -> int:
    await insn(of.mm.task.cpu, "TLBIALLIS", 1, EVERYWHERE)
    await issue(of.mm.task.cpu, "TLBIALLIS", FlushRequest(), effect_of(of.mm) if of.mm.early_broadcasts else ())
    return 0


async def _asid(of: Hook, word: Word) -> int:
    await _issue(of, "TLBIASIDIS", FlushRequest(), EVERYWHERE, word.a & ASID_MASK)
    return 0


async def _address(of: Hook, word: Word) -> int:
    request = _pages(of, word)
    operand = Operand(request.start, 1, everywhere=True)
    await _issue(of, "TLBIMVAIS", request, operand, word.a & ASID_MASK)
    return 0


async def _local(of: Hook, word: Word) -> int:
    """What no other CPU sees: everything, a page, an ASID."""
    request = _pages(of, word) if word.kind.endswith("1") else FlushRequest()
    if of.mm.context is None and (word.kind.endswith("0") or word.a & ASID_MASK == ASID):
        await flush_here(of.mm.task.cpu, of.mm.addrs, request, f"mcr {word.kind}")
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
    """v7wbi_flush_user_tlb_range(): the ASID, a barrier, page by page, a barrier."""
    start, end = (of.addr + (address - ADDRESS >> PAGE_SHIFT) for address in (word.a, word.b))
    asid = await _read_asid(of, word)
    await _ishst(of, word)
    await _issue(of, "TLBIMVAIS", FlushRequest(start, end), Operand(start, end - start, everywhere=True), asid)
    await _ish(of, word)
    return 0


async def _kernel_range(of: Hook, word: Word) -> int:
    """v7wbi_flush_kern_tlb_range(): whatever the ASID; there is no ISB to be seen."""
    start, end = (of.addr + (address - ADDRESS >> PAGE_SHIFT) for address in (word.a, word.b))
    operand, request = Operand(start, end - start, leaf=True, everywhere=True), FlushRequest(start, end, leaf=True)
    await _ishst(of, word)
    await insn(of.mm.task.cpu, "TLBIMVAIS", end - start, operand)
    await issue(of.mm.task.cpu, "TLBIMVAIS", request, effect_of(of.mm) if of.mm.early_broadcasts else ())
    await _ish(of, word)
    return 0


VOCABULARY = Vocabulary(
    (
        Rule("read|READ_ONCE", "mm.context.id", _read_asid, just(*ASIDS)),
        Rule("mcr c8, c3, 0", "", _all_asids),
        Rule("mcr c8, c3, 1", "", _address),
        Rule("mcr c8, c3, 2", "", _asid),
        Rule("mcr c8, c7, [012]", "", _local),
        Rule("v7wbi_flush_kern_tlb_range", "", _kernel_range),
        Rule("v7wbi_flush_user_tlb_range", "mm.context.id", _range),
        Rule("dsb ishst", "", _ishst),
        Rule("dsb ish|dsb |dsb sy", "", _ish),
        hidden("dsb nsh|dsb nshst", why="it waits for no TLBI that others see, and orders no store for them"),
        hidden("dmb *", why="it waits for no TLBI, and a walker's loads are no loads of a CPU's"),
        hidden("isb", why="no instruction is translated"),
        *COMMON,
    )
)


class ArmFromC(FlushesFromC, KernelRangeFromC, Arm):
    """The flushes."""

    follows_asids = True

    def c_kernel_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        return self.c_range(mm, start, end)

    def c_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        return Hook(mm, start), ADDRESS, ADDRESS + (end - start << PAGE_SHIFT)


def _plugin(automata: Any) -> object:
    return ArmFromC(automata)


BINDING = Binding("arm", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.arm:Arm")
