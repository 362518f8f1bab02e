"""Learning what a program does: from a coroutine to an automaton, one answer at a time.

The local state of a thread is what its suspended coroutine will do from here on (`core.explore.freeze`).  In a local
state exactly one operation is pending.  What the operation does is a function of the values it reads, and where the
program goes then is a function of the value returned.  Both are asked of the Python code once and remembered, so a
search that visits millions of global states runs a few hundred steps of Python.

Nothing is learned that the search does not reach.  To learn ahead one would have to guess which values a cell can
hold together with which others; the guesses multiply (a gather's contents, three pages' references), and a program
run on values that never meet raises errors that mean nothing.  Asked on demand, an exception is a real one.

A coroutine cannot be copied.  The first answer in a local state goes to the coroutine that got there; for another one
the program runs again from the start with the answers that led there.

Operations that touch no cell and have one outcome (logs, walks over tables that never change) are executed on the spot.
"""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Coroutine, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.explore.errors import Hung, NotAnOperation, NotDeterministic, ProgramError
from core.explore.freeze import Unfreezable, freeze
from core.explore.model import Thread
from core.machine.op import Cell, Op, Outcome

ANSWER_TIMEOUT = 10.0
"""Seconds that a program may run without awaiting anything."""

MAX_SILENT = 100_000
"""Operations in a row that touch nothing, before a program counts as hung."""


MAX_HISTORY = 400
"""Answers in one of the histories that are run again; a retry loop could go on for ever."""


class Opaque(NamedTuple):
    """What is known of an operation that cannot be frozen."""

    name: str
    reads: tuple[Cell, ...]
    writes: tuple[Cell, ...]


@dataclass(slots=True)
class LocalState:
    """Where a thread can stand. `op` is what it waits for; None once it has ended.

    `semantics` is what the operation does, to compare.  `asserts` is the message of the assertion that failed on the
    way here, which ends the thread.
    `next` maps an answer to the local state behind it.
    """

    number: int
    op: Op | None
    history: tuple[Any, ...]
    asserts: str = ""
    semantics: Hashable = None
    live: Coroutine[Op, Any, Any] | None = None
    next: dict[Hashable, LocalState] = field(default_factory=dict)


class Automaton:
    """The local states of one thread as far as they have been asked for."""

    def __init__(self, thread: Thread) -> None:
        self.thread = thread
        self._runs_on = f"{thread.name}: runs on without awaiting an operation"
        self.states: list[LocalState] = []
        self._by_key: dict[Hashable, LocalState] = {}
        self.start = self._arrive(self._fresh(), None, ())

    def after(self, state: LocalState, value: Any) -> LocalState:
        """Where the thread stands after its pending operation has returned `value`."""
        try:
            found = state.next.get(value)
        except TypeError:
            raise NotAnOperation(f"{self._where(state)} returned {value!r}, which is not hashable") from None
        if found is None:
            coroutine = state.live if state.live is not None else self._replay(state.history)
            state.live = None
            found = state.next[value] = self._arrive(coroutine, value, (*state.history, value))
        return found

    def outcomes(self, state: LocalState, values: tuple[Any, ...]) -> tuple[Outcome, ...]:
        """What the pending operation of `state` can do on these values."""
        assert state.op is not None
        return outcomes_of(state.op, values, self._where(state))

    def check(self, seed: int, runs: int = 10) -> None:
        """Run random histories again from the start and hold them against what was learned.

        NotDeterministic if the program does something else this time.
        """
        rng = random.Random(seed)
        with watchdog(self._runs_on, renewed=True):
            for _ in range(runs):
                self._check_one(rng)

    def _check_one(self, rng: random.Random) -> None:
        state, coroutine, value = self.start, self._fresh(), None
        for _ in range(MAX_HISTORY):
            op, asserts = self._advance_or_assert(coroutine, value)
            if asserts != state.asserts or _semantics(op) != state.semantics:
                raise NotDeterministic(
                    f"{self.thread.name}: run again with the same answers, it asks for "
                    f"{_name(op)} instead of {_name(state.op)}: it keeps state outside its own locals"
                )
            if op is None or not state.next:
                break
            value, state = rng.choice(list(state.next.items()))
        coroutine.close()

    def _fresh(self) -> Coroutine[Op, Any, Any]:
        program = self.thread.program()
        if not isinstance(program, Coroutine):
            raise NotAnOperation(f"{self.thread.name}: the program is {program!r}, expected a coroutine")
        return program

    def _replay(self, history: tuple[Any, ...]) -> Coroutine[Op, Any, Any]:
        coroutine = self._fresh()
        answer = None
        with watchdog(self._runs_on, renewed=True):
            for value in history:
                if self._advance(coroutine, answer) is None:
                    raise NotDeterministic(f"{self.thread.name}: run again with the same answers, it ends early")
                answer = value
            self._advance(coroutine, answer)
        return coroutine

    def _arrive(self, coroutine: Coroutine[Op, Any, Any], value: Any, history: tuple[Any, ...]) -> LocalState:
        op, asserts = self._advance_or_assert(coroutine, value)
        semantics = _semantics(op)
        key = self._key(semantics, asserts, coroutine, history)
        known = self._by_key.get(key)
        if known is not None:
            coroutine.close()
            return known
        live = coroutine if op is not None else None
        state = LocalState(len(self.states), op, history, asserts, semantics, live)
        self.states.append(state)
        self._by_key[key] = state
        return state

    def _key(self, semantics: Hashable, asserts: str, coroutine: Any, history: tuple[Any, ...]) -> Hashable:
        if semantics is None:
            return ("ended", asserts)
        if not isinstance(semantics, Opaque):
            with suppress(Unfreezable):
                return (semantics, freeze(coroutine))
        return ("history", history)

    def _advance_or_assert(self, coroutine: Coroutine[Op, Any, Any], value: Any) -> tuple[Op | None, str]:
        """The next operation, or None and the message of the assertion that failed on the way."""
        try:
            return self._advance(coroutine, value), ""
        except AssertionError as error:
            return None, (str(error) or "assertion failed").splitlines()[0]

    def _advance(self, coroutine: Coroutine[Op, Any, Any], value: Any) -> Op | None:
        """Send `value`, execute what touches nothing, and return the next operation, or None at the end."""
        for _ in range(MAX_SILENT):
            op = self._send(coroutine, value)
            if op is None or not op.silent:
                return op
            outcomes = outcomes_of(op, (), f"{self.thread.name}: {op.name}")
            if len(outcomes) != 1 or outcomes[0].violated:
                return op
            value = outcomes[0].value
        raise Hung(f"{self.thread.name}: {MAX_SILENT} operations in a row touch nothing")

    def _send(self, coroutine: Coroutine[Op, Any, Any], value: Any) -> Op | None:
        try:
            if _renewed:
                signal.setitimer(signal.ITIMER_REAL, ANSWER_TIMEOUT)
                op = coroutine.send(value)
            else:
                with watchdog(self._runs_on):
                    op = coroutine.send(value)
        except StopIteration:
            return None
        except (AssertionError, Hung):
            raise
        except Exception as error:
            raise ProgramError(f"{self.thread.name}: raised {type(error).__name__}: {error}") from error
        if not isinstance(op, Op):
            raise NotAnOperation(f"{self.thread.name}: awaited {op!r}, expected an operation (core.machine.op.Op)")
        return op

    def _where(self, state: LocalState) -> str:
        return f"{self.thread.name}: {_name(state.op)}"


def outcomes_of(op: Op, values: tuple[Any, ...], where: str) -> tuple[Outcome, ...]:
    """`op.step(*values)`, checked."""
    try:
        outcomes = tuple(op.step(*values))
    except AssertionError as error:
        return (Outcome(None, values_back(op, values), f"assertion: {error}"),)
    except Exception as error:
        raise ProgramError(f"{where}: raised {type(error).__name__}: {error}") from error
    for outcome in outcomes:
        if not isinstance(outcome, Outcome):
            raise NotAnOperation(f"{where}: answered {outcome!r}, expected an Outcome")
        if len(outcome.written) != len(op.writes):
            raise NotAnOperation(
                f"{where}: writes {len(op.writes)} cells but gave {len(outcome.written)} values: {outcome.written!r}"
            )
    return outcomes


def values_back(op: Op, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values for the cells written that leave those alone that were read."""
    read = dict(zip(op.reads, values, strict=True))
    return tuple(read.get(cell) for cell in op.writes)


def _semantics(op: Op | None) -> Hashable:
    if op is None:
        return None
    try:
        return freeze(op)
    except Unfreezable:
        return Opaque(op.name, op.reads, op.writes)


def _name(op: Op | None) -> str:
    return "its end" if op is None else op.name


@contextmanager
def answer_within(seconds: float | None) -> Iterator[None]:
    """Inside, no program may run for longer than `seconds`, or one if that is less, without awaiting anything."""
    global ANSWER_TIMEOUT
    before = ANSWER_TIMEOUT
    ANSWER_TIMEOUT = before if seconds is None else min(before, max(seconds, 1.0))
    try:
        yield
    finally:
        ANSWER_TIMEOUT = before


_renewed = False
"""Is the watchdog at work one that begins anew whenever a program is asked?"""


@contextmanager
def watchdog(message: str, seconds: float | None = None, renewed: bool = False) -> Iterator[None]:
    """Raise Hung with `message` if what is inside takes too long; without effect outside the main thread.

    With `renewed` that is each single answer of a program in there: one handler serves for all.
    """
    global _renewed
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def give_up(signum: int, frame: object) -> None:
        raise Hung(message)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, ANSWER_TIMEOUT if seconds is None else seconds)
    _renewed = renewed
    try:
        yield
    finally:
        _renewed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
