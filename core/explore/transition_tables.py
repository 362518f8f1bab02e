"""A model as numbers: local states, cell values and the moves of each operation, filled in on demand.

Every local state of a thread and every value of a cell has a small number; 0 is the initial one.  Cells are numbered in
the order in which they are first touched.  A cell that is first touched late has number 0 in all earlier states, so
discovering it changes no state.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from core.explore.errors import ExploreError, NotAnOperation, TooLarge
from core.explore.learn import Automaton, LocalState, outcomes_of
from core.explore.model import Access, Daemon, MemoryMachine, Model, Property
from core.machine.op import Cell, Cpu, Op

MAX_LOCAL = 1 << 16
MAX_VALUES = 1 << 8


class Move(NamedTuple):
    """One outcome of an operation: the thread's next local state, and `writes` as (cell, value number).

    `violated` is the property that the step violates, or ''; `outcome` is the outcome's index.
    """

    after: int
    writes: tuple[tuple[int, int], ...]
    violated: str
    outcome: int


@dataclass(slots=True)
class TransitionRow:
    """The operation pending in one local state, or a daemon's, and its known moves by the values of `reads`.

    With `TransitionTables(model, before=True)` a thread's row, and that of a daemon of the memory model, also reads,
    last, the cells that it only writes: the reductions need to know which values a step overwrites.
    """

    op: Op
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    moves: dict[tuple[int, ...], tuple[Move, ...]]
    asks: Callable[[], Access] | None = None
    bits: tuple[int, int] | None = None
    known: Access | None = None

    @property
    def access(self) -> Access | None:
        """What the memory model says of it; None without one.  Only plans need it, and most models have none."""
        if self.known is None and self.asks is not None:
            self.known = self.asks()
        return self.known


def touched(row: TransitionRow | None) -> tuple[int, int]:
    """The cells that a row reads and those that it writes, as bit masks by cell number."""
    if row is None:
        return 0, 0
    if row.bits is None:
        row.bits = sum(1 << cell for cell in set(row.reads)), sum(1 << cell for cell in set(row.writes))
    return row.bits


def conflict(one: tuple[int, int], two: tuple[int, int]) -> bool:
    """Does one write a cell that the other touches?  Both as from `touched`."""
    return bool(one[1] & (two[0] | two[1]) or one[0] & two[1])


class TransitionTables:
    """The transition tables of one model, filled on demand and in a deterministic order.

    Under a memory model `machine` says what an operation is to its CPU.  `automata` are those of tables of the same
    model: a program does not depend on the machine.
    """

    def __init__(
        self,
        model: Model,
        before: bool = False,
        machine: MemoryMachine | None = None,
        automata: Sequence[Automaton] = (),
    ) -> None:
        self.plain, self.before, self.machine = model, before, machine
        self.model = model = model if machine is None else machine.extended(model)
        self.cells: dict[Cell, int] = {}
        self.any_asserts = False
        """Has an assertion failed in any local state reached so far?"""
        self.numbers = 0
        """Cells and values numbered so far: grows whenever a new one is met."""
        self._answers: dict[int, dict[tuple[int, ...], bool]] = {}
        self.values: list[list[Hashable]] = []
        self._numbers: list[dict[Hashable, int]] = []
        steps = (lambda op: False) if machine is None else machine.steps
        self.automata = list(automata) or [Automaton(thread, steps) for thread in model.threads]
        self.rows: list[list[TransitionRow | None]] = [[] for _ in self.automata]
        for number in range(len(self.automata)):
            self._grow(number)
        own = len(self.plain.daemons)  # those behind are the machine's
        self.daemons = [self._row(d.op, d.cpu, before and n >= own) for n, d in enumerate(model.daemons)]

    def cell(self, cell: Cell) -> int:
        """The number of a cell. ExploreError if the model has no initial value for it."""
        number = self.cells.get(cell)
        if number is None:
            try:
                initial = self.model.initial[cell]
            except KeyError as error:
                told = error.args[0] if isinstance(error.args[0], str) else f"cell {cell} has no initial value"
                raise ExploreError(f"{self.model.name}: {told}") from None
            number = self.cells[cell] = len(self.cells)
            self.numbers += 2
            self.values.append([initial])
            self._numbers.append({initial: 0})
        return number

    def value(self, cell: int, value: Hashable) -> int:
        """The number of a value of a cell. NotAnOperation if it is not hashable, TooLarge beyond MAX_VALUES."""
        numbers = self._numbers[cell]
        try:
            number = numbers.get(value)
        except TypeError:
            name = list(self.cells)[cell]
            raise NotAnOperation(f"{self.model.name}: {value!r}, written to {name}, is not hashable") from None
        if number is None:
            number = numbers[value] = len(numbers)
            self.numbers += 1
            self.values[cell].append(value)
            if number >= MAX_VALUES:
                raise TooLarge(f"{self.model.name}: {list(self.cells)[cell]} has more than {MAX_VALUES} values")
        return number

    def entries(self) -> int:
        """How many entries (an operation on some values) are known in all rows."""
        threads = sum(len(row.moves) for rows in self.rows for row in rows if row is not None)
        return threads + sum(len(row.moves) for row in self.daemons)

    def row(self, thread: int, local: int) -> TransitionRow | None:
        """The row of the operation pending in local state `local` of a thread; None if the thread has ended."""
        return self.rows[thread][local]

    def asserts(self, thread: int, local: int) -> str:
        """The message of the assertion that ended the thread there, or ''."""
        return self.automata[thread].states[local].asserts

    def moves(self, thread: int, local: int, row: TransitionRow, values: tuple[int, ...]) -> tuple[Move, ...]:
        """The moves on these value numbers, learned from the program if they are new."""
        automaton = self.automata[thread]
        state = automaton.states[local]
        moves = []
        where = f"{automaton.thread.name}: {row.op.name}"
        for number, outcome in enumerate(outcomes_of(row.op, self._values(row, values), where)):
            after = automaton.after(state, outcome.value)
            moves.append(Move(after.number, self._written(row, outcome.written), outcome.violated, number))
        self._grow(thread)
        found = row.moves[values] = tuple(moves)
        return found

    def daemon_moves(self, daemon: Daemon, row: TransitionRow, values: tuple[int, ...]) -> tuple[Move, ...]:
        """`moves` for a daemon, which has no local state."""
        outcomes = outcomes_of(row.op, self._values(row, values), daemon.name)
        found = row.moves[values] = tuple(
            Move(0, self._written(row, outcome.written), outcome.violated, number)
            for number, outcome in enumerate(outcomes)
        )
        return found

    def answered(self, row: TransitionRow, cells: Sequence[int], move: Move) -> Any:
        """The value that the operation returns to its program by `move`, in a state with these cells."""
        values = self._values(row, tuple([cells[cell] for cell in row.reads]))
        return outcomes_of(row.op, values, row.op.name)[move.outcome].value

    def blocked(self, row: TransitionRow, values: tuple[int, ...]) -> bool:
        """Is the operation blocked on these values?  Learns nothing behind it; an error counts as happening."""
        moves = row.moves.get(values)
        if moves is not None:
            return not moves
        try:
            outcomes = outcomes_of(row.op, self._values(row, values), row.op.name)
        except ExploreError:
            return False
        if not outcomes:
            row.moves[values] = ()
        return not outcomes

    def reads(self, prop: Property) -> tuple[int, ...]:
        """The numbers of the cells that a property reads."""
        return tuple(self.cell(cell) for cell in prop.reads)

    def holds(self, prop: Property, cells: tuple[int, ...], values: tuple[int, ...]) -> bool:
        """Does the property hold on these value numbers?"""
        answers = self.answers(prop)
        answer = answers.get(values)
        if answer is None:
            answer = bool(prop.holds(*[self.values[c][v] for c, v in zip(cells, values, strict=True)]))
            answers[values] = answer
        return answer

    def answers(self, prop: Property) -> dict[tuple[int, ...], bool]:
        """The known results of a property, by the value numbers that it read."""
        return self._answers.setdefault(id(prop), {})

    def _values(self, row: TransitionRow, numbers: tuple[int, ...]) -> tuple[Hashable, ...]:
        values = [self.values[cell][number] for cell, number in zip(row.reads, numbers, strict=True)]
        return tuple(values[: len(row.op.reads)])

    def _written(self, row: TransitionRow, written: tuple[Hashable, ...]) -> tuple[tuple[int, int], ...]:
        numbers = self._numbers
        try:  # as `value` does, without a call for each that is known
            return tuple([(cell, numbers[cell][value]) for cell, value in zip(row.writes, written, strict=True)])
        except (KeyError, TypeError):
            return tuple([(cell, self.value(cell, value)) for cell, value in zip(row.writes, written, strict=True)])

    def _row(self, op: Op, cpu: Cpu, before: bool) -> TransitionRow:
        asks = None
        if self.machine is not None:
            cpu, plain = cpu if op.cpu is None else op.cpu, op
            op = self.machine.wrap(plain, cpu)
            asks = partial(self.machine.access, plain, cpu)
        reads, writes = tuple(map(self.cell, op.reads)), tuple(map(self.cell, op.writes))
        if before:
            reads += tuple(dict.fromkeys(cell for cell in writes if cell not in reads))
        return TransitionRow(op, reads, writes, {}, asks)

    def _grow(self, thread: int) -> None:
        rows, states = self.rows[thread], self.automata[thread].states
        if len(states) > MAX_LOCAL:
            raise TooLarge(f"{self.model.name}: {self.model.threads[thread].name} has over {MAX_LOCAL} local states")
        for state in states[len(rows) :]:
            self.any_asserts |= bool(state.asserts)
            rows.append(self._state_row(state, self.model.threads[thread].cpu))

    def _state_row(self, state: LocalState, cpu: Cpu) -> TransitionRow | None:
        return None if state.op is None else self._row(state.op, cpu, self.before)
