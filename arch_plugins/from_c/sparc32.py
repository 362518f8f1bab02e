"""sparc32 from its C: the flushes of mm/srmmu.c, on sun4m.

What a CPU executes is assembly (mm/viking.S), and here the plugin's; so is how a CPU comes to an mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arch_plugins.from_c._common import ADDRESS, COMMON, Hook, read_active_mm, read_users
from arch_plugins.sparc32 import Sparc32
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest, flush_here, send_ipis, wait_ipis
from core.mm.kthread import trim_cpumask
from core.mm.mm import Mm
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.hybrid import FromC, cpus_in
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just, truth

FLUSHES = "?any_other_mm_cpus smp_flush_tlb_mm smp_flush_tlb_range smp_flush_tlb_page"


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    return Manifest((Source("arch/sparc/mm/srmmu.c", keep=names_in(FLUSHES)),), "sparc32.h", "sparc32.c")


@dataclass
class CrossCall(Hook):
    """`request` is what each CPU does."""

    request: FlushRequest = FlushRequest()


async def _cross_call(of: CrossCall, word: Word) -> int:
    """sun4m_cross_call() returns when every CPU has served."""
    cpus = cpus_in(of.mm, word.a)
    if cpus:
        await send_ipis(of.mm.task, cpus, of.request)
        await wait_ipis(of.mm.task, cpus)
    return 0


async def _local(of: CrossCall, word: Word) -> int:
    await flush_here(of.mm.task.cpu, of.mm.addrs, of.request, f"local {of.request}")
    return 0


async def _trim(of: CrossCall, word: Word) -> int:
    if of.mm.cpus is None:
        await trim_cpumask(of.mm.task.cpu)
    return 0


VOCABULARY = Vocabulary(
    (
        Rule("cross_call", "tlb_*", _cross_call),
        Rule("local flush", "", _local),
        Rule("atomic_read", "mm.mm_users", read_users, just(0, 1, 2)),
        Rule("current->active_mm", "", read_active_mm, truth),
        Rule("write|WRITE_ONCE", "mm_cpumask", _trim, when=lambda word: word.a == 1),
        hidden("read|READ_ONCE", "mm.context", "the mm has a context", just(1)),
        *COMMON,
    )
)


class Sparc32FromC(FromC, Sparc32):
    """The flushes."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.run(CrossCall(mm), "enter_flush_tlb_mm")

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        of = CrossCall(mm, request=self.request(start, end))
        await self.run(of, "enter_flush_tlb_range", ADDRESS, ADDRESS + (end - start << PAGE_SHIFT))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.run(CrossCall(mm, request=FlushRequest(addr, addr + 1)), "enter_flush_tlb_page", ADDRESS)


def _plugin(automata: Any) -> object:
    return Sparc32FromC(automata)


BINDING = Binding("sparc32", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.sparc32:Sparc32")
