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

Data types
    cell ('owed', None)    the CPUs that have not flushed what was put off
"""

from __future__ import annotations

from arch_plugins.generic import Smp, flush_cpus_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm

OWED = Cell(declare("owed", frozenset()))


def owe(cpus: frozenset[Cpu]) -> Op:
    """Put the flush of `cpus` off."""
    return Op("put the flush off", (OWED,), (OWED,), lambda owed: [Outcome(None, (owed | cpus,))])


def read_owed() -> Op:
    """Who has to flush before a page is handed out."""
    return Op("read owed", (OWED,), (), lambda owed: [Outcome(owed)])


def paid(seen: frozenset[Cpu]) -> Op:
    """Those `seen` have flushed, unless more has been put off meanwhile."""
    return Op("paid", (OWED,), (OWED,), lambda owed: [Outcome(None, (frozenset() if owed == seen else owed,))])


class Luf(Smp):
    """Generic SMP that flushes for reclaim on reallocation."""

    def may_wait(self, batch: UnmapBatch) -> bool:
        """Whether only loads can go through what the batch has cleared."""
        return batch.read_only and not batch.writable

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
        owed = await read_owed()
        if owed:
            await flush_cpus_by_ipi(mm, owed, FlushRequest())
            await paid(owed)


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
