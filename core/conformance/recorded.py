"""A trace or a model as plain data, with what belongs to memory management: kernel functions, gathers, panels, stale
translations.

The explorer knows cells and coroutines (`core.explore.recording`); here is what they mean.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence
from itertools import product
from pathlib import Path
from types import FrameType
from typing import Any

from core.conformance.kernel_place import kernel_place
from core.explore.cursor import Choice
from core.explore.recording import Data, Note, model_data, trace_data
from core.explore.transition_tables import TransitionTables
from core.machine.memory import panel_of_array
from core.machine.pte import PTE, Pte
from core.machine.tlb import TLB, Entry
from core.mm.encoded_page import ENCODED_PAGE_BIT_DELAY_RMAP, encoded_page_flags, encoded_page_ptr, page_to_pfn
from core.mm.mmu_gather import MmuGather
from core.mm.swap import Slot

MAX_STATES = 20_000
"""States of a model whose tables are recorded; a larger one has its trace alone."""

SCAFFOLD = tuple(str(Path(__file__).parents[1] / room) for room in ("conformance", "explore", "machine"))
"""Where functions are that are no kernel's."""

UPPER = ("pmd", "pud", "p4d")
LEVELS = ("ptes", "pmds", "puds", "p4ds")
FLAGS = ("fullmm", "freed_tables", "unshared_tables", "delayed_rmap", "need_flush_all")


def trace(tables: TransitionTables, path: Sequence[Choice], violated: str) -> Data:
    """The path with every cell's values; see `core.explore.recording.trace_data`."""
    annotate = Annotator()
    return _placed(trace_data(tables, path, violated, annotate)) | {"files": annotate.files}


def model(tables: TransitionTables, path: Sequence[Choice], max_states: int = MAX_STATES) -> Data | None:
    """The tables of the whole model; None if it has more than `max_states` states."""
    annotate = Annotator()
    data = model_data(tables, path, annotate, max_states)
    return None if data is None else _placed(data) | {"files": annotate.files}


class Annotator:
    """Says of suspended programs what is in no cell; `files` has the kernel's file of each function that was named."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def __call__(self, stack: Sequence[FrameType]) -> Note:
        """The kernel functions of a suspended program, innermost first, and the gather that it has open."""
        functions: list[str] = []
        for frame in stack:
            code = frame.f_code
            if not code.co_name.startswith("_") and not code.co_filename.startswith(SCAFFOLD):
                name = code.co_qualname
                self.files.setdefault(name, kernel_place(frame))
                if functions[-1:] != [name]:  # a level of the page table is a call of its own
                    functions.append(name)
        gathers = [value for frame in stack for value in frame.f_locals.values() if isinstance(value, MmuGather)]
        return Note(tuple(reversed(functions)), _gather(gathers[-1]) if gathers else ())


def _gather(tlb: MmuGather) -> tuple[tuple[str, Hashable], ...]:
    """A gather's range of pages, the levels it has cleared, its flags, and the batches as (room, what is in it)."""
    some = tlb.start < tlb.end
    span = "everything" if tlb.fullmm else f"[{tlb.start}, {tlb.end})" if some else "none"
    return (
        ("range", span),
        ("cleared", tuple(level for level in LEVELS if getattr(tlb, f"cleared_{level}"))),
        ("flags", tuple(name for name in FLAGS if getattr(tlb, name))),
        ("batches", tuple((batch.max, tuple(map(_slot, batch.slots))) for batch in tlb.batches)),
        ("tables", len(tlb.tables or ())),
    )


def _slot(slot: Slot) -> str:
    if slot.table is not None:
        return f"table {slot.table.level} {slot.table.index}"
    first = page_to_pfn(encoded_page_ptr(slot.encoded))
    pages = f"page{first}" if slot.entries == 1 else f"page{first} to page{first + slot.entries - 1}"
    return f"{pages}, rmap later" if encoded_page_flags(slot.encoded) & ENCODED_PAGE_BIT_DELAY_RMAP else pages


def _placed(data: Data) -> Data:
    """`data` with the panel of each cell, and which cached translations allow more than the page table."""
    for cell in data["cells"]:
        cell["panel"] = panel_of_array(
            cell["array"], any("cpu" in part for part in cell["index"] if isinstance(part, dict))
        )
    return data | {"stale": list(_stale(data["cells"]))}


def _stale(cells: Sequence[Data]) -> Iterator[list[Any]]:
    """[TLB cell, page-table cell, pairs of values of which the cached one allows more].

    None where an upper-level entry may map the page itself: the page table does not say then what is allowed.
    """
    if any(_type(value) == "Pte" for cell in cells if cell["array"] in UPPER for value in cell["values"]):
        return
    where = {(cell["array"], json.dumps(cell["index"])): number for number, cell in enumerate(cells)}
    for number, cell in enumerate(cells):
        pte = where.get((PTE, json.dumps(cell["index"][1:]))) if cell["array"] == TLB else None
        if pte is not None:
            both = product(enumerate(cell["values"]), enumerate(cells[pte]["values"]))
            pairs = [[a, b] for (a, cached), (b, entry) in both if _allows_more(cached, entry)]
            yield [number, pte, pairs]


def _allows_more(cached: Data, entry: Data) -> bool:
    """Does a cached translation allow what the entry does not?"""
    if _type(cached) != Entry.__name__:
        return False
    may, now = cached["value"], entry["value"]
    return _type(entry) != Pte.__name__ or now["frame"] != may["frame"] or (may["write"] and not now["write"])


def _type(value: Data) -> str:
    return value["value"].get("type", "") if isinstance(value["value"], dict) else ""
