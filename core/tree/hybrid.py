"""An architecture whose hooks are kernel C: each hook walks the automaton of a C function.

A walk is a coroutine with one integer, the row that it is in.  It does what the row's word means, and goes to the row
that the answer leads to.  Every operation that is awaited on the way names the line of the C, so a trace does.  Where
interrupts are turned off, and hands say what belongs to their CPU (`reach`), a stretch of rows is one operation
(core.tree.stretch); and where they say what belongs to the holder of a lock (`held`), several are (core.tree.locked).

A hook that has no C in the unit is the plugin's in Python, of which the hybrid is a subclass: so a difference can be
bisected, hook by hook.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from operator import index
from typing import Any

from core.facts import Facts
from core.machine.op import Cpu, Op, Outcome, doing
from core.machine.order import Order
from core.mm.mm import Mm
from core.tree.automata import Automata
from core.tree.automaton import CAutomaton
from core.tree.errors import TreeError
from core.tree.locked import block
from core.tree.manifest import MOST_CPUS
from core.tree.stretch import IRQ_OFF, Ran, Reach, following, stretch
from core.tree.vocabulary import Vocabulary


async def walk(automaton: CAutomaton, vocabulary: Vocabulary, hands: Any) -> int:
    """Run the thread of `automaton` for the hook that `hands` describe; returns what the C function returns."""
    at = 0
    while True:
        row = automaton.rows[at]
        if row.word is None:
            return row.result
        rule = vocabulary.rule(row.word)
        if rule is None or rule.do is None:
            raise AssertionError(f"{row.line}: no operation for {row.word}")
        if row.word.kind == IRQ_OFF and (reach := getattr(hands, "reach", None)) is not None:
            at = await _stretch(automaton, vocabulary, at, hands, reach)
            continue
        if (held := getattr(hands, "held", None)) is not None:
            step = block(automaton, vocabulary, at, hands, held)
            if step is not None and (after := await _several_rows(step, hands)) != at:
                at = after
                continue  # where it did not come off its row, the row is a step by itself
        if hasattr(hands, "following"):
            hands.following = following(automaton, row)
        answer = await at_line(rule.do(hands, row.word), row.line)
        if answer not in row.next:
            raise AssertionError(f"{row.line}: {row.word} was learned without the answer {answer}")
        at = row.next[answer]


async def follow(automata: Automata, entry: str, args: tuple[int, ...], hands: Any) -> int:
    """Run `entry` for the hook that `hands` describe on the one path that the answers make; returns what it returns."""
    rules, at = automata.vocabulary, automata.start(entry, args, len(cpus_of(hands.mm)))
    while True:
        answer = 0
        for number, word in enumerate(at.words):
            rule = rules.rule(word)
            assert rule is not None
            assert rule.do is not None
            answer = await rule.do(hands, word)
            if number < len(at.said) and answer != at.said[number]:
                raise AssertionError(f"{entry}(): {word} was run without the answer {answer}")
        if at.ended:
            return at.result
        at = automata.answer(entry, at, answer)


def at_once(program: Coroutine[Op, Any, int]) -> int:
    """What a program returns that has no operations: a function of which no other CPU sees anything."""
    try:
        op = program.send(None)
        while op.event is not None:  # a report, which touches no cell
            op = program.send(None)
    except StopIteration as returned:
        return int(returned.value or 0)
    raise TreeError(f"{op.name}: an operation, in a function that the model has without any")


async def _stretch(automaton: CAutomaton, vocabulary: Vocabulary, at: int, hands: Any, reach: Reach) -> int:
    """Walk a stretch in one step; returns the row to go on from."""
    return await _several_rows(stretch(automaton, vocabulary, at, hands, reach), hands)


async def _several_rows(step: Op, hands: Any) -> int:
    """Make a step of several rows, and report what it has executed; returns the row to go on from."""
    ran: Ran = await step
    hands.restore(ran.hands)
    for name, event in ran.events:
        await Op(name, (), (), lambda: [Outcome(None)], event=event, order=Order.PRIVATE)
    return ran.at


async def at_line(program: Coroutine[Op, Any, int], line: str) -> int:
    """Run `program`; the names of its operations end with the line of C that asks for them."""

    async def named(op: Op) -> Any:
        copy = Op(f"{op.name} at {line}", op.reads, op.writes, op.step, event=op.event, preempt=op.preempt)
        copy.may_schedule, copy.order, copy.cpu = op.may_schedule, op.order, op.cpu
        return await copy

    try:
        answer: int = await doing(program, named)
    except TreeError as error:
        raise TreeError(f"{line}: {error}") from None
    return answer


def cpus_of(mm: Mm) -> list[frozenset[Cpu]]:
    """The CPUs of a model in the order in which C numbers them: CPU 0 is the task's own."""
    others = [frozenset({cpu}) for cpu in sorted((mm.cpu_online_mask | mm.online) - {mm.task.cpu})]
    single, rest = others[: MOST_CPUS - 2], others[MOST_CPUS - 2 :]
    return [frozenset({mm.task.cpu}), *single, *([frozenset[Cpu]().union(*rest)] if rest else [])]


def mask_of(mm: Mm, cpus: frozenset[Cpu]) -> int:
    """A set of CPUs as a word of C."""
    return sum(1 << at for at, group in enumerate(cpus_of(mm)) if group & cpus)


def cpus_in(mm: Mm, mask: int) -> frozenset[Cpu]:
    """The CPUs whose bits are set in a word of C."""
    return frozenset(cpu for at, group in enumerate(cpus_of(mm)) if mask >> at & 1 for cpu in group)


class FromC:
    """A mixin: `automata` are those of the unit that the hooks run."""

    one_path = False
    """Where workloads are counted the C runs itself, on the path that they take: of any length."""

    flushes_below: frozenset[str] = frozenset()
    """Hooks that are C and flush by other hooks, which are what is counted."""

    def __init__(self, automata: Automata) -> None:
        self.automata = automata

    def facts_of(self, facts: Facts) -> Facts:
        """The facts of the plugin in Python, for the kernel that the tree is of."""
        version = str(self.automata.unit.version)
        kernel = facts.kernel if facts.kernel.startswith(f"{version}.") else version
        return replace(facts, kernel=kernel)

    @property
    def counts_c(self) -> bool:
        """Do its functions run on one path?"""
        return self.one_path and self.automata.counts

    def core_functions(self, mm: Mm) -> Mapping[str, Callable[..., Any]]:
        """The functions of the core that the C stands for, by name."""
        return {}

    def counted_functions(self, mm: Mm) -> Mapping[str, Callable[..., Any]]:
        """Those of them where workloads are counted."""
        return self.core_functions(mm) if self.counts_c else {}

    def run(self, hands: Any, entry: str, *args: int) -> Coroutine[Op, Any, int]:
        """Call the C function `entry` for the hook that `hands` describe; `hands.mm` is its mm.

        A number that is symbolic (core.cost.affine) is fixed by that: C is learned for numbers.
        """
        if self.counts_c:
            return follow(self.automata, entry, tuple(map(index, args)), hands)
        automaton = self.automata.of(entry, tuple(map(index, args)), len(cpus_of(hands.mm)))
        return walk(automaton, self.automata.vocabulary, hands)
