"""sparc32 from its C: the flushes of mm/srmmu.c, on sun4m.

What a CPU executes is assembly (mm/viking.S), and here the plugin's; so is how a CPU comes to an mm.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c._common import ADDRESS, COMMON, Hook, KernelRangeFromC
from arch_plugins.from_c._handlers import HANDLER_RULES, NOTHING, SHOWN, SendingHands
from arch_plugins.sparc32 import PGDIR, Sparc32
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest, send_ipis, wait_ipis
from core.mm.kthread import trim_cpumask
from core.mm.mm import Mm
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.hybrid import cpus_in
from core.tree.manifest import Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just

FLUSHES = "?any_other_mm_cpus smp_flush_tlb_all smp_flush_tlb_mm smp_flush_tlb_range smp_flush_tlb_page"


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    return Manifest((Source("arch/sparc/mm/srmmu.c", keep=names_in(FLUSHES)),), "sparc32.h", "sparc32.c", defines=SHOWN)


async def _cross_call(of: SendingHands, word: Word) -> int:
    """sun4m_cross_call() returns when every CPU has served."""
    cpus = cpus_in(of.mm, word.a)
    if cpus:
        await send_ipis(of.mm.task, cpus, of.sent())
        await wait_ipis(of.mm.task, cpus)
    return 0


def _page(of: SendingHands, address: int) -> int:
    return of.addr + (address - ADDRESS >> PAGE_SHIFT)


async def _local_mm(of: SendingHands, word: Word) -> int:
    await of.flush(FlushRequest(), "local flush all")
    return 0


async def _local_range(of: SendingHands, word: Word) -> int:
    """viking_flush_tlb_range(): the regions that it touches."""
    start, end = _page(of, word.a), _page(of, word.b + (1 << PAGE_SHIFT) - 1)
    request = FlushRequest(start - start % PGDIR, end + -end % PGDIR) if start < end else NOTHING
    await of.flush(request, f"local {request}")
    return 0


async def _local_page(of: SendingHands, word: Word) -> int:
    page = _page(of, word.a)
    request = FlushRequest(page, page + 1)
    await of.flush(request, f"local {request}")
    return 0


async def _trim(of: SendingHands, word: Word) -> int:
    if of.mm.cpus is None:
        await trim_cpumask(of.mm.task.cpu)
    return 0


VOCABULARY = Vocabulary(
    (
        Rule("cross_call", "tlb_*", _cross_call),
        Rule("local flush mm", "", _local_mm),
        Rule("local flush range", "", _local_range),
        Rule("local flush page", "", _local_page),
        *HANDLER_RULES,
        Rule("write|WRITE_ONCE", "mm_cpumask", _trim, when=lambda word: word.a == 1),
        hidden("read|READ_ONCE", "mm.context", "the mm has a context", just(1)),
        *COMMON,
    )
)


class Sparc32FromC(KernelRangeFromC, Sparc32):
    """The flushes."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())

    def c_kernel_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        return SendingHands(mm, start, request=FlushRequest(start, end)), ADDRESS, ADDRESS + (end - start << PAGE_SHIFT)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.run(SendingHands(mm), "enter_flush_tlb_mm")

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        of = SendingHands(mm, start, request=self.request(start, end))
        await self.run(of, "enter_flush_tlb_range", ADDRESS, ADDRESS + (end - start << PAGE_SHIFT))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        of = SendingHands(mm, addr, request=FlushRequest(addr, addr + 1))
        await self.run(of, "enter_flush_tlb_page", ADDRESS)


def _plugin(automata: Any) -> object:
    return Sparc32FromC(automata)


BINDING = Binding("sparc32", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.sparc32:Sparc32")
