"""The binding of the tree that stands in for a kernel's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arch_plugins.generic import flush_cpus_by_ipi
from core.hookspecs import Architecture, Facts, hookimpl
from core.machine.ipi import FlushRequest, flush_here, send_ipis, wait_ipis
from core.mm.mm import Mm, mm_cpumask
from core.tree.binding import Binding
from core.tree.hybrid import FromC, cpus_in, mask_of
from core.tree.manifest import Manifest, Source, Version
from core.tree.vocabulary import EVERYWHERE, Rule, Vocabulary, Word, hidden, just, masks

HERE = Path(__file__).parent.resolve()


def manifest(version: Version) -> Manifest:
    return Manifest(
        (Source("arch/toy/include/asm/tlbflush.h", drop=("__tlb_flush_all",)), Source("arch/toy/mm/tlb.c")),
        str(HERE / "shim.h"),
        str(HERE / "driver.c"),
    )


@dataclass
class Hands:
    mm: Mm


async def read_cpumask(of: Hands, word: Word) -> int:
    return mask_of(of.mm, await mm_cpumask(of.mm))


async def send(of: Hands, word: Word) -> int:
    await send_ipis(of.mm.task, cpus_in(of.mm, word.a), FlushRequest())
    return 0


async def wait(of: Hands, word: Word) -> int:
    await wait_ipis(of.mm.task, cpus_in(of.mm, word.a))
    return 0


async def flush(of: Hands, word: Word) -> int:
    await flush_here(of.mm.task.cpu, of.mm.addrs, FlushRequest(), "TLBIA")
    return 0


VOCABULARY = Vocabulary(
    (
        Rule("READ_ONCE", "mm_cpumask", read_cpumask, masks),
        Rule("send_ipi", "ipi_flush_tlb_mm", send),
        Rule("wait_ipi", "ipi_flush_tlb_mm", wait),
        Rule("tlbia", "", flush),
        hidden("READ_ONCE", "mm.context.id", "the mm has an ASID", just(1)),
        *EVERYWHERE,
    )
)


class Toy(FromC):
    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(Facts(family="synchronous IPI to mm_cpumask"))

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.run(Hands(mm), "enter_flush_tlb_mm")

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.run(Hands(mm), "enter_flush_tlb_range", start << 12, end << 12)

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.run(Hands(mm), "enter_flush_tlb_page", addr << 12)


class ToyText(Architecture):
    """The same in Python."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(family="synchronous IPI to mm_cpumask")

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await flush_cpus_by_ipi(mm, await mm_cpumask(mm), FlushRequest())

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.flush_tlb_mm(mm)

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.flush_tlb_mm(mm)


BINDING = Binding("toy", manifest, VOCABULARY, Toy, lambda version: f"{HERE / 'binding.py'}:ToyText")
