"""arm64 from its C: tlbflush.h, tlb.h and mm/context.c, on CPUs without FEAT_TLBIRANGE and FEAT_TTCNP.

A TLBI is issued, and complete at this CPU's DSB ISH.  Where a model follows ASIDs, check_and_switch_context() gives
them out (`arch_plugins.from_c._asids`), and a flush is of the one that it has read.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.arm64 import Arm64, Arm64V61
from arch_plugins.families.broadcast import effect_of
from arch_plugins.from_c import _asids as asids
from arch_plugins.from_c._common import (
    COMMON,
    FlushesFromC,
    GatherFromC,
    Hook,
    KernelRangeFromC,
    SizedFromC,
    address,
    flushes_nothing,
    smp_mb,
)
from arch_plugins.from_c._flushed_asid import ASID, FlushedAsid, read_asid
from core.hookspecs import hookimpl
from core.machine.asid import AsidRequest
from core.machine.broadcast import complete, issue
from core.machine.insn import EVERYWHERE, Operand, insn
from core.machine.ipi import FlushRequest, Request, flush_here
from core.machine.op import Cell, barrier
from core.machine.order import Order
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather, tlb_get_unmap_size
from core.tree.automata import Automata
from core.tree.binding import Binding
from core.tree.manifest import GENERIC_GATHER, Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just

PAGE_NUMBER = (1 << 44) - 1
"""Of the operand of a TLBI by address: __TLBI_VADDR()."""

ASID_SHIFT = 48
"""Of that operand, and of TTBR1."""

TTL, LEVEL = 44, 3
"""Where that operand says the level of the entry (FEAT_TTL), and the bits of it that are the level; 0: it does not."""

BOOT = """
    get_cpu_asid_bits verify_cpu_asid_bits asids_init asids_update_limit ;arch_initcall ;early_initcall
    post_ttbr_update_workaround
"""
"""What of context.c runs as the machine starts, and an erratum of the instruction cache."""


def manifest(version: Version) -> Manifest:
    """The same files in 6.1 and 6.12."""
    asm = "arch/arm64/include/asm/"
    switching = ("cpu_set_reserved_ttbr0", "cpu_switch_mm", "__switch_mm", "switch_mm")
    return Manifest(
        (
            Source(f"{asm}mmu.h", drop=("?kaslr_requires_kpti",)),
            Source(f"{asm}tlbflush.h", drop=("#__TLBI_0", "#__TLBI_1")),
            Source(f"{asm}tlb.h"),
            Source(f"{asm}pgtable.h", keep=("#flush_pmd_tlb_range",)),
            Source(f"{asm}mmu_context.h", keep=("?cpu_set_reserved_ttbr0_nosync", *switching)),
            Source(GENERIC_GATHER),
            Source("arch/arm64/mm/context.c", drop=names_in(BOOT)),
        ),
        "arm64.h",
        "arm64.c",
    )


def _page(of: Hook, word: Word) -> int:
    """The first page of what an operand covers."""
    first = word.a & PAGE_NUMBER
    return first - first % of.span


def _spans(of: Hook) -> set[int]:
    """How many pages one entry maps, of each level that was cleared; a hint of another level flushes nothing."""
    tlb, (pmd, pud, _) = of.tlb, of.mm.span
    if tlb is None:
        return {of.span}
    levels = ((1, tlb.cleared_ptes), (pmd, tlb.cleared_pmds), (pud, tlb.cleared_puds))  # spans may be the same
    return {span for span, cleared in levels if cleared}


def _hint_is_wrong(of: Hook, word: Word) -> bool:
    """Whether the operand names a level, and not the only one that has entries."""
    level = word.a >> TTL & LEVEL
    return bool(level) and _spans(of) != {(of.mm.span[1], of.mm.span[0], 1)[level - 1]}


def _of_asid(of: FlushedAsid, request: FlushRequest) -> Request:
    """The request, of the ASID that was read, where a model follows it."""
    return request if of.asid is None else AsidRequest(of.asid, request)


async def _local(of: Hook, word: Word) -> int:
    """A TLBI that no other CPU sees."""
    first, cpu = _page(of, word), of.mm.task.cpu
    request = (
        FlushRequest(first, first + of.span, "vale1" in word.kind)
        if word.kind.startswith("tlbi va")
        else FlushRequest()
    )
    await flush_here(cpu, of.mm.addrs, request, word.kind)
    return 0


async def _by_address(of: FlushedAsid, word: Word) -> int:
    """TLBI VAE1IS, VALE1IS: what translates the address, and (VAE1IS) the upper entries on the way to it.

    A run of them over consecutive addresses is one request, issued at its last, as it is in the plugin: none of them is
    complete before the barrier that follows.
    """
    leaf = "le1" in word.kind
    first, cpu = _page(of, word), of.mm.task.cpu
    name = f"TLBI_{word.kind.split()[1].upper()}"
    await insn(cpu, name, 1, Operand(first, 1, of.span, leaf=leaf, everywhere=True))
    start = first if of.run_from is None else of.run_from
    then = of.following
    of.run_from = start if then and then.kind == word.kind and _page(of, then) == first + of.span else None
    if of.run_from is None and not _hint_is_wrong(of, word):
        await issue(cpu, name, _of_asid(of, FlushRequest(start, first + of.span, leaf)), _effects(of.mm))
    return 0


def _effects(mm: Mm) -> tuple[tuple[int, Cell], ...]:
    """What a TLBI may drop as it is issued, in models where that matters."""
    return effect_of(mm) if mm.early_broadcasts else ()


async def _of_another(of: Hook, word: Word) -> int:
    """Of an ASID that is not the mm's: it flushes nothing of it."""
    name = f"TLBI_{word.kind.split()[1].upper()}"
    await insn(of.mm.task.cpu, name, 1, EVERYWHERE)
    await issue(of.mm.task.cpu, name, FlushRequest(0, 0))
    return 0


async def _by_asid(of: FlushedAsid, word: Word) -> int:
    """TLBI ASIDE1IS; VMALLE1IS is of every ASID."""
    request = _of_asid(of, FlushRequest()) if word.kind == "tlbi aside1is" else FlushRequest()
    await insn(of.mm.task.cpu, "TLBI_ASIDE1IS", 1, EVERYWHERE)
    await issue(of.mm.task.cpu, "TLBI_ASIDE1IS", request, _effects(of.mm))
    return 0


async def _before(of: Hook, word: Word) -> int:
    """DSB ISHST: what was cleared is visible to every walker."""
    await insn(of.mm.task.cpu, "DSB_ISHST")
    await barrier(Order.DSB_ISHST)
    return 0


async def _complete(of: Hook, word: Word) -> int:
    await insn(of.mm.task.cpu, "DSB_ISH")
    await complete(of.mm.task.cpu, of.mm.everyone, of.mm.addrs, "DSB_ISH")
    return 0


RESERVED_PG_DIR, PGD = 0x200000700000, 0x10000
"""What TTBR0 may hold: the first as in shim/arm64.h."""


async def _write_ttbr1(of: asids.AsidHands, word: Word) -> int:
    """Its ASID is in use once TTBR0 has the tables."""
    of.loaded = of.number_of(word.a >> ASID_SHIFT)
    return 0


async def _write_ttbr0(of: asids.AsidHands, word: Word) -> int:
    """No user code runs before the switch is over, so nothing is cached of what is there until then."""
    if word.a != RESERVED_PG_DIR:
        await asids.load_asid(of.mm.task.cpu, of.loaded)
    return 0


NAMES = asids.AsidNames(
    generation="asid_generation",
    active="active_asids",
    reserved="reserved_asids",
    map="asid_map",
    pending="tlb_flush_pending",
    lock="cpu_asid_lock",
)

VOCABULARY = Vocabulary(
    (
        Rule("tlbi vae1is|tlbi vale1is", "", _by_address),
        Rule("tlbi aside1is|tlbi vmalle1is", "", _by_asid),
        Rule("tlbi vaale1is*|tlbi vaae1is*", "", _by_address),
        Rule("tlbi *is of another ASID", "", _of_another),
        Rule("tlbi vae1|tlbi vale1|tlbi aside1|tlbi vmalle1", "", _local),
        Rule("tlbi *e1 of another ASID", "", flushes_nothing),
        hidden("dsb nsh|dsb nshst|dsb ishld", why="it waits for no TLBI that others see, and orders no store for them"),
        hidden("isb", why="no instruction is translated"),
        Rule("dsb ishst", "", _before),
        Rule("dsb ish|dsb sy", "", _complete),
        Rule("barrier smp_mb", "", smp_mb),
        Rule("atomic64_read", "mm.context.id", read_asid, just(ASID)),
        *asids.rules(NAMES, shift=16),
        Rule("msr ttbr1_el1", "", _write_ttbr1),
        Rule("msr ttbr0_el1", "", _write_ttbr0),
        hidden(asids.READ, "asid_bits", "there are few ASIDs", just(asids.BITS)),
        hidden(asids.READ, "pinned_asid_map", "nobody pins an ASID", just(0)),
        hidden("atomic_read", "next.context.pinned", "nobody pins an ASID", just(0)),
        hidden(asids.READ, "next.pgd", "the mm", just(PGD)),
        *COMMON,
    )
)


class _Flushes(FlushesFromC, KernelRangeFromC, SizedFromC, GatherFromC):
    """The hooks of both versions."""

    follows_asids = True
    hands = FlushedAsid

    def c_mm(self, mm: Mm) -> Hook:
        return FlushedAsid(mm)

    def c_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        return FlushedAsid(mm), address(start), address(end)

    def c_kernel_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        return self.c_range(mm, start, end)

    async def take_asid(self, mm: Mm, context: Cell) -> None:
        """switch_mm() to an mm whose ASID the model follows."""
        await self.run(asids.AsidHands(mm), "enter_switch_mm")

    @hookimpl
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        await self.run(FlushedAsid(mm, span=mm.span[0]), "enter_flush_pmd_tlb_range", address(start), address(end))

    async def flush_tlb_page_nosync(self, mm: Mm, addr: int) -> None:
        """Issue only: for ptep_clear_flush_young()."""
        await self.run(FlushedAsid(mm), "enter_flush_tlb_page_nosync", address(addr))

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        await self.run_tlb_flush(tlb, 1 if tlb.fullmm else tlb_get_unmap_size(tlb))
        return "mm" if tlb.fullmm else "range"


class Arm64FromC(_Flushes, Arm64):
    """6.12."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        for addr in range(start, end):  # the kernel of this tree takes one entry
            await self.run(FlushedAsid(mm), "enter_tlbbatch_add_pending", address(addr))

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        await self.run(FlushedAsid(mm), "enter_tlbbatch_flush")

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        await self.run(FlushedAsid(mm), "enter_flush_tlb_batched_pending")


class Arm64V61FromC(_Flushes, Arm64V61):
    """6.1: no batched unmap."""


def _plugin(automata: Automata) -> Any:
    return (Arm64V61FromC if automata.unit.version < (6, 12) else Arm64FromC)(automata)


def _beside(version: Version) -> str:
    return f"arch_plugins.arm64:{'Arm64V61' if version < (6, 12) else 'Arm64'}"


BINDING = Binding("arm64", manifest, VOCABULARY, _plugin, _beside)
