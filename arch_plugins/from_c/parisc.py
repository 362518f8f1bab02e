"""parisc from its C: purge_tlb_entries(), __flush_tlb_range() and flush_tlb_all().

How an entry is stored stays in Python; here is what set_ptes() does behind that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import ADDRESS, COMMON, Hook, KernelRangeFromC, flushes_nothing
from arch_plugins.parisc import Parisc, purge
from core.hookspecs import Facts, hookimpl
from core.machine.insn import EVERYTHING, insn
from core.machine.ipi import FlushRequest, flush_here, send_ipis
from core.mm.mm import Mm
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.hybrid import cpus_in
from core.tree.manifest import Manifest, Source, Version
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    arch = "arch/parisc/"
    return Manifest(
        (
            *smp.sources(),
            Source(f"{arch}include/asm/pgtable.h", keep=("purge_tlb_entries",)),
            Source(
                f"{arch}include/asm/tlbflush.h",
                keep=("#flush_tlb_range", "#flush_tlb_kernel_range", "flush_tlb_mm", "flush_tlb_page"),
            ),
            Source(f"{arch}kernel/cache.c", keep=("__flush_tlb_range",)),
            Source(f"{arch}mm/init.c", keep=("flush_tlb_all@0",)),
        ),
        "parisc.h",
        "parisc.c",
        owned=smp.OWNED,
    )


SPACE = 1
"""The space ID of the mm."""


PURGES = ("mtsp", "pdtlb", "pitlb")
"""The words of a run of purges."""


@dataclass
class PurgeHands(Hook):
    """`space` is the one that purges are of; `halves` are the translations that are gone. A run of purges from
    `run_from` on ends before `run_to`.
    """

    space: int = 0
    halves: frozenset[tuple[str, int]] = frozenset()
    run_to: int = 0


async def _mtsp(of: PurgeHands, word: Word) -> int:
    of.space = word.a
    return 0


def _of_mm(of: PurgeHands) -> bool:
    return of.space == SPACE or of.mm.is_init_mm


def _page(of: PurgeHands, word: Word) -> int:
    return of.addr + (word.a - ADDRESS >> PAGE_SHIFT)


async def _purge(of: PurgeHands, word: Word) -> int:
    """A half of a page's translations, for data or for instructions. With both a page is purged, on every CPU; a run of
    them is one operation, at its last.
    """
    page = _page(of, word)
    if _of_mm(of):
        of.halves |= {(word.kind, page)}
        if {("pdtlb", page), ("pitlb", page)} <= of.halves:
            if of.run_from is not None and of.run_to != page:
                await _end_run(of)
            of.run_from = page if of.run_from is None else of.run_from
            of.run_to = page + 1
    else:
        await flushes_nothing(of, word)
    if of.following is None or of.following.kind not in PURGES:
        await _end_run(of)
    return 0


async def _end_run(of: PurgeHands) -> None:
    if of.run_from is not None:
        await purge(of.mm, of.run_from, of.run_to)
    of.run_from = None


async def _send(of: Hook, mask: int) -> None:
    cpus = cpus_in(of.mm, mask)
    for cpu in sorted(cpus):
        await insn(cpu, Parisc.mm_insn, 1, EVERYTHING)
    await send_ipis(of.mm.task, cpus, FlushRequest())


async def _all(of: Hook, word: Word) -> int:
    await insn(of.mm.task.cpu, Parisc.mm_insn, 1, EVERYTHING)
    await flush_here(of.mm.task.cpu, of.mm.addrs, FlushRequest(), word.kind)
    return 0


VOCABULARY = Vocabulary(
    (
        Rule("mtsp", "", _mtsp),
        Rule("pdtlb|pitlb", "", _purge),
        *smp.rules(_send),
        Rule("flush_tlb_all_local", "", _all),
        hidden("lock|unlock", "sid_lock", "of space IDs, which are not recycled"),
        hidden("read|READ_ONCE", "mm.context.space_id", "the mm has a space ID of its own", just(SPACE)),
        *COMMON,
    )
)


class PariscFromC(KernelRangeFromC, Parisc):
    """The flushes."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())

    def c_kernel_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        return PurgeHands(mm, start), ADDRESS, ADDRESS + (end - start << PAGE_SHIFT)

    async def purge(self, mm: Mm, start: int, end: int) -> None:
        """What set_ptes() does behind the store of each entry."""
        await self.run(PurgeHands(mm, start), "enter_purge", ADDRESS, end - start)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.run(PurgeHands(mm), "enter_flush_tlb_mm")

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.run(PurgeHands(mm, start), "enter_flush_tlb_range", ADDRESS, ADDRESS + (end - start << PAGE_SHIFT))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.run(PurgeHands(mm, addr), "enter_flush_tlb_page", ADDRESS)


def _plugin(automata: Any) -> object:
    return PariscFromC(automata)


BINDING = Binding("parisc", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.parisc:Parisc")
