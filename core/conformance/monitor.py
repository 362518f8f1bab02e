"""Looking at a gather while it is being used: what no shared cell shows.

`watched` runs a program and, after each of its operations, lets `rule` look at the gather; a broken rule becomes a
step that violates the property by name, so it is found like any other violation and shown at the end of its trace.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome, doing
from core.mm.encoded_page import ENCODED_PAGE_BIT_DELAY_RMAP, encoded_page_flags
from core.mm.mmu_gather import Batch, MmuGather

Rule = Callable[[MmuGather], str]

BROKEN = Cell(declare("broken", None))


async def watched(program: Coroutine[Op, Any, Any], tlb: MmuGather, rule: Rule) -> Any:
    """Run `program`; a property that `rule` names is reported where it first breaks."""

    async def do(op: Op) -> Any:
        value = await op
        if broken := rule(tlb):
            await report(broken)
        return value

    return await doing(program, do)


async def covering(program: Coroutine[Op, Any, Any]) -> Any:
    """Run `program`; every entry that it clears is in the range of a flush before anything is freed, and at the end."""
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
        elif kind == "free" and owed:
            await report("flushed-covers-cleared")
        return value

    result = await doing(program, do)
    if owed:
        await report("flushed-covers-cleared")
    return result


def report(name: str) -> Op:
    """A step that does nothing but violate the property `name`."""
    return Op(f"broken: {name}", (), (BROKEN,), lambda: [Outcome(None, (name,), name)])


def delayed_in_last_batch(tlb: MmuGather) -> str:
    """Delayed entries stand where tlb_flush_rmaps() looks: the active batch, and since c47454823bd4 the local one."""
    walked = {tlb.active, 0} if tlb.mm.era.delay_in_local else {tlb.active}
    for number, batch in enumerate(tlb.batches):
        if number not in walked and _delayed(batch):
            return "delayed-in-last-batch"
    return ""


def _delayed(batch: Batch) -> bool:
    return any(encoded_page_flags(slot.encoded) & ENCODED_PAGE_BIT_DELAY_RMAP for slot in batch.slots)


def batch_limit(tlb: MmuGather) -> str:
    """No batch holds more than it has room for, and there are no more batches than MAX_GATHER_BATCH_COUNT."""
    too_full = any(batch.nr > batch.max for batch in tlb.batches)
    return "batch-limit" if too_full or len(tlb.batches) - 1 > tlb.mm.facts.batch_count else ""
