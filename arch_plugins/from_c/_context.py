"""What bindings of machines with contexts have in common: contexts of CPUs, users of an mm, and calls to other CPUs.

Which ASID an mm has on a CPU stays in Python: a context is there or not (`arch_plugins.families.context`), and to C its
ASID is `ASID`. A flush of another ASID flushes nothing of the mm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arch_plugins.families.context import context_cell
from arch_plugins.families.cpu_asids import CpuAsids
from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import FlushesFromC, Hook, KernelRangeFromC, flushes_nothing
from arch_plugins.from_c._handlers import HANDLER_RULES, SendingHands
from core.machine.insn import EVERYTHING, Operand, insn
from core.machine.ipi import FlushRequest, send_ipis
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.mm.mm import Mm
from core.tree.hybrid import cpus_in, cpus_of
from core.tree.vocabulary import Do, Rule, Word, hidden, just

VERSION = 0x400
"""The version of ASIDs that every CPU is in; an mm without a context has 0."""

ASID = 1
"""What C finds in a context besides the version."""

INTERRUPTED = "context[[]15]"
"""The context of the CPU as which a handler is shown: INTERRUPTED of shim/cpus.h."""


@dataclass
class FlushHands(SendingHands):
    """`rasid` is the ASID that probes of the TLB are for, where a register says that."""

    rasid: int = 0


async def _read_context(of: FlushHands, word: Word) -> int:
    cpus = cpus_of(of.mm)
    at = int(word.place.removeprefix("context[").removesuffix("]"))
    if at >= len(cpus):
        return 0
    cell = context_cell(min(cpus[at]))
    there = await Op(f"cpu_context({min(cpus[at])}, mm)", (cell,), (), lambda v: [Outcome(v)], order=Order.PLAIN)
    return VERSION | ASID if there else 0


async def _their_context(of: FlushHands, word: Word) -> int:
    return VERSION | ASID


async def _zero_context(of: FlushHands, word: Word) -> int:
    at = int(word.place.removeprefix("context[").removesuffix("]"))
    cell = context_cell(min(cpus_of(of.mm)[at]))
    name = f"cpu_context({cell.index}, mm) = 0"
    await Op(name, (), (cell,), lambda: [Outcome(None, (False,))], order=Order.PLAIN)
    return 0


async def _send(of: FlushHands, mask: int) -> None:
    await send_ipis(of.mm.task, cpus_in(of.mm, mask), of.sent())


async def drop_mmu_context(of: FlushHands, word: Word) -> int:
    """Nothing is cached under a new ASID."""
    if of.on_mm is None:
        await insn(of.mm.task.cpu, "drop_mmu_context", 1, EVERYTHING)
    await of.flush(FlushRequest(), "drop_mmu_context")
    return 0


async def flush_all(of: FlushHands, word: Word) -> int:
    """What is cached of every ASID."""
    if of.on_mm is None:
        await insn(of.mm.task.cpu, "local_flush_tlb_all", 1, EVERYTHING)
    await of.flush(FlushRequest(), "local_flush_tlb_all")
    return 0


AsidOf = Callable[[FlushHands, Word], int]


def asid_of_b(of: FlushHands, word: Word) -> int:
    """The ASID is the second operand."""
    return word.b


def only_asid(of: FlushHands, word: Word) -> int:
    """Without an operand: the one that the CPU runs under."""
    return ASID


def is_of_mm(of: FlushHands, asid: int) -> bool:
    """Does a flush of `asid` reach what is cached of the mm?  What maps the kernel is global."""
    return asid == ASID or of.mm.is_init_mm


def by_page(name: str, page_shift: int, pages: int = 1, leaf: bool = False, asid: AsidOf = only_asid) -> Do:
    """What the instruction `name` does with an address: flush the `pages` around it of the ASID. A run of them is one
    flush, at its last.
    """

    async def do(of: FlushHands, word: Word) -> int:
        first = word.a >> page_shift
        if of.on_mm is None:
            await insn(of.mm.task.cpu, name, 1, Operand(first, 1, pages, pages, leaf))
        if not is_of_mm(of, asid(of, word)):
            return await flushes_nothing(of, word)
        start = first if of.run_from is None else of.run_from
        then = of.following
        more = (
            then is not None
            and then.kind == word.kind
            and then.a >> page_shift == first + pages
            and is_of_mm(of, asid(of, then))
        )
        of.run_from = start if more else None
        if not more:
            request = FlushRequest(start, first + pages, leaf)
            await of.flush(request, f"{name} [{start}, {first + pages})")
        return 0

    return do


def drops_own(word: Word) -> bool:
    """Is the context of this CPU set to 0?  What is cached under it is out of use: the same as a new one."""
    return word.a < VERSION


CONTEXT_RULES = (
    *HANDLER_RULES,
    Rule("read|READ_ONCE", INTERRUPTED, _their_context, just(VERSION | ASID)),
    Rule("write|WRITE_ONCE", INTERRUPTED, drop_mmu_context, when=drops_own),
    Rule("read|READ_ONCE", "context[[]*", _read_context, just(0, VERSION | ASID)),
    Rule("write|WRITE_ONCE", "context[[]*", _zero_context, when=lambda word: word.a < VERSION),
    *smp.rules(_send),
    Rule("drop_mmu_context", "", drop_mmu_context),
    Rule("local_flush_tlb_all", "", flush_all),
    hidden("read|READ_ONCE", "cpu_data*", "the version of ASIDs that this CPU gives out", just(VERSION)),
)


class ContextFlushes(FlushesFromC, KernelRangeFromC, CpuAsids):
    """The flushes of a plugin with contexts from C.

    To be put before the plugin among the bases of a class.
    """

    page_shift: int
    """PAGE_SHIFT of the configuration that the C is compiled with."""

    hands = FlushHands
    pages_per_entry = 1

    def address(self, page: int) -> int:
        """The address of a virtual page."""
        return page << self.page_shift

    def _sending(self, mm: Mm, request: FlushRequest) -> FlushHands:
        return self.hands(mm, request=request, pages_per_entry=self.pages_per_entry)

    def c_mm(self, mm: Mm) -> Hook:
        return self._sending(mm, FlushRequest())

    def c_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        return self._sending(mm, self.request(start, end, mm)), self.address(start), self.address(end)

    def c_kernel_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        return self._sending(mm, FlushRequest(start, end)), self.address(start), self.address(end)

    def c_page(self, mm: Mm, addr: int) -> tuple[Hook, int]:
        return self._sending(mm, self.request_of_pages(addr, addr + 1, mm)), self.address(addr)
