"""sparc64 from its C: mm/tlb.c, the cross calls of kernel/smp_64.c, switch_mm(), on sun4v.

How entries are stored stays in Python: here is what follows behind the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arch_plugins.families.queued import BATCH_NR
from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import ADDRESS, COMMON, flushes_nothing, read_active_mm, read_current_mm
from arch_plugins.from_c._queue import READ, WRITE, QueueFromC, QueueHands, first_queued, queue_rules
from arch_plugins.sparc64 import Sparc64, Vaddrs
from core.hookspecs import Facts, hookimpl
from core.machine.insn import EVERYTHING, Operand, insn
from core.machine.ipi import FlushRequest, Request, flush_here, send_ipis, wait_ipis
from core.machine.op import Cpu
from core.machine.tlb import invalidate
from core.mm.mm import Mm
from core.tree.binding import Binding
from core.tree.hybrid import cpus_in
from core.tree.manifest import GENERIC_GATHER, Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just, truth

CROSS_CALLS = "tlb_pending_func smp_flush_tlb_pending smp_flush_tlb_page"
DROPPED = "pgtable_trans_huge_deposit pgtable_trans_huge_withdraw"


def manifest(version: Version) -> Manifest:
    """The same files in 6.1 and 6.12."""
    asm = "arch/sparc/include/asm/"
    return Manifest(
        (
            *smp.sources(),
            Source(f"{asm}mmu_context_64.h", keep=("switch_mm",), name="asm/mmu_context.h"),
            Source(f"{asm}tlbflush_64.h", name="asm/tlbflush.h"),
            Source(f"{asm}tlb_64.h", name="asm/tlb.h"),
            Source(f"{asm}pgtable_64.h", keep=("maybe_tlb_batch_add",), name="asm/pgtable.h"),
            Source(GENERIC_GATHER),
            Source("arch/sparc/mm/tlb.c", drop=names_in(DROPPED)),
            Source("arch/sparc/kernel/smp_64.c", keep=("struct tlb_pending_info", *names_in(CROSS_CALLS))),
        ),
        "sparc64.h",
        "sparc64.c",
        owned=smp.OWNED,
    )


# ---- what its operations mean ------------------------------------------------------------------------------------

HUGE = 0x1000000
"""The address of a huge page, which has two entries."""

PAGE_SHIFT, HALF_SHIFT = 13, 22
"""Of a page, and of an entry of a huge one (REAL_HPAGE_SHIFT)."""

QUEUED = 0x4000000
"""The address that C finds in the queue."""


def _pages(of: QueueHands, address: int) -> tuple[int, ...]:
    """What an address of C maps: a page; of a huge page its first half, or its second."""
    if not of.huge:
        return (of.addr + (address - ADDRESS >> PAGE_SHIFT),)
    half = -(-of.mm.span[0] // 2)
    start = of.addr + half * (address - HUGE >> HALF_SHIFT)
    return tuple(range(start, start + half))


async def _requested(of: QueueHands, address: int) -> Request:
    """A request to flush what an address of C stands for; of the queue it is the first."""
    if address == QUEUED:
        return Vaddrs(await first_queued(of, 1))
    pages = _pages(of, address)
    return FlushRequest(pages[0], pages[-1] + 1) if of.huge else Vaddrs(pages)


async def _demap(of: QueueHands, request: Request) -> None:
    pages: Sequence[int] = request.pages if isinstance(request, Vaddrs) else (request.start,)  # type: ignore[attr-defined]
    await insn(of.mm.task.cpu, "stxa_DMMU_DEMAP", len(pages), *(Operand(page, 1) for page in pages))
    await flush_here(of.mm.task.cpu, of.mm.addrs, request, f"local {request}")


async def _demap_page(of: QueueHands, word: Word) -> int:
    if of.shows:
        of.nr = 1 if word.a == QUEUED else 0
        return 0
    await _demap(of, await _requested(of, word.a))
    return 0


async def _demap_pages(of: QueueHands, word: Word) -> int:
    if of.shows:
        of.nr = word.a
        return 0
    await _demap(of, Vaddrs(await first_queued(of, word.a)))
    return 0


async def _demap_context(of: QueueHands, word: Word) -> int:
    await insn(of.mm.task.cpu, "stxa_DMMU_DEMAP_CONTEXT", 1, EVERYTHING)
    await invalidate((of.mm.task.cpu,), of.mm.addrs, "__flush_tlb_mm")
    return 0


async def _interrupt(of: QueueHands, mask: int, request: Request) -> frozenset[Cpu]:
    """Interrupt the other CPUs of the mask, and say which."""
    others = cpus_in(of.mm, mask) - {of.mm.task.cpu}
    if others:
        pages: Sequence[int] = request.pages if isinstance(request, Vaddrs) else (request.start,)  # type: ignore[attr-defined]
        for cpu in sorted(others):
            await insn(cpu, "stxa_DMMU_DEMAP", len(pages), *(Operand(page, 1) for page in pages))
        await send_ipis(of.mm.task, others, request)
    return others


async def _cross_call(of: QueueHands, word: Word) -> int:
    """It returns when every CPU has served."""
    others = await _interrupt(of, word.a, await _requested(of, word.b))
    if others:
        await wait_ipis(of.mm.task, others)
    return 0


async def _shows(of: QueueHands, word: Word) -> int:
    """tlb_pending_func() is shown, of the call that follows: others flush what it flushes as either CPU."""
    if word.kind == "handler":
        of.least = BATCH_NR if word.a else of.nr
        of.nr, of.shows, of.on_mm = 0, True, bool(word.a)
    else:
        of.nr, of.shows = min(of.least, of.nr), False
    return 0


async def _current(of: QueueHands, word: Word) -> int:
    """Of this CPU's task, or of the CPU as which the function is shown."""
    if of.shows:
        return int(of.on_mm)
    return await (read_current_mm if word.kind == "current->mm" else read_active_mm)(of, word)


async def _send(of: QueueHands, mask: int) -> None:
    await _interrupt(of, mask, Vaddrs(await first_queued(of, of.nr) if of.nr else ()))


VOCABULARY = Vocabulary(
    (
        *queue_rules("tlb_batch", "tlb_nr", "vaddrs", QUEUED),
        Rule("cross_call", "xcall_flush_tlb_page", _cross_call),
        Rule("other cross_call|other demap *", "*", flushes_nothing),
        Rule("handler|handler end", "", _shows),
        Rule("current->mm|current->active_mm", "", _current, truth),
        *smp.rules(_send),
        Rule("demap page", "", _demap_page),
        Rule("demap pages", "tlb_batch.vaddrs[[]cpu0]", _demap_pages),
        Rule("demap context", "", _demap_context),
        hidden(READ, "tlb_batch.hugepage_shift[[]cpu0]", "huge pages are flushed outside of sections", just(13)),
        hidden(WRITE, "tlb_batch.hugepage_shift[[]cpu0]", "huge pages are flushed outside of sections"),
        hidden(READ, "mm.context.sparc64_ctx_val", "the mm has a context", just(1)),
        hidden("*", "mm.context.*_pte_count", "how large the TSB is to be", just(0)),
        hidden("lock|unlock", "mm.context.lock", "of the number of the context"),
        hidden("*", "per_cpu_secondary_mm*", "for the handler of a TLB miss"),
        hidden("tsb_context_switch|flush_tsb_user", "", "the TSB goes with the TLB"),
        *COMMON,
    )
)

# ---- the hooks ---------------------------------------------------------------------------------------------------


class Sparc64FromC(QueueFromC, Sparc64):
    """What follows behind the change of an entry, sections, and a CPU that comes to the mm."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())

    async def need_flush(self, mm: Mm, page: int) -> None:
        """maybe_tlb_batch_add()."""
        if not mm.is_init_mm:
            await self.run(QueueHands(mm, page), "enter_changed", ADDRESS)

    async def flush_pages(self, mm: Mm, addrs: tuple[int, ...]) -> None:
        """Of tlb_batch_pmd_scan(), where no section is open."""
        for addr in addrs:
            await self.need_flush(mm, addr)

    async def flush_huge(self, mm: Mm, addr: int) -> None:
        """__set_pmd_acct()."""
        await self.run(QueueHands(mm, addr, huge=True), "enter_changed_huge", HUGE)

    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        """No caller in these versions; what it does for others is flush_tlb_pending()."""
        await self.run(QueueHands(mm), "enter_tlb_flush")

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if next is not None and next.cpus is None:
            await self.run(QueueHands(next), "enter_switch_mm")


def _plugin(automata: Any) -> object:
    return Sparc64FromC(automata)


BINDING = Binding("sparc64", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.sparc64:Sparc64")
