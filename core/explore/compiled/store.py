"""The states found so far and the hash table of them, and how their memory grows."""

from __future__ import annotations

from collections.abc import Iterable

from core.explore.compiled.arrays import CONTROL_SIZE, COUNT, LIMIT, Context
from core.explore.compiled.exchange import flat
from core.explore.compiled.layout import TAKEN, Field, Layout, shifts
from core.explore.compiled.machine_code import Loops, loops
from core.explore.numeric import numpy

np = numpy()

FULL = 0.6
"""How full the hash table may get."""

SLOTS = 1 << 16
"""Of the first hash table."""

NUMBER_BYTES = 8


class Store:
    """Both arrays, for one layout after another. `control` and `context` are those of the search."""

    def __init__(self, layout: Layout, max_memory: int | None) -> None:
        self.layout, self.max_memory = layout, max_memory
        self.context = Context()
        self.control = np.zeros(CONTROL_SIZE, np.int64)
        self.context.put({"control": self.control})
        self.states = np.zeros((1 << 14) * layout.words, np.int64)
        self.states[0] = TAKEN
        self.control[COUNT] = 1
        self.loops: Loops = loops(layout.words)
        self._empty_table(SLOTS)
        self._fill()

    @property
    def count(self) -> int:
        """How many states there are."""
        return int(self.control[COUNT])

    def words(self, state: int) -> list[int]:
        """The words of a state."""
        words = self.layout.words
        return [int(word) for word in self.states[state * words : (state + 1) * words]]

    def grow(self, more: int) -> bool:
        """Make room for that many more states. False, and nothing is changed, if the memory allowed is not enough."""
        need, words = self.count + more, self.layout.words
        states, slots = self.states.size, self.slots
        while states < need * words:
            states = states * 3 // 2
        while int(slots * FULL) < need:
            slots *= 2
        size = NUMBER_BYTES * (states + slots * words)
        if self.max_memory is not None and size > self.max_memory:
            return False
        if states != self.states.size:
            self.states.resize(states, refcheck=False)  # without a copy where the system can do that
        if slots != self.slots:
            self._enlarge(slots, size)
        self._place()
        return True

    def widen(self, layout: Layout, pairs: Iterable[tuple[Field, Field]]) -> None:
        """Translate all states into another layout, in which the fields are elsewhere."""
        old, room = self.states, self.states.size // self.layout.words
        moved = flat(shifts(pairs), 4)
        self.loops, before, self.layout = loops(layout.words), self.layout, layout
        self.states = np.zeros(room * layout.words, np.int64)
        self.states[: self.count * layout.words : layout.words] = TAKEN
        slots = self.slots
        self._drop_table()
        self._empty_table(slots)
        arguments = (old.ctypes.data, before.words, self.count, moved.ctypes.data, len(moved) // 4)
        self.loops.translate(self.context.address, *arguments)
        self._fill()

    def _enlarge(self, slots: int, size: int) -> None:
        old = self.table
        if self.max_memory is not None and size + old.nbytes > self.max_memory:
            del old
            self._drop_table()
            self._empty_table(slots)
            self._fill()
        else:
            before = self.slots
            self._empty_table(slots)
            self.loops.spread(self.context.address, old.ctypes.data, before)

    def _drop_table(self) -> None:
        del self.table
        self.context.put({"table": 0})

    def _empty_table(self, slots: int) -> None:
        self.slots = slots
        self.table = np.zeros(slots * self.layout.words, np.int64)
        self.context.put({"slot_shift": 64 - (slots.bit_length() - 1), "slot_mask": slots - 1})
        self._place()

    def _fill(self) -> None:
        self.loops.fill(self.context.address, self.count)

    def _place(self) -> None:
        """Tell the loops where the arrays are and how many states fit."""
        self.context.put({"states": self.states, "table": self.table})
        room = self.states.size // self.layout.words
        self.control[LIMIT] = min(room, int(self.slots * FULL))
