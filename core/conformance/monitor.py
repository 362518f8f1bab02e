"""Rules about a gather, which is in no shared cell.

`watched` runs a program and checks a rule about its gather after each operation.  A violated rule becomes a step that
violates the property of that name, so it is found like any other violation and is the last line of the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from core.base.asked import changed
from core.facts import Facts
from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome, doing
from core.machine.order import Order
from core.mm.encoded_page import ENCODED_PAGE_BIT_DELAY_RMAP, encoded_page_flags
from core.mm.mmu_gather import Batch, MmuGather

Rule = Callable[[MmuGather, Op], str]
"""The property that the gather breaks behind an operation, or ''."""

BROKEN = Cell(declare("broken", None, "ghost", panel="check"))


async def watched(program: Coroutine[Op, Any, Any], rule: Rule) -> Any:
    """Run `program`, and report the property that `rule` returns of its gather as soon as it returns one."""
    tlb: MmuGather | None = None

    async def do(op: Op) -> Any:
        nonlocal tlb
        value = await op
        if op.event is not None and op.event[0] == "gather":
            tlb = op.event[1]
        if tlb is not None and (broken := rule(tlb, op)):
            await report(broken)
        return value

    return await doing(program, do)


async def covering(program: Coroutine[Op, Any, Any], pays_later: bool) -> Any:
    """Run `program`; every entry that it clears must be flushed before anything is freed, and before it ends.

    `pays_later`: a page may be given back while its flush is owed, for nobody uses the mm before it is paid (s390).
    """
    owed: set[int] = set()

    async def do(op: Op) -> Any:
        nonlocal owed
        value = await op
        kind, *said = op.event or ("",)
        if kind in ("clear", "pte_flush"):
            addr, nr = said
            owed ^= set(range(addr, addr + nr))
        elif kind == "flush":
            start, end, flags = said
            owed -= owed if "full" in flags else set(range(start, end))
        elif owed and (kind == "free" or (not pays_later and _gives_back(op, owed))):
            await report("flushed-covers-cleared")
        return value

    result = await doing(program, do)
    if owed:
        await report("flushed-covers-cleared")
    return result


def _gives_back(op: Op, pages: set[int]) -> bool:
    """Does the operation change the references of one of these pages, each of which is mapped at its own number?"""
    return any(cell.array == "ref" and cell.index in pages for cell in op.writes)


def report(name: str) -> Op:
    """A step that does nothing but violate the property `name`."""
    return Op(f"broken: {name}", (), (BROKEN,), lambda: [Outcome(None, (name,), name)], order=Order.PRIVATE)


def delayed_in_last_batch(tlb: MmuGather, op: Op) -> str:
    """Entries with delayed rmap are where tlb_flush_rmaps() looks: in the active batch or, since c47454823bd4, the
    local.
    """
    walked = {tlb.active, 0} if tlb.mm.era.delay_in_local else {tlb.active}
    for number, batch in enumerate(tlb.batches):
        if number not in walked and _delayed(batch):
            return "delayed-in-last-batch"
    return ""


def _delayed(batch: Batch) -> bool:
    return any(encoded_page_flags(slot.encoded) & ENCODED_PAGE_BIT_DELAY_RMAP for slot in batch.slots)


SAFE_PAGES = 10_000
"""MAX_GATHER_BATCH_COUNT: what may be freed without a preemption point, as allocated batches hold it."""


def batch_limit(own: Facts) -> Rule:
    """No batch has more entries than fit into it, and there are at most MAX_GATHER_BATCH_COUNT of them.

    `own` are the facts that the architecture states, which the model may have made smaller: a batch of theirs is a
    page, less struct mmu_gather_batch or mmu_table_batch, and all of them hold no more than is safe to free at once.
    """
    derived = changed(own, max_gather_batch=None, max_table_batch=None)
    fit = own.batch_entries <= derived.batch_entries and own.table_batch_entries <= derived.table_batch_entries
    sound = fit and own.batch_entries * own.batch_count <= SAFE_PAGES

    def rule(tlb: MmuGather, op: Op) -> str:
        local, *more = tlb.batches
        facts = tlb.mm.facts
        too_full = local.nr > facts.bundle or any(batch.nr > facts.batch_entries for batch in more)
        return "" if sound and not too_full and len(more) <= facts.batch_count else "batch-limit"

    return rule


def delay_ends(tlb: MmuGather, op: Op) -> str:
    """tlb->delayed_rmap says that rmap removals are waiting: while it is set no batch is added, and each flush under
    the lock walks two.

    So some must be waiting when it is flushed, and none when the page-table lock has been dropped.
    """
    if not tlb.delayed_rmap:
        return ""
    kind = op.event[0] if op.event is not None else ""
    if kind == "unlock" or (kind == "flush" and not any(map(_delayed, tlb.batches))):
        return "delay-ends"
    return ""
