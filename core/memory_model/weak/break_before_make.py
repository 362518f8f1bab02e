"""Break-before-make: whether a cacheable entry may replace another one.

Arm ARM D8 (FEAT_BBM): between two cacheable entries of which the second has another output address, memory type or
shareability there must be an entry that no TLB may hold, and behind that a TLBI that is complete.  Else both may be
cached at once.  An entry with the access flag clear is not cacheable.  A new address is harmless only if neither entry
can be written through and the two pages hold the same.
"""

from __future__ import annotations

from core.memory_model.program import ENTRY, Cell
from core.memory_model.values import Descriptor, Value
from core.memory_model.weak.state import WeakState


def note_entry(state: WeakState, i: int, cell: Cell, value: Value) -> None:
    """CPU i, or the hardware that walks for it, is about to write `value` to the entry `cell`: note a violation."""
    history = state.memory[cell]
    if not _cacheable(value):
        return
    ends = [*(begin for begin, _ in history[1:]), None]
    for (_, old), end in zip(reversed(history), reversed(ends), strict=True):
        if _cacheable(old):
            if _conflicts(state, old, value) and (end is None or not _invalidated(state, i, cell, end)):
                state.unbroken = True
            return


def _invalidated(state: WeakState, i: int, cell: Cell, since: int) -> bool:
    """Whether a TLBI that acted after `since` and covers the page for CPU i is complete."""
    page = cell.removeprefix(ENTRY)
    return any(x.acts >= since and x.done <= state.now and x.covers(i, page) for x in state.tlbis)


def _cacheable(value: Value) -> bool:
    return isinstance(value, Descriptor) and bool(value.valid and value.af)


def _conflicts(state: WeakState, old: Value, new: Value) -> bool:
    assert isinstance(old, Descriptor)
    assert isinstance(new, Descriptor)
    if old.attrs != new.attrs:
        return True
    if old.oa is None or new.oa is None or old.oa == new.oa:
        return old.oa != new.oa
    read_only = not (old.db or old.dbm or new.db or new.dbm)
    return not (read_only and state.newest(old.oa)[1] == state.newest(new.oa)[1])
