"""The contents of one page table in the few numbers on which the effect of zapping it depends.

How it works.  Zapping one more entry only adds to what was there, as long as it changes nothing but numbers
(core/cost/run_summaries.py).  What it may change at first are flags: with the first page that is queued, with the first
dirty file page, and where the active batch fills up.  These entries are executed one by one.  Between them entries of
one class are alike, and only their number matters.  So a table is a *word*, which says in which order these entries
come, and *numbers*: how many entries of which class there are in between, and where what is executed lies.

Data types
    Class        'clean', 'dirty' or 'swap': entries that the zap treats alike
    TablePlan    a word and its numbers
    Leg          one letter of a word with its numbers: what is leapt over, and where the entry is that is executed next
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from core.cost.layout import Layout

CLEAN, DIRTY, SWAP = "clean", "dirty", "swap"

CLASSES = {
    "none": "",
    "swap": SWAP,
    "anon_clean": CLEAN,
    "anon_dirty": CLEAN,  # the dirty bit of an anonymous page says nothing to the zap
    "file_clean": CLEAN,
    "file_dirty": DIRTY,
}
"""The class of an entry by its kind, '' if it is empty.  Other kinds are not alike within a run, or rare."""

PAGES = (CLEAN, DIRTY)
"""The classes of entries that map a page."""

EXECUTED = {CLEAN: "c", DIRTY: "d"}
"""The letter of a leg by the class of the entry that is executed at its end."""

REST = "."
"""The letter of the leg that ends with the table."""


class TablePlan(NamedTuple):
    """A table's contents: `word`, a letter for each leg, and the legs' `numbers` one after the other."""

    word: str
    numbers: tuple[int, ...]


class Leg(NamedTuple):
    """Leap over `counts` entries of each class, up to the offset `to` in the table; then one entry is executed.

    `last` is where the last page before `to` ends, None if there is none.  In the last leg `to` is the table's end.
    """

    counts: tuple[tuple[str, Any], ...]
    last: Any
    to: Any


def classes_of(layout: Layout) -> frozenset[str | None]:
    """The classes of all entries of a layout; None stands for kinds without a class."""
    return frozenset([CLASSES.get(kind) for kind in layout.kinds()])


def plan_of(layout: Layout, addr: int, span: int, room: int, next_room: int) -> TablePlan | None:
    """The plan of the table at `addr`, which has `span` entries; an empty word if all of them are empty.

    `room` is the number of pages with which the active batch is full, and `next_room` that of the next one.  None if
    the table has entries of another kind, or would fill that too.
    """
    word = ""
    numbers: list[int] = []
    clean = dirty = swap = queued = last = 0
    met_dirty = False
    at, end = addr, addr + span
    for upto, kind in layout.runs_in(addr, end):
        group = CLASSES.get(kind)
        if group in PAGES:
            left = upto - at
            # What is executed: the first page, the first dirty one, the one that fills the batch.
            while not queued or queued < room <= queued + left or not (met_dirty or group == CLEAN):
                alike = room - 1 - queued if queued and (met_dirty or group == CLEAN) else 0
                if group == CLEAN:
                    clean += alike
                else:
                    dirty += alike
                left -= alike + 1
                to = upto - left - 1 - addr
                numbers += (clean, dirty, swap, to if alike else last, to) if queued else (swap, to)
                word += EXECUTED[group]
                met_dirty |= group == DIRTY
                clean = dirty = swap = 0
                queued += alike + 1
                last = to + 1
                if not left:
                    break
            if left:
                if group == CLEAN:
                    clean += left
                else:
                    dirty += left
                queued += left
                last = upto - addr
        elif group == SWAP:
            swap += upto - at
        elif group is None:
            return None
        at = upto
    if at < end:
        return None  # the table is not all of the layout
    if queued >= room + next_room:
        return None
    if not (queued or swap):
        return TablePlan("", ())
    if not queued or numbers[-1] != span - 1:
        numbers += (clean, dirty, swap, last) if queued else (swap,)
        word += REST
    return TablePlan(word, tuple(numbers))


def legs(word: str, numbers: Iterator[Any], span: int) -> Iterator[Leg]:
    """The legs of a plan; `numbers` may be symbolic."""
    for i, letter in enumerate(word):
        groups = (CLEAN, DIRTY, SWAP) if i else (SWAP,)
        counts = tuple([(group, next(numbers)) for group in groups])
        last = next(numbers) if i else None
        yield Leg(counts, last, span if letter == REST else next(numbers))
