"""What bindings have in common: the hook that runs C, mm_cpumask, and the tables of a gather."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from core.hookspecs import Facts, hookimpl
from core.machine.ipi import wait_ipis
from core.machine.op import Op, Outcome, barrier
from core.machine.order import Order
from core.machine.tlb import tlb_cell
from core.mm.batched_unmap import UnmapBatch
from core.mm.init_mm import init_mm
from core.mm.kthread import active_mm, current_mm, mm_users
from core.mm.mm import Mm, cpumask_clear_cpu, cpumask_set_cpu, mm_cpumask
from core.mm.mmu_gather import MmuGather, tlb_remove_table
from core.mm.swap import Table, free_table
from core.tree.gather import PAGE_SHIFT, adopt, bits
from core.tree.hybrid import FromC, cpus_in, mask_of
from core.tree.vocabulary import EVERYWHERE, Rule, Word, masks

ADDRESS = 0x400000
"""The address that is freed or cleared where nothing depends on which it is."""


@dataclass
class Hook:
    """A hook that runs C: its arguments. `span` is how many pages one entry maps of those that were cleared.

    `following` is the word behind the one that is being done; None if that depends on its answer, or at the end.
    `run_from` is the first page of a run of invalidations that are issued together, at the last of them.
    `page_shift` is PAGE_SHIFT of the C.  `queued` are the CPUs whose queue has its request, and `told` those that have
    been sent an IPI for it (`arch_plugins.from_c._smp`).
    """

    mm: Mm
    addr: int = 0
    span: int = 1
    tlb: MmuGather | None = None
    table: Table | None = None
    batch: UnmapBatch = field(default_factory=UnmapBatch)
    following: Word | None = None
    run_from: int | None = None
    page_shift: int = PAGE_SHIFT
    queued: int = 0
    told: int = 0


async def flushes_nothing(of: Hook, word: Word) -> int:
    """A flush that does not reach what is cached of the mm: a look at the TLB, so that a trace has its line."""
    cells = tuple(tlb_cell(of.mm.task.cpu, addr) for addr in of.mm.addrs)
    name = f"{word.kind}: of nothing that the mm has"
    await Op(name, cells, (), lambda *entries: [Outcome(None)], order=Order.PRIVATE)
    return 0


async def read_cpumask(of: Hook, word: Word) -> int:
    """mm_cpumask(mm), as a word."""
    return mask_of(of.mm, await mm_cpumask(of.mm))


async def change_cpumask(of: Hook, word: Word) -> int:
    """cpumask_set_cpu(), cpumask_clear_cpu() of the CPU whose bit it is."""
    change = cpumask_set_cpu if word.kind == "set_bit" else cpumask_clear_cpu
    for cpu in sorted(cpus_in(of.mm, changed_bits(word))):
        await change(of.mm.on(replace(of.mm.task, cpu=cpu)))
    return 0


def changed_bits(word: Word) -> int:
    """Those that set_bit() sets or clear_bit() clears."""
    return word.a if word.kind == "set_bit" else word.a ^ (1 << 64) - 1


def own_bit(word: Word) -> bool:
    """Is it this CPU's bit that is set or cleared?"""
    return changed_bits(word) == 1


async def remove_table(of: Hook, word: Word) -> int:
    """tlb_remove_table(), or tlb_remove_page() of a table."""
    assert of.tlb is not None
    assert of.table is not None
    await tlb_remove_table(of.tlb, of.table)
    return 0


async def free_table_now(of: Hook, word: Word) -> int:
    """The table goes back to the allocator before the flush."""
    assert of.table is not None
    await free_table(of.table)
    return 0


async def read_users(of: Hook, word: Word) -> int:
    """mm_users: none, one, or more."""
    return min(int(await mm_users()), 2)


async def read_current_mm(of: Hook, word: Word) -> int:
    """current->mm == mm."""
    return int(await current_mm(of.mm.task.cpu))


async def read_active_mm(of: Hook, word: Word) -> int:
    """current->active_mm == mm."""
    return int(await active_mm(of.mm.task.cpu))


async def smp_mb(of: Hook, word: Word) -> int:
    """A barrier that the memory model knows."""
    await barrier(Order.SMP_MB)
    return 0


async def wait_for_ipis(of: Hook, word: Word) -> int:
    """Wait for the CPUs of the mask."""
    await wait_ipis(of.mm.task, cpus_in(of.mm, word.a))
    return 0


async def write_batch(of: Hook, word: Word) -> int:
    """The mask of a batch of unmapped pages."""
    of.batch.cpus = cpus_in(of.mm, word.a)
    return 0


async def gathered(of: Hook, word: Word) -> int:
    """What the C has made of the gather."""
    assert of.tlb is not None
    adopt(of.tlb, word, of.addr, ADDRESS, of.page_shift)
    return 0


COMMON = (
    Rule("read|READ_ONCE", "mm_cpumask", read_cpumask, masks),
    Rule("set_bit|clear_bit", "mm_cpumask", change_cpumask),
    Rule("tlb_remove_table", "*", remove_table),
    Rule("free_table", "*", free_table_now),
    Rule("gather", "", gathered),
    *EVERYWHERE,
)


def address(page: int) -> int:
    """A virtual page's address; ~0UL stays what it is."""
    return (page << PAGE_SHIFT) & (1 << 64) - 1


class SizedFromC(FromC):
    """For a shim that has the shifts of entries from the fifth argument of the entry point on."""

    def run(self, hands: Hook, entry: str, *args: int) -> Coroutine[Op, Any, int]:
        """Call a function of up to four arguments; a size that is no power of two is the next larger one to C."""
        shifts = ((span - 1).bit_length() for span in hands.mm.span)
        return super().run(hands, entry, *[*args, 0, 0, 0, 0][:4], *shifts)


class FlushesFromC(FromC):
    """The flushes of an mm, a range and a page.

    Each is the plugin's where a model follows ASIDs and C does not (`follows_asids`).

    To be put before the plugin among the bases of a class.
    """

    follows_asids = False

    def of_python(self, mm: Mm) -> bool:
        """Is a flush of this mm the plugin's?"""
        return mm.context is not None and not self.follows_asids

    def c_mm(self, mm: Mm) -> Hook:
        """The hook that runs C for all of the mm."""
        return Hook(mm)

    def c_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        """The hook that runs C for pages from `start` to `end`, and their addresses there."""
        return Hook(mm), address(start), address(end)

    def c_page(self, mm: Mm, addr: int) -> tuple[Hook, int]:
        """The same for one page."""
        of, first, _ = self.c_range(mm, addr, addr + 1)
        return of, first

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())  # type: ignore[misc]

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        if self.of_python(mm):
            await super().flush_tlb_mm(mm)  # type: ignore[misc]
        else:
            await self.run(self.c_mm(mm), "enter_flush_tlb_mm")

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if self.of_python(mm):
            await super().flush_tlb_range(mm, start, end, stride)  # type: ignore[misc]
        else:
            of, first, last = self.c_range(mm, start, end)
            await self.run(of, "enter_flush_tlb_range", first, last)

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        if self.of_python(mm):
            await super().flush_tlb_page(mm, addr)  # type: ignore[misc]
        else:
            of, where = self.c_page(mm, addr)
            await self.run(of, "enter_flush_tlb_page", where)


class KernelRangeFromC(FromC):
    """What maps the kernel. To be put before the plugin among the bases of a class."""

    def c_kernel_range(self, mm: Mm, start: int, end: int) -> tuple[Hook, int, int]:
        """The hook that runs C for these pages of init_mm, and their addresses there."""
        return Hook(mm), address(start), address(end)

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        of, first, last = self.c_kernel_range(init_mm(mm), start, end)
        await self.run(of, "enter_flush_tlb_kernel_range", first, last)


class GatherFromC(FromC):
    """The hooks that free tables, and tlb_flush()."""

    page_shift = PAGE_SHIFT
    """PAGE_SHIFT of the configuration that the C is compiled with."""

    hands = Hook
    """What runs C for them."""

    def _freeing(self, tlb: MmuGather, table: Table, addr: int) -> Hook:
        return self.hands(tlb.mm, addr, tlb=tlb, table=table, page_shift=self.page_shift)

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        await self.run(self._freeing(tlb, table, addr), "enter_free_table", 0, ADDRESS)

    @hookimpl
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        await self.run(self._freeing(tlb, table, addr), "enter_free_table", 1, ADDRESS)

    @hookimpl
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        await self.run(self._freeing(tlb, table, addr), "enter_free_table", 2, ADDRESS)

    async def run_tlb_flush(self, tlb: MmuGather, span: int) -> None:
        """tlb_flush() of the C."""
        where = (1, 2) if tlb.fullmm else (address(tlb.start), address(tlb.end))
        await self.run(self.hands(tlb.mm, span=span, tlb=tlb), "enter_tlb_flush", *where, bits(tlb))
