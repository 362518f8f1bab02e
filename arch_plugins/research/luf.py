"""LUF, lazy unmap flush: what reclaim has unmapped is flushed when the allocator hands the page out again, if ever.

Park, "LUF(Lazy Unmap Flush)", patches to Linux of 2024, not merged
(https://lore.kernel.org/lkml/20240531092001.30428-1-byungchul@sk.com/).  Until then a CPU may read the free page
through its stale entry, and finds there what it always did.

Safe on two conditions: nobody can store through what is cached, and the flush comes before the page has a new owner.
`LufReusesAtOnce` drops the second.  `LufWritable` drops the first: a page is written out, and stored to afterwards.
Whether the entry allows a store, as the patches say it, is not enough (`LufByPermission`): mprotect() may just have
taken the permission away and not have flushed yet, and a CPU still stores.  So an entry with its dirty bit set does not
wait either; without that bit no CPU can have cached it for stores.
(A third condition is not modelled: nobody writes to a file while a CPU may read an older copy of its page.)

Two allocators may read what is owed while kswapd puts more off.  So what is owed has a generation, as in the patches
(luf_ugen): who has flushed forgives only what it has read.  Without it (`LufForgets`) the first allocator to finish
forgives a flush that was put off since, because the set of CPUs is the same.

Data types
    cell ('owed', None)    (generation, CPUs): how often something was put off, and who has not flushed it
"""

from __future__ import annotations

from arch_plugins.generic import Smp, flush_cpus_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm

Owed = tuple[int, frozenset[Cpu]]

NOTHING: Owed = (0, frozenset())

OWED = Cell(declare("owed", NOTHING))


def owe(cpus: frozenset[Cpu]) -> Op:
    """Put the flush of `cpus` off: a new generation."""
    return Op(
        "put the flush off",
        (OWED,),
        (OWED,),
        lambda owed: [Outcome(None, ((owed[0] + 1, owed[1] | cpus),))],
        order=Order.FULL,
    )


def read_owed() -> Op:
    """Who has to flush before a page is handed out, and of which generation that is."""
    return Op("read owed", (OWED,), (), lambda owed: [Outcome(owed)], order=Order.PLAIN)


def paid(seen: Owed) -> Op:
    """The CPUs that were `seen` to owe a flush have done it: nobody owes one, unless another was put off since."""
    return Op(
        "paid",
        (OWED,),
        (OWED,),
        lambda owed: [Outcome(None, ((owed[0], frozenset()) if owed == seen else owed,))],
        order=Order.FULL,
    )


def forgiven(cpus: frozenset[Cpu]) -> Op:
    """`paid` that compares the CPUs alone."""

    def step(owed: Owed) -> list[Outcome]:
        return [Outcome(None, ((owed[0], frozenset()) if owed[1] == cpus else owed,))]

    return Op("paid", (OWED,), (OWED,), step, order=Order.FULL)


class Luf(Smp):
    """Generic SMP that flushes for reclaim on reallocation."""

    def may_wait(self, batch: UnmapBatch) -> bool:
        """Whether only loads can go through what the batch has cleared."""
        return batch.read_only and not batch.writable

    async def pay(self, seen: Owed) -> None:
        """The CPUs `seen` have flushed."""
        await paid(seen)

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            family="research: flush on reallocation",
            capabilities=frozenset({"batched_unmap", "move_pmd", "shares_pmd_tables", "reallocation_flush"}),
            sources=("lore.kernel.org/lkml/20240531092001.30428-1-byungchul@sk.com",),
        )

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        cpus, batch.cpus = batch.cpus, frozenset()
        if self.may_wait(batch):
            await owe(cpus)
        else:
            await flush_cpus_by_ipi(mm, cpus, FlushRequest())

    @hookimpl
    async def arch_alloc_page(self, mm: Mm, page: int) -> None:
        owed: Owed = await read_owed()
        if owed[1]:
            await flush_cpus_by_ipi(mm, owed[1], FlushRequest())
            await self.pay(owed)


class LufByPermission(Luf):
    """With less than the first condition: must fail."""

    def may_wait(self, batch: UnmapBatch) -> bool:
        return batch.read_only


class LufWritable(Luf):
    """Without the first condition: must fail."""

    def may_wait(self, batch: UnmapBatch) -> bool:
        return True


class LufReusesAtOnce(Luf):
    """Without the second condition: must fail."""

    @hookimpl
    async def arch_alloc_page(self, mm: Mm, page: int) -> None:
        pass


class LufForgets(Luf):
    """Without generations: must fail."""

    async def pay(self, seen: Owed) -> None:
        await forgiven(seen[1])
