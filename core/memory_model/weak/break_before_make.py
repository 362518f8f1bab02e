"""Break-before-make: whether two conflicting translations of a page may be cached at once.

Arm ARM D8 (FEAT_BBM): between two cacheable entries of which the second has another output address, memory type,
shareability or block size there must be an entry that no TLB may hold, and behind that a TLBI that is complete.  Else
both may be cached at once.  An entry with the access flag clear is not cacheable.  A new address is harmless only if
neither entry can be written through and the two pages hold the same.

What is compared are whole paths (paths.py): a block and a page, or a page and another one in a table that a walk cache
still leads to.
"""

from __future__ import annotations

from core.memory_model.program import Cell, Program
from core.memory_model.values import Descriptor
from core.memory_model.weak.paths import Path, paths
from core.memory_model.weak.state import NEVER, WeakState


def note_entry(program: Program, state: WeakState, i: int, cell: Cell) -> None:
    """CPU i, or the hardware that walks for it, has written the entry `cell`: note a violation."""
    if not program.asks_unbroken:
        return
    for page in program.pages_of.get(cell, ()):
        cacheable = [x for x in paths(program, state, page) if is_cacheable(x)]
        for new in cacheable:
            if new.first_end == NEVER and any(
                old.entries != new.entries and not _is_invalidated(state, i, page, old) and _conflicts(state, old, new)
                for old in cacheable
            ):
                state.unbroken = True


def _is_invalidated(state: WeakState, i: int, page: str, path: Path) -> bool:
    """Whether a TLBI that takes `path` away from CPU i is complete."""
    return any(x.done <= state.now and x.covers(i, page) and state.is_taken_away(x, path.entries) for x in state.tlbis)


def is_cacheable(path: Path) -> bool:
    """Whether a TLB may hold the translation that `path` ends in."""
    return isinstance(path.value, Descriptor) and bool(path.value.valid and path.value.af)


def _conflicts(state: WeakState, one: Path, other: Path) -> bool:
    old, new = one.value, other.value
    assert isinstance(old, Descriptor)
    assert isinstance(new, Descriptor)
    if old.attrs != new.attrs or len(one.entries) != len(other.entries):
        return True
    if one.output is None or other.output is None or one.output == other.output:
        return one.output != other.output
    read_only = not (old.db or old.dbm or new.db or new.dbm)
    return not (read_only and state.newest(one.output)[1] == state.newest(other.output)[1])
