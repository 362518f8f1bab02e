"""Contiguous blocks: entries that the hardware may cache as one (Arm ARM, the Contiguous bit of a descriptor).

A block is a number of entries, aligned, that map as many consecutive pages with equal attributes, and say so by a bit.
Of such a block the hardware may do two things that it does not do elsewhere.

* A walk for one address may fill the TLB for the whole block, by what that one entry says.  So an entry that has been
  cleared while its neighbours still have the bit is cached again as often as somebody uses a neighbour.
* The dirty bit of a store may be set in any entry of the block.  So whether a page is dirty is for all of them to say.

The TLB has a cell per address here too: a CPU that keeps the block as one entry, and one that keeps it in parts, are
both among the outcomes of a walk.  A flush of one address drops that address alone, which is the weaker of the two.

A valid entry may be replaced by one with the other contiguous bit only after a flush in between (break-before-make):
otherwise the TLB may hold both.  `torn` says of a state that it is so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.machine.accessed import accessed_cell
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import USE_AFTER_FREE, Entry, newer_cell, ref_cell, tlb_cell, walk

BREAK_BEFORE_MAKE = "break-before-make"


def user_access(cpu: Cpu, addr: int, block: Sequence[int], frames: Sequence[int], store: bool) -> Op:
    """One load or store of user code at `addr`, one of the addresses of `block`. Returns 'ok' or 'fault'.

    `frames` are the pages that the block can ever map.  The hardware sets the dirty bit.
    """
    at, n, pages = block.index(addr), len(block), len(frames)
    tlbs, ptes = tuple(tlb_cell(cpu, a) for a in block), tuple(map(pte_cell, block))
    newers = tuple(map(newer_cell, frames)) if store else ()

    def step(*state: object) -> list[Outcome]:
        cached, entries = state[:n], state[n : 2 * n]
        refs, newer = state[2 * n : 2 * n + pages], list(state[2 * n + pages :])
        found = []
        for tlb, table, entry in _lookups(at, cached, entries, store):
            if entry is None:
                found.append(Outcome("fault", (*tlb, *table, *newer)))
                continue
            page = frames.index(entry.frame)
            after = [now or (store and i == page) for i, now in enumerate(newer)]
            made = Outcome("ok", (*tlb, *table, *after), USE_AFTER_FREE if refs[page] == 0 else "")
            found.append(made._replace(stored=((newers[page], tlbs[at]),)) if store else made)
        return found

    name = f"{'store' if store else 'load'}({addr})"
    reads = (*tlbs, *ptes, *map(ref_cell, frames), *newers)
    return Op(name, reads, (*tlbs, *ptes, *newers), step, may_schedule="user", order=Order.WALK)


WALKS = Cell(declare("block_walks", 0, "ghost"))
"""How often a CPU has walked for the block, in models that follow its accessed bits."""


def noted(access: Op, cpu: Cpu, block: Sequence[int]) -> Op:
    """`access` that sets an accessed bit where it walks: of any entry of the block, as with the dirty bit."""
    n, bits = len(block), tuple(map(accessed_cell, block))
    at = [access.writes.index(tlb_cell(cpu, addr)) for addr in block]
    before = [access.reads.index(tlb_cell(cpu, addr)) for addr in block]

    def step(walks: int, *state: Any) -> list[Outcome]:
        young, values = state[:n], state[n:]
        made = []
        for outcome in access.step(*values):
            filled = any(outcome.written[a] not in (None, values[b]) for a, b in zip(at, before, strict=True))
            marked = [_put(young, i, True) for i in range(n)] if filled else [young]
            made += [outcome._replace(written=(walks + filled, *bit, *outcome.written)) for bit in marked]
        return made

    return Op(
        access.name,
        (WALKS, *bits, *access.reads),
        (WALKS, *bits, *access.writes),
        step,
        may_schedule=access.may_schedule,
        order=access.order,
    )


def _lookups(
    at: int, cached: Sequence[object], entries: Sequence[object], store: bool
) -> list[tuple[Sequence[object], Sequence[object], Entry | None]]:
    """How the translation of number `at` of a block may be found: (TLB, page table, entry used or None), after it."""
    hit = cached[at]
    if isinstance(hit, Entry) and (not store or (hit.write and hit.dirty)):
        return [(cached, entries, hit)]
    walked = walk(entries[at], store, True)
    if walked is None:
        return [(_put(cached, at, None), entries, None)]
    entry, pte = walked
    return [(tlb, table, entry) for tlb in _filled(at, cached, entry) for table in _marked(at, entries, pte)]


def _filled(at: int, cached: Sequence[object], entry: Entry) -> list[Sequence[object]]:
    alone = _put(cached, at, entry)
    whole = [entry._replace(frame=entry.frame + i - at) for i in range(len(cached))]
    return [alone, whole] if entry.cont else [alone]


def _marked(at: int, entries: Sequence[object], pte: object) -> list[Sequence[object]]:
    """The page table after a walk that has made the entry `pte`: where its dirty bit is new, it may be any's."""
    if entries[at] == pte or not isinstance(pte, Pte) or not pte.cont:
        return [_put(entries, at, pte)]
    valid = [i for i, other in enumerate(entries) if isinstance(other, Pte) and other.cont]
    return [_put(entries, i, entries[i]._replace(dirty=True)) for i in valid]  # type: ignore[attr-defined]


def _put(values: Sequence[object], at: int, value: object) -> Sequence[object]:
    return [*values[:at], value, *values[at + 1 :]]


def torn(pte: object, entry: object) -> bool:
    """Has a valid entry the other contiguous bit than what a CPU has cached of it?"""
    return isinstance(pte, Pte) and isinstance(entry, Entry) and pte.cont != entry.cont
