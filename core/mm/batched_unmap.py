"""mm/rmap.c: batched unmapping, one flush for many reclaimed pages.

try_to_unmap() clears an entry under the page-table lock but leaves the flush to the end of the batch, with one IPI for
all of it.  Until then three things must not happen:

* I/O of a dirty page starts while a CPU can still write to it: try_to_unmap_flush_dirty() (commit d950c9477d51);
* the page is freed: try_to_unmap_flush();
* somebody finds the entry empty and concludes that no CPU has it cached: flush_tlb_batched_pending(), which everybody
  calls who has taken the page-table lock and relies on what the entries say (commit 3ea277194daa).

Data types
    UnmapBatch                           struct tlbflush_unmap_batch, current->tlb_ubc: lives in its task
    cell ('tlb_flush_batched', None)     (pending, flushed), the two halves of mm->tlb_flush_batched
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Present
from core.mm.mm import Mm
from core.mm.pgtable import pte_accessible
from core.mm.stand_in import or_c

BATCHED = Cell(declare("tlb_flush_batched", (0, 0), of_mm=True))
"""(pending, flushed): equal when no reclaimer of the mm has cleared entries since the last flush of the whole mm."""


@dataclass
class UnmapBatch:
    """struct tlbflush_unmap_batch. `cpus` and `arch` are the architecture's part, struct arch_tlbflush_unmap_batch.

    `cpus` is its cpumask; `arch` is for a policy that keeps something else: any immutable value, None in a new batch.
    `read_only`: no entry allowed a store, so only loads can go through a stale one (LUF's can_luf_folio(); in no
    kernel).
    """

    cpus: frozenset[Cpu] = frozenset()
    flush_required: bool = False
    writable: bool = False
    read_only: bool = True
    arch: Any = None


# ---- the mm's word -------------------------------------------------------------------------------------------


def add_batched(mm: Mm) -> Op:
    """atomic_inc(&mm->tlb_flush_batched).

    The counter's reset before it overflows (TLB_FLUSH_BATCH_PENDING_LARGE) is left out: no model gets that far.
    """
    if not mm.era.has("5ee2fa2f0636"):
        return Op("tlb_flush_batched = true", (), (BATCHED,), lambda: [Outcome(None, ((1, 0),))], order=Order.PLAIN)
    return Op(
        "atomic_inc(tlb_flush_batched)",
        (BATCHED,),
        (BATCHED,),
        lambda batched: [Outcome(None, ((batched[0] + 1, batched[1]),))],
        order=Order.ATOMIC,
    )


def read_batched() -> Op:
    """atomic_read(&mm->tlb_flush_batched)."""
    return Op("read tlb_flush_batched", (BATCHED,), (), lambda batched: [Outcome(batched)], order=Order.PLAIN)


def store_batched(value: tuple[int, int]) -> Op:
    """A plain store of (pending, flushed), which loses what has become pending since it was read."""
    name = f"tlb_flush_batched = {value}"
    return Op(name, (), (BATCHED,), lambda: [Outcome(None, (value,))], order=Order.PLAIN)


def set_flushed(mm: Mm, seen: tuple[int, int]) -> Op:
    """Publish that everything pending in `seen` is flushed, unless more has become pending meanwhile.

    Before 5ee2fa2f0636 it was a flag, which was cleared in any case.
    """
    if not mm.era.has("5ee2fa2f0636"):
        return Op("tlb_flush_batched = false", (), (BATCHED,), lambda: [Outcome(None, ((0, 0),))], order=Order.PLAIN)
    return Op(
        f"atomic_cmpxchg(tlb_flush_batched, {seen})",
        (BATCHED,),
        (BATCHED,),
        lambda batched: [Outcome(None, ((seen[0], seen[0]) if batched == seen else batched,))],
        order=Order.FULL,
    )


@or_c
async def flush_tlb_batched_pending(mm: Mm) -> None:
    """Flush if a reclaimer may have cleared entries under this page-table lock and not flushed them yet.

    Called right after the lock is taken, each time it is taken.
    """
    if not (mm.reclaims and mm.era.has("3ea277194daa")):
        return
    batched = await read_batched()
    if batched[0] != batched[1]:
        await mm.hook.arch_flush_tlb_batched_pending(mm=mm)
        await set_flushed(mm, batched)


# ---- the task's batch ----------------------------------------------------------------------------------------


async def should_defer_flush(mm: Mm) -> bool:
    """May the flush of an entry that reclaim clears be put off? mm/rmap.c:should_defer_flush() with TTU_BATCH_FLUSH."""
    return "batched_unmap" in mm.facts.capabilities and bool(await mm.hook.arch_tlbbatch_should_defer(mm=mm))


@or_c
async def set_tlb_ubc_flush_pending(mm: Mm, ubc: UnmapBatch, pte: Present, start: int, end: int) -> None:
    """Note that entries have been cleared and their flush is deferred; the page-table lock is held.

    `pte` is the first of those from `start` to `end`, dirty if any was.  Nothing is deferred for an entry that no CPU
    can have.
    """
    if not await pte_accessible(mm, pte):
        return
    await mm.hook.arch_tlbbatch_add_pending(mm=mm, batch=ubc, start=start, end=end)
    ubc.flush_required = True
    await add_batched(mm)
    if pte.dirty:
        ubc.writable = True  # if it was dirty then it is best to assume that it was writable
    ubc.read_only &= not pte.write


@or_c
async def try_to_unmap_flush(mm: Mm, ubc: UnmapBatch) -> None:
    """Do the batch's deferred flush, if any."""
    if ubc.flush_required:
        await mm.hook.arch_tlbbatch_flush(mm=mm, batch=ubc)
        ubc.flush_required, ubc.writable, ubc.read_only = False, False, True


@or_c
async def try_to_unmap_flush_dirty(mm: Mm, ubc: UnmapBatch) -> None:
    """Do the batch's deferred flush if a CPU may still write to one of its pages."""
    if ubc.writable:
        await try_to_unmap_flush(mm, ubc)
