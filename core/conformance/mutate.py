"""Mutants: programs with one operation changed, and which scenarios notice (kill) them.

A mutant is an operator applied to one kind of operation wherever a program awaits it, in the plugin's code and in the
core's alike.  It works on the stream of operations, so no mutant is written by hand and no operation is left out.  A
kind is the name of an operation with its numbers replaced ("unlock ptl[N]"), as met when the unmutated suite is run.

    drop     the operation is not done; the program continues as if it had been
    late     it is done after the next operation
    twice    it is done again at once
    short    a flush leaves out the last page of its range
    deaf     an IPI is neither sent to the first of its CPUs nor waited for
    hopeful  a failed allocation is taken for a success
    weak     a barrier is the next weaker one; `drop` leaves it out; only where a memory model gives it a meaning
    unordered   the order that is part of it is taken from it; of an interrupt handler too

Operations of user code and of the hardware walker are not mutated: they are what the policy has to protect.  A mutant
is killed by a scenario that fails, or does not reach its window any more, or in which a program raises that did not
before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, cast

from core.conformance.judge import judge
from core.conformance.scenario import Scenario
from core.conformance.weaken import kind_of_machine, unordered, weaker, without
from core.explore import ExploreError, Limits, Model, Thread, check
from core.explore.errors import NewStore
from core.explore.model import Program
from core.explore.ordered import again, tables_of
from core.explore.reference import Search
from core.explore.transition_tables import TransitionTables
from core.machine.broadcast import Done, Lost
from core.machine.ipi import FlushRequest
from core.machine.meaning import NOTHING, meaning
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.mm.era import Era
from core.plugins.arch import Arch

LIMITS = Limits(max_states=200_000)
"""A mutant may make a model infinite; a search that hits this limit kills nothing."""

USER = ("store(", "load(", "walk:", "choose:")
"""What no kernel does: accesses, walks, and what a scenario chooses for itself."""
OPERATORS = ("drop", "late", "twice", "short", "deaf", "hopeful", "weak", "unordered")

WAITED_FOR = frozenset({"csd", "flush_count"})
"""Cells on which an operation that writes nothing may wait."""

Mutable = dict[str, tuple[str, ...]]
"""The operators that change each kind of operation."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """An operator applied to one kind of operation."""

    operator: str
    kind: str

    def __str__(self) -> str:
        return f"{self.operator}: {self.kind}"


@dataclass(frozen=True, slots=True)
class Autopsy:
    """The result of a trial: `killers` are the scenarios that killed the mutant, the first or all of them."""

    mutant: Mutant
    killers: tuple[str, ...]


def kind_of(op: Op) -> str:
    """The operation's name with its numbers replaced by N, and a list of CPUs by one."""
    name = re.sub(r"\d+", "N", op.name).removesuffix(", mmN")  # of a second mm it is the same operation
    return re.sub(r"(CPUN, )+CPUN", "CPUN", name)


def mutable(scenario: Scenario, arch: Arch, era: Era) -> Mutable:
    """The kinds of operation in the unmutated scenario, in order of appearance; none if it is unsupported."""
    if scenario.lacking(arch):
        return {}
    tables = _searched(scenario.build(arch, era))
    memory = kind_of_machine(tables.machine)
    ops = [state.op for automaton in tables.automata for state in automaton.states]
    kinds = {kind_of(op): op for op in ops if op is not None and not op.name.startswith(USER)}
    found = {kind: tuple(o for o in OPERATORS if _changes(o, op, memory)) for kind, op in kinds.items()}
    handlers = (op for op in tables.model.daemons if op.op.order is Order.HANDLER)
    return found | {kind_of(daemon.op): ("unordered",) for daemon in handlers if memory != "sc"}


def _searched(model: Model) -> TransitionTables:
    """The tables after a search, under the memory model of `model`."""
    tables = tables_of(model)
    while True:
        try:
            Search(tables, LIMITS, True).run()
        except NewStore:
            tables = again(tables)
        else:
            return tables


@dataclass(frozen=True)
class Baseline:
    """A job: a scenario without a mutant.  Its result: why the architecture fails it, or '', and what can mutate.

    `guest` is the third party whose plugin it is, '' for the project's own.
    """

    arch: Callable[[], Arch]
    era: Era
    scenario: str
    guest: str = ""

    def run(self) -> tuple[str, Mutable]:
        """Judge the scenario under the limits that mutants have."""
        from core.conformance.scenarios import SCENARIOS

        arch, scenario = self.arch(), SCENARIOS[self.scenario]
        result = judge(arch, self.era, scenario, limits=LIMITS)
        if result.verdict in ("fail", "error"):
            return result.reason, {}
        return "", mutable(scenario, arch, self.era)

    def failed(self, reason: str) -> tuple[str, Mutable]:
        """A process that dies without a mutant: reported as a failure, since it would kill every mutant."""
        return reason, {}


@dataclass(frozen=True)
class Trial:
    """A job: one mutant in the scenarios that have its kind of operation.  Its result is an Autopsy.

    With `every` it continues after the first scenario that kills the mutant.
    """

    mutant: Mutant
    arch: Callable[[], Arch]
    era: Era
    scenarios: tuple[str, ...]
    every: bool = False
    guest: str = ""

    def wrong(self, answer: Autopsy) -> str:
        """Why `answer` is not one of this trial; '' if it may be."""
        return "" if answer.mutant == self.mutant else f"it is of the mutant {answer.mutant}"

    def run(self) -> Autopsy:
        """Run the mutant in one scenario after another, until one kills it."""
        from core.conformance.scenarios import SCENARIOS

        arch = self.arch()
        killers = (s for s in self.scenarios if kills(SCENARIOS[s], arch, self.era, self.mutant))
        return Autopsy(self.mutant, tuple(killers if self.every else islice(killers, 1)))

    def failed(self, reason: str) -> Autopsy:
        """A mutant whose process hangs or dies counts as killed."""
        return Autopsy(self.mutant, (f"(process: {reason})",))


def trials(
    arch: Callable[[], Arch], era: Era, found: Mapping[str, Mutable], every: bool = False, guest: str = ""
) -> list[Trial]:
    """All trials: every operator on every kind of operation that it changes, in the scenarios that have the kind.

    `arch` sets up the architecture, in any process, which is that of the third party `guest`, if it is not '';
    `found` says what can be mutated, by scenario.
    """
    kinds = dict.fromkeys(kind for scenario in found.values() for kind in scenario)
    return [
        Trial(Mutant(operator, kind), arch, era, tuple(_with(operator, kind, found)), every, guest)
        for kind in kinds
        for operator in OPERATORS
        if any(operator in scenario.get(kind, ()) for scenario in found.values())
    ]


def _with(operator: str, kind: str, found: Mapping[str, Mutable]) -> Iterator[str]:
    """The scenarios that have the kind; an order is weaker only in those that have a memory model."""
    orders = operator in ("weak", "unordered")
    return (s for s, mutable in found.items() if kind in mutable and (not orders or operator in mutable[kind]))


def _changes(operator: str, op: Op, memory: str) -> bool:
    if operator == "unordered":
        return unordered(memory, op) is not None
    if operator == "weak":
        return memory != "sc" and weaker(memory, op) is not None
    if op.silent:  # a barrier
        return operator == "drop" and memory != "sc" and meaning(memory, op) != NOTHING
    written = {cell.array for cell in op.writes} - {"running", "last_ran", "turn"}
    read = {cell.array for cell in op.reads}
    if operator == "hopeful":
        return op.event is not None and op.event[0] == "ask" and op.event[1] != "resched"
    if operator == "short":
        return bool(written & {"csd", "tlb"})
    if operator == "deaf":
        return "csd" in written | read
    if operator == "twice":  # storing the same value again changes nothing
        return bool(written & read)
    return bool(written) or (operator == "drop" and bool(read & WAITED_FOR))


def kills(scenario: Scenario, arch: Arch, era: Era, mutant: Mutant) -> bool:
    """Does the scenario kill the mutant?"""
    model = infected(scenario.build(arch, era), mutant)
    try:
        verdict = check(model, limits=LIMITS)
    except ExploreError:
        return True
    return bool(verdict.violated or (verdict.exhaustive and verdict.unreached))


def infected(model: Model, mutant: Mutant) -> Model:
    """The model with the mutant in each of its programs."""
    memory = "sc" if model.memory is None else kind_of_machine(model.memory(model))
    threads = tuple(replace(t, program=_infect(t, mutant, memory)) for t in model.threads)
    if mutant.operator != "unordered":
        return replace(model, threads=threads)
    daemons = (
        replace(d, op=_with_less_order(unordered, memory, d.op)) if kind_of(d.op) == mutant.kind else d
        for d in model.daemons
    )
    return replace(model, threads=threads, daemons=tuple(daemons))


def _infect(thread: Thread, mutant: Mutant, memory: str) -> Program:
    return lambda: mutated(thread.program(), mutant, memory)


async def mutated(program: Coroutine[Op, Any, Any], mutant: Mutant, memory: str = "sc") -> Any:
    """Run `program` with the operator applied to each operation of the mutant's kind, under the model `memory`."""
    change = _CHANGES.get(mutant.operator)
    if mutant.operator in _ORDERS:
        change = partial(_with_less_order, _ORDERS[mutant.operator], memory)
    held: Op | None = None  # put off by 'late'
    value: Any = None
    while True:
        try:
            op = program.send(value)
        except StopIteration as stop:
            if held is not None:
                await held
            return stop.value
        hit = kind_of(op) == mutant.kind
        if hit and change is not None:
            value = await change(op)
        elif hit and mutant.operator == "twice":
            await op
            value = await op
        elif hit and mutant.operator == "late" and held is None:
            held, value = op, None
        else:
            value = await op
            if held is not None and not op.silent:
                await held
                held = None


_ORDERS: dict[str, Callable[[str, Op], Op | None]] = {"weak": weaker, "unordered": unordered}


def _with_less_order(less: Callable[[str, Op], Op | None], memory: str, op: Op) -> Op:
    return less(memory, op) or op


def dropped(op: Op) -> Op:
    """`op` without its writes, and never blocked; a barrier left out."""
    if op.silent:
        return without(op)

    def step(*values: Any) -> list[Outcome]:
        return [Outcome(outcome.value) for outcome in op.step(*values)][:1] or [Outcome(None)]

    return Op(op.name, op.reads, (), step, event=op.event, order=op.order)


def shortened(op: Op) -> Op:
    """A flush `op` without the last page of its range, or without the last TLB entry."""
    if any(cell.array == "csd" for cell in op.writes):
        return _rewritten(op, _one_page_less)
    if op.order is not Order.COMPLETE and op.writes and op.writes[0].array == "broadcast":
        return _issued_for_less(op)
    if not op.writes or op.writes[-1].array != "tlb":
        return op
    return _without_last_write(op)


def _without_last_write(op: Op) -> Op:
    def step(*values: Any) -> list[Outcome]:
        return [o._replace(written=o.written[:-1]) for o in op.step(*values)]

    return Op(op.name, op.reads, op.writes[:-1], step, order=op.order)


def _issued_for_less(op: Op) -> Op:
    """An invalidation that is broadcast, without the last page: now, if it takes effect at once, and at its barrier."""

    def step(*values: Any) -> list[Outcome]:
        return [_less(outcome, values) for outcome in op.step(*values)]

    def _less(outcome: Outcome, values: tuple[Any, ...]) -> Outcome:
        issued = cast(tuple[Any, ...], outcome.written[0])
        last = issued[-1]
        request = _one_page_less(last.request if isinstance(last, Done | Lost) else last)
        entries = zip(op.writes[1:], values[len(op.reads) - len(op.writes) + 1 :], outcome.written[1:], strict=True)
        left = [
            after if request.covers(cast(tuple[Any, int], cell.index)[1]) else before for cell, before, after in entries
        ]
        shorter = type(last)(request) if isinstance(last, Done | Lost) else request
        return outcome._replace(written=((*issued[:-1], shorter), *left))

    return Op(op.name, op.reads, op.writes, step, event=op.event, order=op.order)


def _one_page_less(value: Any) -> Any:
    for field in ("request", "of"):  # what a request of a generation, or of an ASID, is of
        if isinstance(inner := getattr(value, field, None), FlushRequest):
            return replace(value, **{field: _one_page_less(inner)})
    if not isinstance(value, FlushRequest):
        return value
    return value._replace(end=value.end - 1) if value.end is not None else FlushRequest(1, 1 << 40)


def deafened(op: Op) -> Op:
    """`op` without the first CPU: it is neither sent an IPI nor waited for."""
    if not op.writes:
        return Op(op.name, op.reads[1:], (), lambda *v: op.step(None, *v), order=op.order)

    def step(*values: Any) -> list[Outcome]:
        return [o._replace(written=o.written[1:]) for o in op.step(*values)]

    return Op(op.name, op.reads, op.writes[1:], step, order=op.order)


def hopeful(op: Op) -> Op:
    """An allocation that the program takes for a success, whatever its outcome."""
    return _answered(op, True)


def _answered(op: Op, value: Any) -> Op:
    return Op(
        op.name,
        op.reads,
        op.writes,
        lambda *v: [o._replace(value=value) for o in op.step(*v)],
        event=op.event,
        order=op.order,
    )


def _rewritten(op: Op, change: Callable[[Any], Any]) -> Op:
    def step(*values: Any) -> list[Outcome]:
        return [o._replace(written=tuple(map(change, o.written))) for o in op.step(*values)]

    return Op(op.name, op.reads, op.writes, step, event=op.event, order=op.order)


_CHANGES: dict[str, Callable[[Op], Op]] = {
    "drop": dropped,
    "short": shortened,
    "deaf": deafened,
    "hopeful": hopeful,
}
