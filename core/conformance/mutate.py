"""The power of the suite: mutants made from the programs, and which of them the scenarios kill.

A mutant is an operator applied to one kind of operation wherever a program awaits it, in the plugin's code and in the
core's alike: it works on the stream of operations, so nothing is written by hand and nothing is left out.  Kinds are
operations by name with their numbers taken out ("unlock ptl[N]"), as they turn up when the suite is run unmutated.

    drop     the operation is not done; the program goes on as if it had been
    late     it is done after the next one
    twice    it is done again at once
    short    a flush leaves out the last page of its range
    deaf     an interrupt is not sent to the first of its CPUs, nor waited for
    hopeful  a failed allocation is taken for success

Operations of user code and of the hardware's walks are left alone: they are the victim, not the policy.  A mutant is
killed by a scenario that fails on it, or that can no longer reach its window, or in which a program raises where it
did not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from core.conformance.judge import judge
from core.conformance.scenario import Scenario
from core.explore import ExploreError, Limits, Model, Thread, check
from core.explore.model import Program
from core.explore.reference import Search
from core.explore.transition_tables import TransitionTables
from core.machine.ipi import FlushRequest
from core.machine.op import Op, Outcome
from core.mm.era import Era
from core.plugins.arch import Arch

LIMITS = Limits(max_states=200_000)
"""A mutant may make a model endless; a search that hits this has killed nothing."""

USER = ("store(", "load(", "walk:")
OPERATORS = ("drop", "late", "twice", "short", "deaf", "hopeful")

WAITED_FOR = frozenset({"csd", "store_buffer", "flush_count"})
"""What operations that change nothing may be there to wait for."""

Mutable = dict[str, tuple[str, ...]]
"""Kinds of operation, and the operators that change each."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One operator on one kind of operation."""

    operator: str
    kind: str

    def __str__(self) -> str:
        return f"{self.operator}: {self.kind}"


@dataclass(frozen=True, slots=True)
class Autopsy:
    """What became of a mutant. `killers` are the scenarios that noticed it: the first one, or all."""

    mutant: Mutant
    killers: tuple[str, ...]


def kind_of(op: Op) -> str:
    """The operation's name without its numbers; several CPUs are as one."""
    return re.sub(r"(CPUN, )+CPUN", "CPUN", re.sub(r"\d+", "N", op.name))


def mutable(scenario: Scenario, arch: Arch, era: Era) -> Mutable:
    """The kinds of operation that the unmutated scenario awaits, in order of appearance; none if it does not apply."""
    if scenario.lacking(arch):
        return {}
    tables = TransitionTables(scenario.build(arch, era))
    Search(tables, LIMITS, True).run()
    ops = [state.op for automaton in tables.automata for state in automaton.states]
    kinds = {kind_of(op): op for op in ops if op is not None and not op.name.startswith(USER)}
    return {kind: tuple(o for o in OPERATORS if _changes(o, op)) for kind, op in kinds.items()}


@dataclass(frozen=True)
class Baseline:
    """A scenario without a mutant: a job that answers what is wrong with the architecture, '' if it holds, and what
    there is to mutate."""

    arch: Callable[[], Arch]
    era: Era
    scenario: str

    def run(self) -> tuple[str, Mutable]:
        """Judge it as mutants are judged."""
        from core.conformance.scenarios import SCENARIOS

        arch, scenario = self.arch(), SCENARIOS[self.scenario]
        result = judge(arch, self.era, scenario, limits=LIMITS)
        if result.verdict in ("fail", "error"):
            return result.reason, {}
        return "", mutable(scenario, arch, self.era)

    def failed(self, reason: str) -> tuple[str, Mutable]:
        """What killed the process would be taken for the work of a mutant."""
        return reason, {}


@dataclass(frozen=True)
class Trial:
    """A mutant and the scenarios it is put to: a job (core.run.pool) that answers an Autopsy.

    `every` goes on after the first that kills it.
    """

    mutant: Mutant
    arch: Callable[[], Arch]
    era: Era
    scenarios: tuple[str, ...]
    every: bool = False

    def run(self) -> Autopsy:
        """Put it to one scenario after another, until one kills it."""
        from core.conformance.scenarios import SCENARIOS

        arch = self.arch()
        killers = (s for s in self.scenarios if kills(SCENARIOS[s], arch, self.era, self.mutant))
        return Autopsy(self.mutant, tuple(killers if self.every else islice(killers, 1)))

    def failed(self, reason: str) -> Autopsy:
        """A mutant whose process hangs or dies has been noticed."""
        return Autopsy(self.mutant, (f"(process: {reason})",))


def trials(arch: Callable[[], Arch], era: Era, found: Mapping[str, Mutable], every: bool = False) -> list[Trial]:
    """Every operator on every kind of operation that it changes, in the scenarios where it turns up.

    `arch` sets the architecture up, in any process; `found` is what there is to mutate, by scenario.
    """
    kinds = dict.fromkeys(kind for scenario in found.values() for kind in scenario)
    return [
        Trial(Mutant(operator, kind), arch, era, tuple(s for s in found if kind in found[s]), every)
        for kind in kinds
        for operator in OPERATORS
        if any(operator in scenario.get(kind, ()) for scenario in found.values())
    ]


def _changes(operator: str, op: Op) -> bool:
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
    """Does the scenario notice the mutant?"""
    model = infected(scenario.build(arch, era), mutant)
    try:
        verdict = check(model, limits=LIMITS)
    except ExploreError:
        return True
    return bool(verdict.violated or (verdict.exhaustive and verdict.unreached))


def infected(model: Model, mutant: Mutant) -> Model:
    """The model with the mutant in every program."""
    return replace(model, threads=tuple(replace(t, program=_infect(t, mutant)) for t in model.threads))


def _infect(thread: Thread, mutant: Mutant) -> Program:
    return lambda: mutated(thread.program(), mutant)


async def mutated(program: Coroutine[Op, Any, Any], mutant: Mutant) -> Any:
    """Run `program` with the operator applied to each operation of the mutant's kind."""
    change = _CHANGES.get(mutant.operator)
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


def dropped(op: Op) -> Op:
    """Not done: nothing is written and nothing is waited for."""

    def step(*values: Any) -> list[Outcome]:
        return [Outcome(outcome.value) for outcome in op.step(*values)][:1] or [Outcome(None)]

    return Op(op.name, op.reads, (), step, event=op.event)


def shortened(op: Op) -> Op:
    """Without the last page of the range, or the last entry."""
    if any(cell.array == "csd" for cell in op.writes):
        return _rewritten(op, _one_page_less)
    if not op.writes or op.writes[-1].array != "tlb":
        return op
    return _without_last_write(op)


def _without_last_write(op: Op) -> Op:
    def step(*values: Any) -> list[Outcome]:
        return [o._replace(written=o.written[:-1]) for o in op.step(*values)]

    return Op(op.name, op.reads, op.writes[:-1], step)


def _one_page_less(value: Any) -> Any:
    if isinstance(inner := getattr(value, "request", None), FlushRequest):
        return replace(value, request=_one_page_less(inner))
    if not isinstance(value, FlushRequest):
        return value
    return value._replace(end=value.end - 1) if value.end is not None else FlushRequest(1, 1 << 40)


def deafened(op: Op) -> Op:
    """The first CPU is forgotten, by the sending and by the waiting."""
    if not op.writes:
        return Op(op.name, op.reads[1:], (), lambda *v: op.step(None, *v))

    def step(*values: Any) -> list[Outcome]:
        return [o._replace(written=o.written[1:]) for o in op.step(*values)]

    return Op(op.name, op.reads, op.writes[1:], step)


def hopeful(op: Op) -> Op:
    """Whatever the allocator says, the answer is taken for a page."""
    return _answered(op, True)


def _answered(op: Op, value: Any) -> Op:
    return Op(op.name, op.reads, op.writes, lambda *v: [o._replace(value=value) for o in op.step(*v)], event=op.event)


def _rewritten(op: Op, change: Callable[[Any], Any]) -> Op:
    def step(*values: Any) -> list[Outcome]:
        return [o._replace(written=tuple(map(change, o.written))) for o in op.step(*values)]

    return Op(op.name, op.reads, op.writes, step, event=op.event)


_CHANGES: dict[str, Callable[[Op], Op]] = {
    "drop": dropped,
    "short": shortened,
    "deaf": deafened,
    "hopeful": hopeful,
}
