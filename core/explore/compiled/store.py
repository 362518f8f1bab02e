"""The states found so far and the hash table of them, and how their memory grows."""

from __future__ import annotations

from collections.abc import Iterable

from core.explore.compiled.arrays import CONTROL_SIZE, COUNT, FRONT, LIMIT, Context
from core.explore.compiled.exchange import flat
from core.explore.compiled.layout import TAKEN, Field, Layout, shifts
from core.explore.compiled.machine_code import Loops, loops
from core.explore.compiled.numbers import BYTES, Numbers
from core.explore.numeric import numpy

np = numpy()

FULL = 0.6
"""How full the hash table may get."""

SLOTS = 1 << 16
"""Of the first hash table."""

STATES = 1 << 14
"""That there is room for at first."""


class OutOfMemory(Exception):
    """The memory allowed does not suffice."""


class Store:
    """Both arrays, for one layout after another. `control` and `context` are those of the search."""

    def __init__(self, layout: Layout, max_memory: int | None) -> None:
        self.layout, self.max_memory = layout, max_memory
        self.context = Context()
        self.control = np.zeros(CONTROL_SIZE, np.int64)
        self.context.put({"control": self.control})
        self.loops: Loops = loops(layout.words)
        self.states, self.table, self.slots = Numbers(STATES * layout.words), Numbers(SLOTS * layout.words), SLOTS
        self.states.fill(layout.words, 1, TAKEN)
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

    def grow(self, more: int) -> None:
        """Make room for that many more states. OutOfMemory, and nothing is changed, if that is not allowed."""
        need, words = self.count + more, self.layout.words
        states, slots, before = self.states.size, self.slots, self.slots
        while states < need * words:
            states = states * 3 // 2
        while int(slots * FULL) < need:
            slots *= 2
        self._allowed(states + slots * words)
        if states != self.states.size:
            self.states.grow(states)
        if slots != before:
            self.slots = slots
            self.table.grow(slots * words)
        self._place()
        if slots != before and not self.loops.unfold(self.context.address, before):
            self.table.clear()
            self._fill()

    def widen(self, layout: Layout, pairs: Iterable[tuple[Field, Field]]) -> None:
        """Translate all states into another layout, in which the fields are elsewhere. OutOfMemory as for `grow`."""
        old, words, room = self.states, self.layout.words, self.states.size // self.layout.words
        self._allowed(old.size + (room + self.slots) * layout.words)
        moved = flat(shifts(pairs), 4)
        self.loops, self.layout = loops(layout.words), layout
        del self.table
        self.states, self.table = Numbers(room * layout.words), Numbers(self.slots * layout.words)
        self.states.fill(layout.words, self.count, TAKEN)
        self._place()
        arguments = (old.address, words, self.count, moved.ctypes.data, len(moved) // 4)
        self.loops.translate(self.context.address, *arguments)
        self._fill()

    def _allowed(self, numbers: int) -> None:
        if self.max_memory is not None and BYTES * numbers > self.max_memory:
            raise OutOfMemory

    def _fill(self) -> None:
        self.loops.fill(self.context.address, self.count)

    def _place(self) -> None:
        """Tell the loops where the arrays are and how many states fit."""
        self.context.put({"states": self.states.address, "table": self.table.address})
        self.context.put({"slot_shift": 64 - (self.slots.bit_length() - 1), "slot_mask": self.slots - 1})
        self.context.put({"front": np.zeros(FRONT * self.layout.words, np.int64)})
        self.control[LIMIT] = min(self.states.size // self.layout.words, int(self.slots * FULL))
