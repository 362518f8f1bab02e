"""C that holds a lock, in as few steps as others can tell apart.

A step under the lock (`block`) is a row, and all rows behind it up to the next that others could tell from it.  By who
else touches a cell while this CPU holds the lock (`HeldLock`):

    private   nobody: what only a holder touches, and what is this CPU's own otherwise
    stable    others read it, and nobody but the holder changes it
    others    other CPUs read and change it without the lock

An access to what is private, and a look at what is stable, commutes with whatever others do meanwhile: it may be moved
to any place before or behind their steps, as long as the order of this CPU's own is kept.  So a run of C with any
number of these, and with one access that does not commute, is the same as one step at the time of that access
(Lipton's reduction: movers around one that is none).  A second such access begins the next step.

Stores are no part of a step: where CPUs have store buffers they wait in them, each by itself.  Neither is a barrier,
which waits for them, nor an operation that releases, or without an order that is said.  An atomic operation
without order waits likewise, and is the one access of its step, which is such an operation as a whole.  One that is
fully ordered begins a step, which waits with it for what was stored before; only movers follow.  What is private is no
memory to a store buffer (`core.machine.memory.GHOSTS`), or is touched under the lock by atomic operations alone.

C that touches without the lock what is private to its holder breaks the claim, and is an error (`without_lock`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.tree.automaton import CAutomaton
from core.tree.errors import TreeError
from core.tree.stretch import IrqsOffRun, Reach
from core.tree.vocabulary import Vocabulary, Word


@dataclass(frozen=True)
class HeldLock(Reach):
    """What may be in a step of the lock's holder: `shown` are the stable cells."""

    @property
    def reads(self) -> tuple[Cell, ...]:
        """Every cell."""
        return tuple(dict.fromkeys((*self.private, *self.shown, *self.others)))

    @property
    def writes(self) -> tuple[Cell, ...]:
        """Those that a step may change."""
        return (*self.private, *self.others)


WITHIN = frozenset({Order.PRIVATE, Order.PLAIN, Order.ACQUIRE, Order.ATOMIC, Order.FULL})
"""Orders of what may be in a step."""


@dataclass
class LockedRun(IrqsOffRun):
    """A step as it runs, on memory with `values`. `order` is its own, said by the operation that it begins with."""

    order: Order | None = field(default=None)

    def _belongs(self, op: Op) -> bool:
        reads, writes, others = set(op.reads), set(op.writes), set(self.reach.others)
        if not reads.issubset(self.reach.reads) or not writes.issubset(self.reach.writes):
            return False
        if op.order not in WITHIN or (writes and op.order is Order.PLAIN):
            return False
        if self.order is not None and op.order is Order.FULL:
            return False
        visible = bool(writes & others) or bool(reads & (others - set(self.reach.shown)))
        if visible and (self.looked or self.order is Order.FULL):
            return False
        self.looked |= visible
        self.order = self.order or (Order.FULL if op.order is Order.FULL else Order.ATOMIC)
        return True


def block(automaton: CAutomaton, vocabulary: Vocabulary, at: int, hands: Any, held: HeldLock) -> Op | None:
    """The step from the row `at`, which returns Ran; None if that row is a step by itself."""
    start, order = hands.copy(), _order(automaton, vocabulary, at, hands.copy(), held)
    if order is None:
        return None

    def step(*words: Any) -> list[Outcome]:
        running = LockedRun(automaton, vocabulary, held, at, start, dict(zip(held.reads, words, strict=True)))
        ran = running.run()
        return [Outcome(ran, tuple(running.values[cell] for cell in held.writes), running.violated)]

    return Op(f"with the lock held at {automaton.rows[at].line}", held.reads, held.writes, step, order=order)


def _order(automaton: CAutomaton, vocabulary: Vocabulary, at: int, hands: Any, held: HeldLock) -> Order | None:
    """Of the step that the row `at` begins, by its first operation; None if it begins none."""
    word = automaton.rows[at].word
    rule = None if word is None else vocabulary.rule(word)
    if word is None or rule is None or rule.do is None:
        return None
    program = rule.do(hands, word)
    try:
        op = program.send(None)
        while op.event is not None and not (op.reads or op.writes):  # a report, of what is yet to come
            op = program.send(None)
    except StopIteration:
        return Order.ATOMIC
    program.close()
    running = LockedRun(automaton, vocabulary, held, at, hands, {})
    return running.order if running._belongs(op) else None


def without_lock(word: Word, lock: Cell) -> TreeError:
    """What is said of C that touches the holder's cells and does not hold the lock."""
    return TreeError(f"{word}: the model has that under {lock} alone")
