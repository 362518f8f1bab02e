"""parisc from its C: purge_tlb_entries(), __flush_tlb_range() and flush_tlb_all().

What is done as an entry is cleared stays in Python.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import ADDRESS, COMMON, Hook
from arch_plugins.parisc import Parisc, purge
from core.hookspecs import Facts, hookimpl
from core.machine.insn import EVERYTHING, insn
from core.machine.ipi import FlushRequest, flush_here, send_ipis
from core.mm.mm import Mm
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.hybrid import FromC, cpus_in
from core.tree.manifest import Manifest, Source, Version
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    arch = "arch/parisc/"
    return Manifest(
        (
            *smp.sources(),
            Source(f"{arch}include/asm/pgtable.h", keep=("purge_tlb_entries",)),
            Source(f"{arch}include/asm/tlbflush.h", keep=("#flush_tlb_range", "flush_tlb_mm", "flush_tlb_page")),
            Source(f"{arch}kernel/cache.c", keep=("__flush_tlb_range",)),
            Source(f"{arch}mm/init.c", keep=("flush_tlb_all@0",)),
        ),
        "parisc.h",
        "parisc.c",
        owned=smp.OWNED,
    )


async def _pdtlb(of: Hook, word: Word) -> int:
    """A page, on every CPU; a run of them is one operation, at its last."""
    first = of.addr + (word.a - ADDRESS >> PAGE_SHIFT)
    start = first if of.run_from is None else of.run_from
    more = of.following is not None and of.following.kind == word.kind
    of.run_from = start if more else None
    if not more:
        await purge(of.mm, start, first + 1)
    return 0


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
        Rule("pdtlb", "", _pdtlb),
        *smp.rules(_send),
        Rule("flush_tlb_all_local", "", _all),
        hidden("lock|unlock", "sid_lock", "of space IDs, which are not recycled"),
        hidden("read|READ_ONCE", "mm.context.space_id", "the mm has a space ID of its own", just(1)),
        *COMMON,
    )
)


class PariscFromC(FromC, Parisc):
    """The flushes."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.run(Hook(mm), "enter_flush_tlb_mm")

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.run(Hook(mm, start), "enter_flush_tlb_range", ADDRESS, ADDRESS + (end - start << PAGE_SHIFT))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.run(Hook(mm, addr), "enter_flush_tlb_page", ADDRESS)


def _plugin(automata: Any) -> object:
    return PariscFromC(automata)


BINDING = Binding("parisc", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.parisc:Parisc")
