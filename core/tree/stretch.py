"""A stretch of C with interrupts off, as one step: where nobody else can tell its operations apart.

flush_tlb_func() reads what its CPU has loaded and is up to date with, looks at the mm's tlb_gen, drops translations and
stores a generation: a dozen operations of C, of which other CPUs see one.  A search that has each as a step is many
times as large, and a plugin says what happens in one.  So a stretch is run on what memory holds, and is one operation.

What may be in it, by who else touches a cell while this CPU has interrupts off (`Reach`):

    private   nobody: what a CPU notes of itself, and whether its interrupts are off
    shown     others read it, only this CPU changes it: it is read here, and not written
    others    others change it: looked at once, and not written
    cached    translations, which the walker of this CPU fills, and checks look at: dropped, behind the look

Any other operation ends the stretch, and so do a second look, a look behind a drop, and a choice.  What is
left up to the end of the section is then walked step by step, with interrupts off.  So C that looks twice is explored
with everything between its two looks.

A handler's stretches are its steps.  What it stores to words of its own CPU that others read (`Reach.stored`: what is
shown, its bit of a mask) may be in its one step, if it stores to each once, and does not look: of each word others then
read what it held before the handler or what it holds behind it, and what keeps them from sending an interrupt is so
there as well; an interrupt that they send is served behind the handler, as behind the whole of it.  Otherwise it takes
several (`looks_again`), and each such store is a step without a look or a drop: C that leaves a mask and is back in it
at its end is explored with everything between.

Why one step is enough.  Operations on private cells and reads of shown ones commute with whatever others do meanwhile.
So all of them can be moved to the look, and the only question is what comes between the look (L) and the drop behind it
(D).  Let a run have L, then steps X of others, then D.  Each state of it is one that the model with one step reaches:

* a state before D has the memory of the run X alone, where the whole stretch is yet to come: what L has read is this
  thread's own.  So whatever X sees, writes or violates, it does there too.
* a state from D on has the memory of the run L D X without the fills that D has dropped: a fill writes the one
  translation and nothing else, and leaving it out disables nothing, for user code does not run here.  X does the same
  there, because it writes no private cell, and of what it reads only translations differ: these are fewer.  A check
  that looks at translations of another CPU returns nothing and finds no more among fewer.

Nothing of this holds if L comes behind D (a translation filled in between is older than what L reads), or if there are
two looks, or if a store that others read is among them.  That is why these end a stretch.  The claims about the cells
are checked: C has no words for the private cells of another CPU, and every automaton of every thread and daemon is
asked whether it touches, changes or returns more than it may (core.tree.claims).

A stretch waits for the stores of its CPU, as an INVLPG does (`Order.FLUSH`).  So one that comes behind a store of the
same section would see too little: there is one stretch in a section, at its begin.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from core.machine.early_ack import handler_cell
from core.machine.ipi import irqs_off_cell
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.tree.automaton import AutomatonRow, CAutomaton
from core.tree.errors import TreeError
from core.tree.vocabulary import Vocabulary, Word

IRQ_OFF, IRQ_ON = "irq_off", "irq_on"
"""The words between which interrupts are off."""


@dataclass(frozen=True)
class Reach:
    """The cells that a stretch on `cpu` may touch: the head of this module says which are which.

    `stored` are those of them that a handler stores to all the same: what is shown, and the bit of its CPU in a mask.
    `apart`: such a store has a stretch without a look, a drop, or another.
    """

    cpu: Cpu
    private: tuple[Cell, ...]
    shown: tuple[Cell, ...]
    others: tuple[Cell, ...]
    cached: tuple[Cell, ...]
    stored: tuple[Cell, ...] = ()
    apart: bool = False

    @property
    def reads(self) -> tuple[Cell, ...]:
        """Every cell."""
        return (irqs_off_cell(self.cpu), *self.private, *self.shown, *self.others, *self.cached)

    @property
    def writes(self) -> tuple[Cell, ...]:
        """The cells that a stretch may change."""
        return (irqs_off_cell(self.cpu), *self.private, *self.stored, *self.cached)


class WalkHands(Protocol):
    """What a walk does words with: its state can be copied, kept as a value, and put back."""

    following: Word | None

    def copy(self) -> WalkHands:
        """Another with the same state."""

    def saved(self) -> Hashable:
        """The state."""

    def restore(self, saved: Any) -> None:
        """Take up a state."""


Event = tuple[str, tuple[Any, ...]]
"""A report of an instruction: its name in a trace, and what is counted (core.machine.insn)."""


class Ran(NamedTuple):
    """How far a stretch has come: the row `at` which the walk goes on, its hands, and what it reports."""

    at: int
    hands: Hashable
    events: tuple[Event, ...] = ()


@dataclass
class IrqsOffRun:
    """A stretch as it runs: from the row `at`, on memory with `values`."""

    automaton: CAutomaton
    vocabulary: Vocabulary
    reach: Reach
    at: int
    hands: Any
    values: dict[Cell, Any]
    looked: bool = False
    dropped: bool = False
    stored: bool = False
    violated: str = ""

    def run(self) -> Ran:
        """Run to the first row that may not be in it, to the end of the section, or of the thread.

        A loop in which nothing changes ends it too: it goes on only if others do.
        """
        events: list[Event] = []
        rows: set[int] = set()
        met: set[Hashable] = set()
        while (row := self.automaton.rows[self.at]).word is not None and not self.violated:
            if self.at in rows:
                state = self.at, self.hands.saved(), tuple(self.values.values())
                if state in met:
                    break
                met.add(state)
            rows.add(self.at)
            if not self._row(row, row.word, events) or row.word.kind == IRQ_ON:
                break
        return Ran(self.at, self.hands.saved(), tuple(events))

    def _row(self, row: AutomatonRow, word: Word, events: list[Event]) -> bool:
        """Do what the row asks for, or nothing: False if it may not be in the stretch."""
        rule = self.vocabulary.rule(word)
        if rule is None or rule.do is None:
            raise AssertionError(f"{row.line}: no operation for {word}")
        before = {**vars(self)}
        self.hands, self.values = self.hands.copy(), dict(self.values)
        self.hands.following = following(self.automaton, row)
        said: list[Event] = []
        done, answer = self._done(rule.do(self.hands, word), said)
        if not done:
            vars(self).update(before)
            return False
        if answer not in row.next and not self.violated:
            raise AssertionError(f"{row.line}: {word} was learned without the answer {answer}")
        events += said
        self.at = row.next.get(answer, self.at)
        return True

    def _done(self, program: Coroutine[Op, Any, int], events: list[Event]) -> tuple[bool, int]:
        """Did each operation of `program` belong here, and what does it return?"""
        answer: Any = None
        while True:
            try:
                op = program.send(answer)
            except StopIteration as returned:
                return True, returned.value
            outcomes = op.step(*(self.values[cell] for cell in op.reads)) if self._belongs(op) else ()
            if len(outcomes) != 1:
                program.close()
                return False, 0
            if op.event is not None:
                events.append((op.name, op.event))
            (outcome,) = outcomes
            self.values.update(zip(op.writes, outcome.written, strict=True))
            self.violated, answer = outcome.violated, outcome.value
            if self.violated:
                program.close()
                return True, 0

    def _belongs(self, op: Op) -> bool:
        """May it be here?  A barrier may: no store waits, and none is made."""
        reads, writes, reach = set(op.reads), set(op.writes), self.reach
        if not reads.issubset(reach.reads) or not writes.issubset(reach.writes):
            return False
        look, drop = bool((reads - writes) & set(reach.others)), bool(writes & set(reach.cached))
        store = reach.apart and bool(writes & set(reach.stored))
        if self.stored and (look or drop or store):
            return False
        if (look or store) and (self.looked or self.dropped):
            return False
        self.looked |= look
        self.dropped |= drop
        self.stored |= store
        return True


def following(automaton: CAutomaton, row: AutomatonRow) -> Word | None:
    """What the C asks for next, if it is the same whatever is answered; None at its end."""
    next_words = {automaton.rows[at].word for at in row.next.values()}
    return next_words.pop() if len(next_words) == 1 else None


def stretch(automaton: CAutomaton, vocabulary: Vocabulary, at: int, hands: WalkHands, reach: Reach) -> Op:
    """The stretch from the row `at`, where interrupts are turned off. Returns Ran."""
    start = hands.copy()

    def step(*words: Hashable) -> list[Outcome]:
        values = dict(zip(reach.reads, words, strict=True))
        running = IrqsOffRun(automaton, vocabulary, reach, at, start, values)
        ran = running.run()
        return [Outcome(ran, tuple(running.values[cell] for cell in reach.writes), running.violated)]

    name = f"with interrupts off at {automaton.rows[at].line}"
    return Op(name, reach.reads, reach.writes, step, order=Order.FLUSH)


@dataclass(frozen=True, slots=True)
class Halfway:
    """A handler between two of its steps, in `handler_cell` (core.machine.early_ack): `of` is whose request of which
    mm it serves, and how far it has come.
    """

    of: Hashable
    at: int
    hands: Hashable

    def __str__(self) -> str:
        return f"halfway (row {self.at})"


@dataclass(frozen=True)
class Handler:
    """The handler of the requests in `csd`, which is `of` a sender and an mm.

    `start(request)` returns its automaton and hands.  It takes `several` steps, between which the CPU stands still, or
    one.
    """

    name: str
    csd: Cell
    of: Hashable
    reach: Reach
    vocabulary: Vocabulary
    start: Callable[[Any], tuple[CAutomaton, Any]]
    several: bool

    def op(self) -> Op:
        """The daemon's operation: the request is served, or the handler goes on."""
        irqs_off, *reads = self.reach.reads
        _, *writes = self.reach.writes
        if not self.several:
            cells = (self.csd, irqs_off, *reads), (self.csd, *writes)
            return Op(self.name, *cells, self._at_once, order=Order.HANDLER)
        inside = handler_cell(self.reach.cpu)
        cells = (self.csd, inside, irqs_off, *reads), (self.csd, inside, irqs_off, *writes)
        return Op(self.name, *cells, self._by_steps, order=Order.HANDLER)

    def _at_once(self, request: Any, off: bool, *words: Any) -> list[Outcome]:
        if request is None or off:
            return []
        automaton, hands = self.start(request)
        running = self._running(automaton, 0, hands, (off, *words))
        ran = running.run()
        row = automaton.rows[ran.at]
        if row.word is not None and not running.violated:
            raise TreeError(f"{row.line}: {row.word}: the model has this function as one step, in which that is not")
        return [Outcome(None, (None, *self._written(running)[1:]), running.violated)]

    def _by_steps(self, request: Any, inside: Halfway | None, off: bool, *words: Any) -> list[Outcome]:
        if request is None or (off if inside is None else inside.of != self.of):
            return []
        automaton, hands = self.start(request)
        if inside is not None:
            hands.restore(inside.hands)
        at = 0 if inside is None else inside.at
        running = self._running(automaton, at, hands, (off, *words))
        ran = running.run()
        row = automaton.rows[ran.at]
        if row.word is None or running.violated:
            return [Outcome(None, (None, None, False, *self._written(running)[1:]), running.violated)]
        if ran.at == at:
            raise TreeError(f"{row.line}: {row.word}: the model has no handler that does that")
        return [Outcome(None, (request, Halfway(self.of, ran.at, ran.hands), True, *self._written(running)[1:]))]

    def _running(self, automaton: CAutomaton, at: int, hands: Any, words: tuple[Any, ...]) -> IrqsOffRun:
        return IrqsOffRun(
            automaton, self.vocabulary, self._steps, at, hands, dict(zip(self.reach.reads, words, strict=True))
        )

    @property
    def _steps(self) -> Reach:
        """What a step may touch."""
        return replace(self.reach, apart=self.several)

    def _written(self, running: IrqsOffRun) -> tuple[Hashable, ...]:
        return tuple(running.values[cell] for cell in self.reach.writes)


def looks_again(
    automaton: CAutomaton,
    looks: Mapping[str, frozenset[str]],
    drops: frozenset[str],
    stored: Callable[[Word], str],
) -> bool:
    """Is there a way of a handler on which others could tell its operations apart?

    On it C looks at what others change a second time, or behind a drop, or where it also stores what others read, or
    it stores such a word twice.  `looks` are kinds of words by the place that others change, `drops` the kinds of those
    that drop translations, and `stored` names what a word stores to that others read, if it does.
    """
    start = (0, DoneSoFar())
    todo, met = [start], {start}
    while todo:
        at, way = todo.pop()
        row = automaton.rows[at]
        if row.word is None:
            continue
        look, store = row.word.kind in looks.get(row.word.place, ()), stored(row.word)
        if (look and (way.looked or way.dropped or way.stored)) or (store and (way.looked or store in way.stored)):
            return True
        after = DoneSoFar(way.looked or look, way.dropped or row.word.kind in drops, way.stored | ({store} - {""}))
        more = {(to, after) for to in row.next.values()} - met
        met |= more
        todo += more
    return False


class DoneSoFar(NamedTuple):
    """What C has done on its way to a row."""

    looked: bool = False
    dropped: bool = False
    stored: frozenset[str] = frozenset()
