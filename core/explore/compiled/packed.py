"""The transition tables as flat arrays for the compiled searcher, in a given layout.

`TransitionTables` learns; this module only translates what it knows, entry by entry (`arrays` describes the format).
It raises LayoutFull when a number does not fit its field.  The searcher then makes a wider layout and translates again.

Parts of a word that lie near each other are read together, with the bits between them masked out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.explore.bisimulation import representative
from core.explore.compiled.arrays import (
    ASSERTED,
    BATCH,
    CHUNK,
    COUNT_BITS,
    ENDED,
    FUSIBLE,
    HOLE,
    QUESTION,
    RUNS,
)
from core.explore.compiled.word_layout import Field, LayoutFull, WordLayout
from core.explore.model import Property
from core.explore.numeric import numpy
from core.explore.partial_order import LONGEST, Fusible
from core.explore.reductions import Plan
from core.explore.transition_tables import Move, TransitionRow, TransitionTables

np = numpy()

ALL = -1


class Grown:
    """An array of integers that grows at its end."""

    def __init__(self, fill: int = 0) -> None:
        self.fill, self.used = fill, 0
        self.array = np.full(1024, fill, np.int64)

    def extend(self, count: int) -> int:
        """Make room for `count` more numbers; the index of the first."""
        first = self.used
        self.used += count
        while self.used > len(self.array):
            self.array = np.concatenate([self.array, np.full_like(self.array, self.fill)])
        return first

    def append(self, numbers: Sequence[int]) -> int:
        """Append `numbers`; the index of the first."""
        at = self.extend(len(numbers))
        self.array[at : at + len(numbers)] = numbers
        return at


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bits of a word that are read together: (word >> shift) & mask.

    `reads` are the indices of the fields in it, and the shift of each within the chunk.
    """

    word: int
    shift: int
    mask: int
    reads: tuple[tuple[int, int], ...]


def chunks(fields: Sequence[Field]) -> tuple[Chunk, ...]:
    """The fields in as few chunks as possible; one empty chunk if there are no fields."""
    found: list[list[int]] = []
    for number in sorted(range(len(fields)), key=lambda n: (fields[n].word, fields[n].shift)):
        field = fields[number]
        if not field.bits:
            continue
        first = fields[found[-1][0]] if found else field
        if found and first.word == field.word and field.shift + field.bits - first.shift <= CHUNK:
            found[-1].append(number)
        else:
            found.append([number])
    return tuple(_chunk(fields, numbers) for numbers in found) or (Chunk(0, 0, 0, ()),)


def _chunk(fields: Sequence[Field], numbers: Sequence[int]) -> Chunk:
    first = fields[numbers[0]]
    reads = tuple((n, fields[n].shift - first.shift) for n in numbers)
    mask = 0
    for number, shift in reads:
        mask |= fields[number].mask << shift
    return Chunk(first.word, first.shift, mask, reads)


@dataclass(frozen=True, slots=True)
class _Question:
    """A question (see `arrays`) as Python sees it: its root node, and the fields and chunks that it reads."""

    root: int
    fields: tuple[Field, ...]
    chunks: tuple[Chunk, ...]


Target = tuple[int, int, int, int]
"""Where a move puts a number: which number of the move has the bits to set, their shift, the largest number that fits,
and the other bits."""


@dataclass(frozen=True, slots=True)
class _Answers:
    """How the moves of an agent in a local state are written: without anything to set, and the targets of `writes`."""

    question: _Question
    unset: list[int]
    targets: tuple[Target, ...]


class Packed:
    """The arrays of the model, filled from `tables` for one layout and plan."""

    def __init__(self, tables: TransitionTables, layout: WordLayout, plan: Plan) -> None:
        self.tables, self.layout, self.plan = tables, layout, plan
        self.running = len(tables.automata)
        self.violations: list[str] = [""]
        self.child, self.chunks, self.moves = Grown(fill=HOLE), Grown(), Grown()
        self.stride = 2 * layout.words + 1
        self.nowhere = self.child.append([0])  # an answer without moves
        self.widest: dict[int, int] = {}
        self.asserts = False
        self._answers: dict[int, _Answers] = {}
        self._known = [0] * self.running
        self._place_agents()
        self.grow()
        self.watch(())
        self.place_fusions()

    def _place_agents(self) -> None:
        """Give each agent its record; a daemon is an agent whose local state takes no bits."""
        daemons = self.tables.daemons
        self.threads = np.zeros((self.running + len(daemons), 4), np.int64)
        base = 0
        for agent, field in enumerate(self.layout.threads):
            self.threads[agent] = (field.word, field.shift, field.mask, base)
            base += field.mask + 1
        self.threads[self.running :, 3] = range(base, base + len(daemons))
        self.locals = np.zeros((base + len(daemons), QUESTION), np.int64)
        self.locals[:, 0] = self.child.append([HOLE])  # a local state that is not known yet leads to a HOLE
        for agent, row in enumerate(daemons, self.running):
            self._local(agent, 0, row)

    def local(self, agent: int, number: int) -> int:
        """The number of an agent's local state, counted through all agents."""
        return int(self.threads[agent, 3]) + number

    def known(self) -> list[int]:
        """How many local states of each thread the arrays have: no state of the search is in another."""
        return list(self._known)

    def place_fusions(self) -> None:
        """Mark the local states with a fusible operation, and the local states of others that forbid fusing it."""
        fusibles = [(t, n, fusible) for t, found in enumerate(self.plan.fusions) for n, fusible in found.items()]
        self.locals[:, FUSIBLE] = -1
        bits = np.zeros((max(len(fusibles), 1), 64 * (len(self.locals) // 64 + 1)), np.uint8)
        for number, (thread, local, fusible) in enumerate(fusibles):
            self.locals[self.local(thread, local), FUSIBLE] = number
            for other, danger in enumerate(fusible.danger):
                bits[number, [self.local(other, theirs) for theirs in danger]] = 1
        self.danger = np.packbits(bits, axis=1, bitorder="little").view("<i8")
        self.danger_bits = bits.shape[1]
        self._place_guards([fusible for _, _, fusible in fusibles])

    def _place_guards(self, fusibles: Sequence[Fusible]) -> None:
        """The cells that an operation that may be fused depends on, with one bit for each number of their fields."""
        self.guard_of = np.zeros((max(len(fusibles), 1), 2), np.int64)
        guards, allowed = [(0, 0, 0, 0)], list[int]()
        for number, fusible in enumerate(fusibles):
            first = len(guards)
            for cell, values in fusible.guards:
                if cell >= len(self.layout.cells):
                    raise LayoutFull
                field = self.layout.cells[cell]
                guards.append((field.word, field.shift, field.mask, len(allowed)))
                allowed += [int(value in values) for value in range(field.mask + 1)]
            self.guard_of[number] = first, len(guards)
        self.guards = np.array(guards, np.int64)
        padded = np.zeros(64 * (len(allowed) // 64 + 1), np.uint8)
        padded[: len(allowed)] = allowed
        self.allowed = np.packbits(padded, bitorder="little").view("<i8")

    def circles(self, circles: Sequence[Mapping[int, Collection[int]]]) -> Any:
        """By local state, counted through all agents, a number of its circle, one of `circles` by thread; 0: none."""
        found = np.zeros(len(self.locals), np.int64)
        for thread, of_thread in enumerate(circles):
            for local, circle in of_thread.items():
                found[self.local(thread, local)] = min(circle) + 1
        return found

    def arrays(self) -> dict[str, Any]:
        """The arrays as they are now, by their names in `Arrays`."""
        return {
            "threads": self.threads,
            "running": self.running,
            "agents": len(self.threads),
            "asserts": self.asserts,
            "locals": self.locals,
            "chunks": self.chunks.array,
            "child": self.child.array,
            "moves": self.moves.array,
            "props": self.props,
            "properties": len(self.props),
            "longest": LONGEST if any(self.plan.fusions) else 0,
            "danger": self.danger,
            "guard_of": self.guard_of,
            "guards": self.guards,
            "allowed": self.allowed,
            "width": self.danger_bits,
        }

    def room(self) -> dict[str, Any]:
        """Work space for a full buffer and the successors of one more state, by the names of `Arrays`."""
        words, records = self.layout.words, BATCH + self.most_moves()
        found = work_space(words, self.running)
        for name, size in {"buffer": records * words, "notes": 4 * records}.items():
            found[name] = np.zeros(size, np.int64)
        return found

    def grow(self) -> None:
        """Add the local states that `tables` has learned since. LayoutFull if one does not fit."""
        for thread, rows in enumerate(self.tables.rows):
            if len(rows) > self.layout.threads[thread].mask + 1:
                raise LayoutFull
            while self._known[thread] < len(rows):
                self._local(thread, self._known[thread], rows[self._known[thread]])
                self._known[thread] += 1
        if len(self.layout.cells) < len(self.tables.cells):
            raise LayoutFull

    def _local(self, agent: int, number: int, row: TransitionRow | None) -> None:
        at = self.local(agent, number)
        if row is not None:
            question = self._question(row.reads)
            self._answers[at] = self._answered(agent, question, row.writes)
            self.locals[at, :FUSIBLE] = (*self._record(question), RUNS)
            for values, moves in row.moves.items():
                self.add_moves(agent, number, values, moves)
            return
        asserts = bool(self.tables.asserts(agent, number))
        self.asserts |= asserts
        self.locals[at, :FUSIBLE] = (self.nowhere, 0, 0, 0, 0, 0, ASSERTED if asserts else ENDED)

    def _question(self, cells: Sequence[int]) -> _Question:
        fields = self._fields(cells)
        parts = chunks(fields)
        return _Question(self.child.extend(parts[0].mask + 1), fields, parts)

    def _fields(self, cells: Sequence[int]) -> tuple[Field, ...]:
        if any(cell >= len(self.layout.cells) for cell in cells):
            raise LayoutFull
        return tuple([self.layout.cells[cell] for cell in cells])

    def _answered(self, agent: int, question: _Question, writes: Sequence[int]) -> _Answers:
        own = self.layout.threads[agent : agent + 1]  # none of a daemon
        targets = tuple([_target(field) for field in (*own, *self._fields(writes))])
        unset = [ALL, 0] * self.layout.words
        for at, _, _, kept in targets:
            unset[at - 1] &= kept
        return _Answers(question, unset, targets)

    def _record(self, question: _Question) -> tuple[int, ...]:
        """The question's numbers except for the last two, STATUS and FUSIBLE."""
        first, *others = question.chunks
        more = self.chunks.used // 4
        for part in others:
            self.chunks.append((part.word, part.shift, part.mask, 0))
        return question.root, first.word, first.shift, first.mask, more, more + len(others)

    def add_moves(self, agent: int, number: int, values: Sequence[int], moves: Sequence[Move]) -> None:
        """Add the moves of an agent in a local state on these value numbers. LayoutFull if one does not fit."""
        answers, numbers = self._answers[self.local(agent, number)], list[int]()
        for move in moves:
            first, written = len(numbers), [value for _, value in move.writes]
            if agent < self.running:
                written.insert(0, representative(self.plan.same[agent], move.after))
            numbers += answers.unset
            for (at, shift, most, kept), value in zip(answers.targets, written, strict=True):
                if value > most:
                    raise LayoutFull
                numbers[first + at] = numbers[first + at] & kept | value << shift
            if move.violated not in self.violations:
                self.violations.append(move.violated)
            numbers.append(self.violations.index(move.violated))
        self.widest[agent] = max(self.widest.get(agent, 0), len(moves))
        self._put(answers.question, values, self.moves.append(numbers) << COUNT_BITS | len(moves))

    def add_property(self, number: int, values: Sequence[int], holds: bool) -> None:
        """Add the result of a property on these value numbers. LayoutFull if one does not fit."""
        self._put(self._watched[number], values, int(holds))

    def _put(self, question: _Question, values: Sequence[int], answer: int) -> None:
        for field, value in zip(question.fields, values, strict=True):
            if value > field.mask:
                raise LayoutFull
        node = question.root
        for part, after in zip(question.chunks, (*question.chunks[1:], None), strict=True):
            bits = 0
            for number, shift in part.reads:
                bits |= values[number] << shift
            place = node + bits
            if after is None:
                self.child.array[place] = answer
                return
            node = int(self.child.array[place])
            if node < 0:
                node = self.child.extend(after.mask + 1)
                self.child.array[place] = node

    def watch(self, properties: Sequence[tuple[Property, int]]) -> None:
        """Set the properties, each with its kind, that are checked in every new state."""
        self._watched = [self._question(self.tables.reads(prop)) for prop, _ in properties]
        self.props = np.zeros((len(properties), QUESTION), np.int64)
        for number, (question, (_, kind)) in enumerate(zip(self._watched, properties, strict=True)):
            self.props[number] = (*self._record(question), kind, 1)

    def most_moves(self) -> int:
        """An upper bound on the successors of any state."""
        return sum(self.widest.values()) + 1

    def local_of(self, agent: int, words: Sequence[int]) -> int:
        """The local state of an agent in a state with these words; 0 of a daemon."""
        return self.layout.threads[agent].get(words) if agent < self.running else 0

    def values_of(self, agent: int, number: int, words: Sequence[int]) -> tuple[int, ...]:
        """The value numbers that an agent reads in local state `number`, in a state with these words."""
        fields = self._answers[self.local(agent, number)].question.fields
        return tuple([words[word] >> shift & mask for word, shift, _, mask in fields])

    def unpack(self, words: Sequence[int]) -> tuple[list[int], list[int]]:
        """The local states and the cells' value numbers of a state with these words."""
        threads = [field.get(words) for field in self.layout.threads]
        return threads, [field.get(words) for field in self.layout.cells]


WORDS = ("least", "image", "kept")


def work_space(words: int, running: int) -> dict[str, Any]:
    """Work space of one worker, but for its buffer, by the names of `Arrays`."""
    sizes = {"scratch": words + 1, "keys": running + 1, **dict.fromkeys(WORDS, words)}
    return {name: np.zeros(size, np.int64) for name, size in sizes.items()}


def _target(field: Field) -> Target:
    """A field in a move, which has for each word a mask of bits to keep and the bits to set."""
    return 2 * field.word + 1, field.shift, field.mask, ~(field.mask << field.shift)
