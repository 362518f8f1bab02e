"""The values that cells have before anything is written to them."""

from __future__ import annotations

from collections.abc import Hashable

from core.machine.op import Cell

INITIAL: dict[str, Hashable] = {
    "pte": None,
    "tlb": None,
    "csd": None,
    "irqs_off": False,
    "handler": None,
    "tlb_gen": 0,
    "ctx_gen": 0,
    "loaded_mm": "other",
    "is_lazy": False,
    "flush_count": 0,
    "on_mm": False,
    "hpte": None,
    "cloned": False,
    "turn": 0,
    "context.lock": None,
    "accessed": True,
    "cached": False,
    "owed": frozenset(),
    "owner": None,
    "running": None,
    "last_ran": None,
    "newer": False,
    "ref": 1,
    "mapcount": 1,
    "PG_dirty": False,
    "PG_locked": None,
    "memcg": None,
    "NR_FILE_MAPPED": 0,
    "ptl": None,
    "mmap_lock": frozenset(),
    "i_mmap_rwsem": None,
    "held_batches": 0,
    "vma": True,
    "tlb_flush_pending": 0,
    "tlb_flush_batched": (0, 0),
    "mm_cpumask": frozenset(),
    "pmd": None,
    "pud": None,
    "p4d": None,
    "table": True,
    "broken": None,
    "broadcast": (),
    "context": True,
    "rid": 1,
    "rid_next": 2,
    "loaded_rid": 1,
    "queued": None,
    "mm_users": 2,
    "current_mm": True,
    "active_mm": True,
    "left_mask": frozenset(),
    "flush_mm": False,
    "cpu_attach_mask": frozenset(),
}
"""Initial values by the cell's array: a page has one mapping and one reference, locks are free, the rest is empty."""


class Memory(dict[Cell, Hashable]):
    """Cells with their values; a cell that is read first has its initial value (`INITIAL`). KeyError if it has none."""

    def __missing__(self, cell: Cell) -> Hashable:
        self[cell] = value = INITIAL[cell.array]
        return value
