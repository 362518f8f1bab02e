"""Learning what a program does: from a coroutine to an automaton, one transition at a time.

How it works.  The local state of a thread is what its suspended coroutine will do next and afterwards
(`core.explore.freeze`).  In each local state exactly one operation is pending.  What the operation does is a function
of the values that it reads; where the program continues is a function of the value that the operation returns.  Both
are computed once by running the Python code and are then looked up, so a search of millions of global states executes
only a few hundred steps of Python.

Learning is on demand: only local states and values that the search reaches are learned.  A coroutine cannot be copied.
The first value returned in a local state goes to the coroutine that is suspended there; for any other value the program
is run again from the start with the history of returned values that leads there.  An operation that touches no cell and
has one outcome (a log entry, a walk over tables that never change) is executed on the spot and is no step.

Why it is sound.  A program may keep state only in its own locals, which `freeze` sees.  Whether that is so cannot be
proved, so `Automaton.check` replays random histories from the start and compares them with what was learned; a program
that behaves differently raises NotDeterministic.

What was rejected.  Learning ahead, over declared domains: one would have to guess which values several cells can hold
together, and the guesses multiply (the contents of a gather, the references of three pages).  A program that runs on
combinations which never occur also raises exceptions that mean nothing; learned on demand, every exception is real.

Open.  Random replay finds hidden state only if a replayed history depends on it.  core/plugins/purity.py compares the
plugin object before and after, which catches more of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.base.errortext import named
from core.base.watchdog import alarm_is_free, alarms
from core.base.watchdog import watchdog as limited
from core.explore.errors import Hung, NotAnOperation, NotDeterministic, ProgramError
from core.explore.freeze import Freezer, Unfreezable
from core.explore.model import Thread
from core.machine.op import Cell, Op, Outcome

ANSWER_TIMEOUT = 10.0
"""Seconds that a program may run before it awaits its next operation."""

MAX_SILENT = 100_000
"""Operations in a row that touch no cell; after these the program counts as hung."""


MAX_HISTORY = 400
"""Length of a replayed history at most; a retry loop has no end."""


class Opaque(NamedTuple):
    """An operation whose `step` cannot be frozen: it is compared by its name and cells, and its state by history."""

    name: str
    reads: tuple[Cell, ...]
    writes: tuple[Cell, ...]


@dataclass(slots=True)
class LocalState:
    """A local state of a thread. `op` is its pending operation, None if the thread has ended.

    `history` are the values returned on the way here.  `asserts` is the message of an assertion that failed on the way
    here and ended the thread, or ''.  `semantics` is a comparable form of `op`.  `live` is the coroutine suspended
    here, until it is used.  `next` maps a returned value to the following local state.
    """

    number: int
    op: Op | None
    history: tuple[Any, ...]
    asserts: str = ""
    semantics: Hashable = None
    live: Coroutine[Op, Any, Any] | None = None
    next: dict[Hashable, LocalState] = field(default_factory=dict)


class Automaton:
    """The local states of one thread that have been reached so far.

    An operation that touches no cell is no step, unless the memory model says so (`steps`).
    """

    def __init__(self, thread: Thread, steps: Callable[[Op], bool] = lambda op: False) -> None:
        self.thread, self._steps = thread, steps
        self._runs_on = f"{thread.name}: runs on without awaiting an operation"
        self.states: list[LocalState] = []
        self._by_key: dict[Hashable, LocalState] = {}
        self.start = self._arrive(self._fresh(), None, ())

    def after(self, state: LocalState, value: Any) -> LocalState:
        """The local state after the pending operation of `state` has returned `value`."""
        try:
            found = state.next.get(value)
        except TypeError:
            raise NotAnOperation(f"{self._where(state)} returned {value!r}, which is not hashable") from None
        if found is None:
            coroutine = state.live if state.live is not None else self._replay(state.history)
            state.live = None
            found = state.next[value] = self._arrive(coroutine, value, (*state.history, value))
        return found

    def suspended(self, state: LocalState) -> Coroutine[Op, Any, Any]:
        """A coroutine that is suspended in `state`, to be looked at and not resumed."""
        return state.live if state.live is not None else self._replay(state.history)

    def check(self, seed: int, runs: int = 10) -> None:
        """Draw `runs` random histories, replay each from the start and compare it with what was learned.

        Most programs have few: one that is drawn again is not replayed again.  Raises NotDeterministic if the program
        behaves differently this time.
        """
        rng = random.Random(seed)
        replayed: set[tuple[Any, ...]] = set()
        with patience():
            for _ in range(runs):
                way = self._random_way(rng)
                history = tuple(value for value, _ in way)
                if history not in replayed:
                    replayed.add(history)
                    self._check_one(way)

    def _random_way(self, rng: random.Random) -> list[tuple[Any, LocalState]]:
        """Local states from the start on, each with the value returned before it."""
        way: list[tuple[Any, LocalState]] = [(None, self.start)]
        while way[-1][1].next and len(way) < MAX_HISTORY:
            way.append(rng.choice(list(way[-1][1].next.items())))
        return way

    def _check_one(self, way: list[tuple[Any, LocalState]]) -> None:
        coroutine = self._fresh()
        for value, state in way:
            op, asserts = self._advance_or_assert(coroutine, value)
            if asserts != state.asserts or _semantics(op) != state.semantics:
                raise NotDeterministic(
                    f"{self.thread.name}: replayed with the same values, it awaits "
                    f"{_name(op)} instead of {_name(state.op)}: it keeps state outside its local variables"
                )
            if op is None:
                break
        coroutine.close()

    def _fresh(self) -> Coroutine[Op, Any, Any]:
        program = self.thread.program()
        if not isinstance(program, Coroutine):
            raise NotAnOperation(f"{self.thread.name}: the program is {program!r}, expected a coroutine")
        return program

    def _replay(self, history: tuple[Any, ...]) -> Coroutine[Op, Any, Any]:
        coroutine = self._fresh()
        answer = None
        with patience():
            for value in history:
                if self._advance(coroutine, answer) is None:
                    raise NotDeterministic(
                        f"{self.thread.name}: replayed with the same values, it ends early: "
                        f"it keeps state outside its local variables"
                    )
                answer = value
            self._advance(coroutine, answer)
        return coroutine

    def _arrive(self, coroutine: Coroutine[Op, Any, Any], value: Any, history: tuple[Any, ...]) -> LocalState:
        op, asserts = self._advance_or_assert(coroutine, value)
        semantics, key = _position(op, coroutine)
        live = coroutine if op is not None else None
        state = LocalState(len(self.states), op, history, asserts, semantics, live)
        known = self._by_key.setdefault(key or (("ended", asserts) if op is None else ("history", history)), state)
        if known is not state:
            coroutine.close()
            return known
        self.states.append(state)
        return state

    def _advance_or_assert(self, coroutine: Coroutine[Op, Any, Any], value: Any) -> tuple[Op | None, str]:
        """(next operation, ''), or (None, message) if an assertion failed; (None, '') at the end."""
        try:
            return self._advance(coroutine, value), ""
        except AssertionError as error:
            return None, (str(error) or "assertion failed").splitlines()[0]

    def _advance(self, coroutine: Coroutine[Op, Any, Any], value: Any) -> Op | None:
        """Send `value`, execute operations that touch no cell, and return the next one; None at the end."""
        last = ""
        for _ in range(MAX_SILENT):
            op = self._send(coroutine, value)
            if op is None or not op.silent or self._steps(op):
                return op
            outcomes = outcomes_of(op, (), f"{self.thread.name}: {op.name}")
            if len(outcomes) != 1 or outcomes[0].violated:
                return op
            value, last = outcomes[0].value, op.name
        what = f"{MAX_SILENT} operations in a row touch no cell, the last is {last}: a loop without an end?"
        raise Hung(f"{self.thread.name}: {what}")

    def _send(self, coroutine: Coroutine[Op, Any, Any], value: Any) -> Op | None:
        global _resumed, _resumptions
        try:
            if _patient:
                _resumptions += 1
                _resumed = self._runs_on
                try:
                    op = coroutine.send(value)
                finally:
                    _resumed = ""
            else:
                with watchdog(self._runs_on):
                    op = coroutine.send(value)
        except StopIteration:
            return None
        except (AssertionError, Hung):
            raise
        except Exception as error:
            raise ProgramError(f"{self.thread.name}: raised {named(error)}") from error
        if not isinstance(op, Op):
            raise NotAnOperation(f"{self.thread.name}: awaited {op!r}, expected an operation (core.machine.op.Op)")
        return op

    def _where(self, state: LocalState) -> str:
        return f"{self.thread.name}: {_name(state.op)}"


def outcomes_of(op: Op, values: tuple[Any, ...], where: str) -> tuple[Outcome, ...]:
    """`op.step(*values)`, checked; a failed assertion becomes an outcome that violates 'assertion: message'.

    `where` begins the message of a ProgramError or NotAnOperation.
    """
    try:
        outcomes = tuple(op.step(*values))
    except AssertionError as error:
        return (Outcome(None, values_back(op, values), f"assertion: {error}"),)
    except Exception as error:
        raise ProgramError(f"{where}: raised {named(error)}") from error
    for outcome in outcomes:
        if not isinstance(outcome, Outcome):
            raise NotAnOperation(f"{where}: step() returned {outcome!r}, expected a list of Outcome")
        if len(outcome.written) != len(op.writes):
            raise NotAnOperation(
                f"{where}: writes {len(op.writes)} cells, but its outcome has {len(outcome.written)} values: "
                f"{outcome.written!r}"
            )
    return outcomes


def values_back(op: Op, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values for `op.writes` that leave every cell that was read unchanged."""
    read = dict(zip(op.reads, values, strict=True))
    return tuple(read.get(cell) for cell in op.writes)


def _semantics(op: Op | None) -> Hashable:
    return None if op is None else _frozen(op, Freezer())


def _frozen(op: Op, freezer: Freezer) -> Hashable:
    try:
        return freezer.value(op)
    except Unfreezable:
        return Opaque(op.name, op.reads, op.writes)


def _position(op: Op | None, coroutine: Coroutine[Op, Any, Any]) -> tuple[Hashable, Hashable]:
    """The semantics of the pending operation, and what tells the local state from others; None if that is its history.

    The operation is part of the suspended coroutine: it is frozen once for both.
    """
    if op is None:
        return None, None
    freezer = Freezer()
    semantics = _frozen(op, freezer)
    if isinstance(semantics, Opaque):
        return semantics, None
    try:
        return semantics, (semantics, freezer.value(coroutine))
    except Unfreezable:
        return semantics, None


def _name(op: Op | None) -> str:
    return "its end" if op is None else op.name


@contextmanager
def answer_within(seconds: float | None) -> Iterator[None]:
    """Inside the context a program must await its next operation within `seconds` (at least 1 s)."""
    global ANSWER_TIMEOUT
    before = ANSWER_TIMEOUT
    ANSWER_TIMEOUT = before if seconds is None else min(before, max(seconds, 1.0))
    try:
        yield
    finally:
        ANSWER_TIMEOUT = before


def watchdog(message: str, seconds: float | None = None) -> AbstractContextManager[None]:
    """Raise Hung with `message` if the body takes longer than `seconds` (default ANSWER_TIMEOUT)."""
    return limited(message, ANSWER_TIMEOUT if seconds is None else seconds, Hung)


LOOKS = 2
"""Looks at the clock in ANSWER_TIMEOUT, by which it is noticed that a program runs on."""

_patient = False
"""Does `patience` watch over the programs that are resumed?"""

_resumed = ""
"""What is said of the program that runs just now if it does not await an operation; '' if none runs."""

_resumptions = 0
"""How often a program has been resumed."""


@contextmanager
def patience() -> Iterator[None]:
    """Raise Hung in the body if a program takes longer than ANSWER_TIMEOUT, or half as long again, to await its next
    operation.

    One timer for all programs in the body, which only looks now and then whether the same one still runs: to set one
    for each operation takes as long as the operation.  Where it cannot be set, each operation has a watchdog.
    """
    global _patient
    if _patient or not alarm_is_free():
        yield
        return
    seen, times = 0, 0

    def look(signum: int, frame: object) -> None:
        nonlocal seen, times
        times = times + 1 if _resumed and seen == _resumptions else 0
        seen = _resumptions
        if times >= LOOKS:
            raise Hung(_resumed)

    _patient = True
    try:
        with alarms(look, ANSWER_TIMEOUT / LOOKS, again=True):
            yield
    finally:
        _patient = False
