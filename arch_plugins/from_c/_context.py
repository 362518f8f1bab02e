"""What bindings of machines with contexts have in common: contexts of CPUs, users of an mm, and calls to other CPUs.

Which ASID an mm has on a CPU stays in Python: a context is there or not (`arch_plugins.families.context`).
"""

from __future__ import annotations

from dataclasses import dataclass

from arch_plugins.families.context import context_cell
from arch_plugins.families.cpu_asids import CpuAsids
from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import FlushesFromC, Hook, read_current_mm, read_users
from core.machine.insn import EVERYTHING, Operand, insn
from core.machine.ipi import FlushRequest, flush_here, send_ipis
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.mm.mm import Mm
from core.tree.hybrid import cpus_in, cpus_of
from core.tree.vocabulary import Do, Rule, Word, hidden, just, truth

VERSION = 0x400
"""The version of ASIDs that every CPU is in; an mm without a context has 0."""


@dataclass
class FlushHands(Hook):
    """`request` is what other CPUs are sent; `run_to` is the end of the run that begins at `run_from`."""

    request: FlushRequest = FlushRequest()
    run_to: int = 0


async def _read_context(of: FlushHands, word: Word) -> int:
    cpus = cpus_of(of.mm)
    at = int(word.place.removeprefix("context[").removesuffix("]"))
    if at >= len(cpus):
        return 0
    cell = context_cell(min(cpus[at]))
    there = await Op(f"cpu_context({min(cpus[at])}, mm)", (cell,), (), lambda v: [Outcome(v)], order=Order.PLAIN)
    return VERSION | 1 if there else 0


async def _zero_context(of: FlushHands, word: Word) -> int:
    at = int(word.place.removeprefix("context[").removesuffix("]"))
    cell = context_cell(min(cpus_of(of.mm)[at]))
    name = f"cpu_context({cell.index}, mm) = 0"
    await Op(name, (), (cell,), lambda: [Outcome(None, (False,))], order=Order.PLAIN)
    return 0


async def _send(of: FlushHands, mask: int) -> None:
    await send_ipis(of.mm.task, cpus_in(of.mm, mask), of.request)


async def drop_mmu_context(of: FlushHands, word: Word) -> int:
    """Nothing is cached under a new ASID."""
    here = of.mm.task.cpu
    await insn(here, "drop_mmu_context", 1, EVERYTHING)
    await flush_here(here, of.mm.addrs, FlushRequest(), "drop_mmu_context")
    return 0


def by_page(name: str, page_shift: int, pages: int = 1, leaf: bool = False) -> Do:
    """What the instruction `name` does with an address: flush the `pages` around it. A run of them is one flush, at its
    last.
    """

    async def do(of: FlushHands, word: Word) -> int:
        here, first = of.mm.task.cpu, word.a >> page_shift
        await insn(here, name, 1, Operand(first, 1, pages, pages, leaf))
        start = first if of.run_from is None else of.run_from
        then = of.following
        more = then is not None and then.kind == word.kind and then.a >> page_shift == first + pages
        of.run_from = start if more else None
        if not more:
            request = FlushRequest(start, first + pages, leaf)
            await flush_here(here, of.mm.addrs, request, f"{name} [{start}, {first + pages})")
        return 0

    return do


def drops_own(word: Word) -> bool:
    """Is the context of this CPU set to 0?  What is cached under it is out of use: the same as a new one."""
    return word.a < VERSION


CONTEXT_RULES = (
    Rule("atomic_read", "mm.mm_users", read_users, just(0, 1, 2)),
    Rule("current->mm", "", read_current_mm, truth),
    Rule("read|READ_ONCE", "context[[]*", _read_context, just(0, VERSION | 1)),
    Rule("write|WRITE_ONCE", "context[[]*", _zero_context, when=lambda word: word.a < VERSION),
    *smp.rules(_send),
    Rule("drop_mmu_context", "", drop_mmu_context),
    hidden("read|READ_ONCE", "cpu_data*", "the version of ASIDs that this CPU gives out", just(VERSION)),
)


class ContextFlushes(FlushesFromC, CpuAsids):
    """The flushes of a plugin with contexts from C.

    To be put before the plugin among the bases of a class.
    """

    page_shift: int
    """PAGE_SHIFT of the configuration that the C is compiled with."""

    def address(self, page: int) -> int:
        """The address of a virtual page."""
        return page << self.page_shift

    def c_mm(self, mm: Mm) -> Hook:
        return FlushHands(mm)

    def c_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        of = FlushHands(mm, request=self.request(start, end, mm))
        return of, self.address(start), self.address(end)

    def c_page(self, mm: Mm, addr: int) -> tuple[Hook, int]:
        return FlushHands(mm, request=self.request_of_pages(addr, addr + 1, mm)), self.address(addr)
