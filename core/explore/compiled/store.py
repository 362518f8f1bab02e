"""The states found so far and the hash table of them, and how their memory grows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from core.explore.compiled.arrays import CONTROL_SIZE, COUNT, FRONT, LIMIT, LOW, ArrayContext
from core.explore.compiled.exchange import flat
from core.explore.compiled.machine_code import Loops, loops
from core.explore.compiled.numbers import BYTES, Numbers, whole_pages
from core.explore.compiled.word_layout import Field, WordLayout, shifts
from core.explore.numeric import numpy

np = numpy()

FULL = 0.6
"""The highest load factor of the hash table."""

SLOTS = 1 << 64 - LOW
"""Slots of the first hash table."""

STATES = 1 << 14
"""States for which there is room at first."""


class OutOfMemory(Exception):
    """The search would need more memory than `Limits.max_memory`."""


class Store:
    """The states and their hash table, in a layout that may be widened. `control` and `context` are as in `arrays`.

    `unfold` is how several workers redistribute the states over a table that has grown from this `slot_shift`; it says
    whether they could.  None: one worker does that.
    """

    def __init__(self, layout: WordLayout, max_memory: int | None, part_bits: int = 0) -> None:
        self.layout, self.max_memory, self.part_bits = layout, max_memory, part_bits
        self.unfold: Callable[[int], bool] | None = None
        self.context = ArrayContext()
        self.control = np.zeros(CONTROL_SIZE, np.int64)
        self.context.put({"control": self.control})
        self.loops: Loops = loops(layout.words)
        self.states, self.table, self.slots = Numbers(STATES * layout.words), Numbers(SLOTS * layout.slot_words), SLOTS
        self.control[COUNT] = 1
        self._place()
        self._fill()

    @property
    def count(self) -> int:
        """How many states there are."""
        return int(self.control[COUNT])

    def words(self, state: int) -> list[int]:
        """The words of a state."""
        return self.states.read(state * self.layout.words, self.layout.words)

    def words_of(self, states: Any) -> list[list[int]]:
        """The words of each of these states."""
        return self.states.rows(states, self.layout.words)

    def grow(self, more: int, cramped: bool = False) -> None:
        """Make room for `more` states; in a larger table if this one is `cramped`.

        OutOfMemory if that exceeds the limit; all states found are kept.
        """
        need, states, slots = self.count + more, self.states.size, self.slots
        while states < need * self.layout.words:
            states = whole_pages(states * 3 // 2)
        while int(slots * FULL) < need or (cramped and slots == self.slots):
            slots *= 2
        self._allowed(states + slots * self.layout.slot_words)
        if states != self.states.size:
            self.states.grow(states)
        if slots != self.slots:
            self._spread(slots)
        self._place()

    def _spread(self, slots: int) -> None:
        """Grow the table to `slots` slots and redistribute the states."""
        shift, self.slots = _shift(self.slots), slots
        self.table.grow(slots * self.layout.slot_words)
        self._place()
        if not (self.unfold or self._unfold)(shift):
            self.table.clear()
            self._fill()

    def _unfold(self, shift: int) -> bool:
        """Move all states to their new slots, part by part from the last."""
        parts = reversed(range(1 << self.part_bits))
        return all(self.loops.unfold(self.context.address, shift, part) for part in parts)

    def refill(self) -> None:
        """Make the table again, because it is cramped and holds states that have no place: larger, if that is allowed.

        OutOfMemory if not.
        """
        try:
            self._allowed(self.states.size + 2 * self.slots * self.layout.slot_words)
        except OutOfMemory:
            self.table.clear()
            self._fill()
            raise
        self._enlarge()
        self._fill()

    def widen(self, layout: WordLayout, pairs: Iterable[tuple[Field, Field]]) -> None:
        """Translate all states into another layout; `pairs` are (old field, new field). OutOfMemory as for `grow`."""
        old, words, room = self.states, self.layout.words, self.states.size // self.layout.words
        self._allowed(old.size + room * layout.words + self.slots * layout.slot_words)
        moved = flat(shifts(pairs), 4)
        self.loops, self.layout, self.unfold = loops(layout.words), layout, None
        del self.table
        self.states, self.table = Numbers(room * layout.words), Numbers(self.slots * layout.slot_words)
        self._place()
        arguments = (old.address, words, self.count, moved.ctypes.data, len(moved) // 4)
        self.loops.translate(self.context.address, *arguments)
        self._fill()

    def _allowed(self, numbers: int) -> None:
        if self.max_memory is not None and BYTES * numbers > self.max_memory:
            raise OutOfMemory

    def _fill(self) -> None:
        """Insert all states into the empty table; while it is cramped, into a larger one."""
        while not self.loops.fill(self.context.address, self.count):
            self._allowed(self.states.size + 2 * self.slots * self.layout.slot_words)
            self._enlarge()

    def _enlarge(self) -> None:
        """Make an empty table of twice as many slots."""
        self.slots *= 2
        self.table = Numbers(self.slots * self.layout.slot_words)
        self._place()

    def _place(self) -> None:
        """Pass the addresses of the arrays, and how many states fit, to the loops."""
        self.context.put({"states": self.states.address, "table": self.table.address})
        self.context.put({"slot_shift": _shift(self.slots), "part_bits": self.part_bits})
        self.context.put({"part_mask": (self.slots >> self.part_bits) - 1})
        self.context.put({"slot_words": self.layout.slot_words, "distance": LOW + self.layout.short})
        self.context.put({"front": np.zeros(FRONT * self.layout.words, np.int64)})
        self.control[LIMIT] = min(self.states.size // self.layout.words, int(self.slots * FULL))


def _shift(slots: int) -> int:
    """The right shift that turns a 64-bit hash into a slot number."""
    return 64 - (slots.bit_length() - 1)
