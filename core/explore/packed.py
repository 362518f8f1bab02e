"""The tables as flat arrays for the compiled searcher, in a given layout.

`Tables` learns; this only translates what it knows, row by row and answer by answer, and says `LayoutFull` when a
number turns up that the layout has no room for.  The searcher then makes a wider layout and translates again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.explore import kernel
from core.explore.exchange import exchange, no_exchange
from core.explore.fuse import LONGEST
from core.explore.kernel import Exchange, Machine, Work
from core.explore.layout import Field, Layout, LayoutFull
from core.explore.minimise import representative
from core.explore.model import Property
from core.explore.numeric import numpy
from core.explore.plan import Plan
from core.explore.tables import Move, Row, Tables

np = numpy()

ALL = -1


class Grown:
    """An array of records of `width` numbers that grows at its end."""

    def __init__(self, width: int = 1, fill: int = 0) -> None:
        self.width, self.fill, self.used = width, fill, 0
        self.array = np.full((64, width) if width > 1 else 64, fill, np.int64)

    def extend(self, count: int) -> int:
        """Room for `count` more records; the number of the first."""
        first = self.used
        self.used += count
        while self.used > len(self.array):
            self.array = np.concatenate([self.array, np.full_like(self.array, self.fill)])
        return first

    def append(self, record: Any) -> int:
        """One more record; its number."""
        at = self.extend(1)
        self.array[at] = record
        return at


class Packed:
    """The arrays of `core.explore.kernel`, filled from `tables`."""

    def __init__(self, tables: Tables, layout: Layout, plan: Plan) -> None:
        self.tables, self.layout, self.plan = tables, layout, plan
        self.words = (0,) * layout.words
        self.running = len(tables.automata)
        self.violations: list[str] = [""]
        self.rows, self.reads, self.child = Grown(4), Grown(4), Grown(1, fill=-1)
        self.lists, self.flags = Grown(), Grown()
        self.keeps, self.sets = Grown(), Grown()
        self.lists.append(0)
        self.lists.append(0)
        self.widest: dict[int, int] = {}
        self._fields: list[list[Field]] = []
        self._place_agents()
        for agent, row in enumerate(tables.daemons, self.running):
            self._answers(agent, int(self.row_of[self.threads[agent, 3]]), row)
        self._thread_rows: list[list[int]] = [[] for _ in tables.automata]
        self.grow()
        self.props = np.zeros((0, 3), np.int64)
        self._hurry()

    def _hurry(self) -> None:
        """Who may hurry, and what forbids it."""
        urgents = [(t, n, urgent) for t, found in enumerate(self.plan.hurry) for n, urgent in found.items()]
        self.hurry = np.full(len(self.row_of), -1, np.int64)
        self.danger = np.zeros((max(len(urgents), 1), len(self.row_of)), np.int8)
        for number, (thread, local, urgent) in enumerate(urgents):
            self.hurry[self.threads[thread, 3] + local] = number
            for other, danger in enumerate(urgent.danger):
                for theirs in danger:
                    self.danger[number, self.threads[other, 3] + theirs] = 1

    def machine(self) -> Machine:
        """The arrays as they are now."""
        return Machine(
            self.threads.reshape(-1), self.running, len(self.threads), self.row_of, self.rows.array.reshape(-1),
            self.reads.array.reshape(-1), self.child.array,
            self.lists.array, self.keeps.array, self.sets.array, self.flags.array, self.props, self.hurry, self.danger,
            LONGEST if any(self.plan.hurry) else 0,
        )  # fmt: skip

    def exchange(self) -> Exchange:
        """The permutations as they are known now. LayoutFull if an image does not fit its field."""
        if self.plan.symmetry is None:
            return no_exchange(self.layout)
        return exchange(self.layout, self.plan.symmetry, self.plan.same)

    def work(self) -> Work:
        """Room to work in, enough for a full buffer and the successors of one more state."""
        words, records = self.layout.words, kernel.BATCH + self.most_moves()
        return Work(
            np.zeros(records * words, np.int64), np.zeros(4 * records, np.int64),
            np.zeros(len(self.threads), np.int64), np.zeros(words + 1, np.int64),
            np.zeros(len(self.tables.automata) + 1, np.int64), np.zeros(words, np.int64), np.zeros(words, np.int64),
            np.zeros(words, np.int64),
        )  # fmt: skip

    def _place_agents(self) -> None:
        """A daemon is a thread whose local state has no bits."""
        self.threads = np.zeros((self.running + len(self.tables.daemons), 4), np.int64)
        base = 0
        for agent, field in enumerate(self.layout.threads):
            self.threads[agent] = (field.word, field.shift, field.mask, base)
            base += field.mask + 1
        self.row_of = np.full(base + len(self.tables.daemons), kernel.ENDED, np.int64)
        for number, row in enumerate(self.tables.daemons):
            self.threads[self.running + number] = (0, 0, 0, base + number)
            self.row_of[base + number] = self._row(row.reads)

    def grow(self) -> None:
        """Take in the local states and answers that `tables` has learned since."""
        for thread, rows in enumerate(self.tables.rows):
            known = self._thread_rows[thread]
            if len(rows) > self.layout.threads[thread].mask + 1:
                raise LayoutFull
            for local in range(len(known), len(rows)):
                known.append(self._local(thread, local, rows[local]))
        if len(self.layout.cells) < len(self.tables.cells):
            raise LayoutFull

    def _local(self, thread: int, local: int, row: Row | None) -> int:
        at = int(self.threads[thread, 3]) + local
        if row is None:
            self.row_of[at] = kernel.ASSERTED if self.tables.asserts(thread, local) else kernel.ENDED
            return -1
        number = self._row(row.reads)
        self.row_of[at] = number
        self._answers(thread, number, row)
        return number

    def _row(self, cells: Sequence[int]) -> int:
        if any(cell >= len(self.layout.cells) for cell in cells):
            raise LayoutFull
        fields = [self.layout.cells[cell] for cell in cells]
        first = self.reads.extend(0)
        for field in fields:
            if field.bits:
                self.reads.append((field.word, field.shift, field.mask, 0))
        self._fields.append(fields)
        return self.rows.append((-1, first, self.reads.used, 0))

    def _answers(self, agent: int, number: int, row: Row) -> None:
        for values, moves in row.moves.items():
            self.add_moves(agent, number, values, moves)

    def add_moves(self, agent: int, row: int, values: Sequence[int], moves: Sequence[Move]) -> None:
        """What an agent's row answers on these values."""
        for move in moves:
            keep, put = [ALL] * self.layout.words, [0] * self.layout.words
            if agent < self.running:
                _write(self.layout.threads[agent], representative(self.plan.same[agent], move.after), keep, put)
            for cell, value in move.writes:
                if cell >= len(self.layout.cells):
                    raise LayoutFull
                _write(self.layout.cells[cell], value, keep, put)
            if move.violated and move.violated not in self.violations:
                self.violations.append(move.violated)
            self.flags.append(self.violations.index(move.violated))
            at = self.keeps.extend(len(keep))
            self.sets.extend(len(put))
            self.keeps.array[at : at + len(keep)] = keep
            self.sets.array[at : at + len(put)] = put
        self.widest[agent] = max(self.widest.get(agent, 0), len(moves))
        self.lists.append(self.flags.used)
        self._put(row, values, self.lists.used - 2)

    def add_property(self, row: int, values: Sequence[int], holds: bool) -> None:
        """Whether the property of `row` holds on these values."""
        self._put(row, values, int(holds))

    def _put(self, row: int, values: Sequence[int], leaf: int) -> None:
        path = []
        for field, value in zip(self._fields[row], values, strict=True):
            if value > field.mask:
                raise LayoutFull
            if field.bits:
                path.append((field, value))
        array, place = self.rows.array, (row, 0)
        at: Any = place
        for field, value in path:
            node = int(array[at])
            if node < 0:
                node = self.child.extend(field.mask + 1)
                if array is not self.rows.array:
                    array = self.child.array
                array[at] = node
            array, at = self.child.array, node + value
        array[at] = leaf

    def watch(self, properties: Sequence[tuple[Property, int]]) -> None:
        """The properties (with their kind) to look at in every new state."""
        self.props = np.zeros((len(properties), 3), np.int64)
        for number, (prop, kind) in enumerate(properties):
            self.props[number] = (self._row(self.tables.reads(prop)), kind, 1)

    def most_moves(self) -> int:
        """No state has more successors than this."""
        return sum(self.widest.values()) + 1

    def unpack(self, words: Sequence[int]) -> tuple[list[int], list[int]]:
        """The local states and the cells' value numbers of a state."""
        threads = [field.get(words) for field in self.layout.threads]
        return threads, [field.get(words) for field in self.layout.cells]


def _write(field: Field, value: int, keep: list[int], put: list[int]) -> None:
    if value > field.mask:
        raise LayoutFull
    keep[field.word] &= ~(field.mask << field.shift)
    put[field.word] = (put[field.word] & ~(field.mask << field.shift)) | (value << field.shift)
