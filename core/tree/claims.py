"""What a stretch rests on (core.tree.stretch), asked of a model: does anybody else touch what a CPU takes for its own?

The suite's scenarios are asked by tests.  One from outside is asked where a row of C that has stretches judges it:
what breaks a claim there is an error, for the verdict would not be that of the C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from core.explore import Limits
from core.explore.learn import Automaton
from core.explore.model import Model
from core.explore.ordered import tables_of
from core.explore.reached import Reached
from core.machine.ipi import irqs_off_cell
from core.machine.op import Cell, Cpu, Op
from core.machine.tlb import TLB
from core.mm.era import Era
from core.mm.mm import CPUMASK
from core.plugins.arch import Arch, PluginError
from core.tree.stretch import Reach

MOST_STATES = 20_000
"""So many states are searched for what a check of translations may find."""

Claim = Callable[[Cpu, tuple[int, ...]], Reach]
"""What a stretch on a CPU takes for its own, where translations of these virtual pages are cached."""

Exempt = Callable[[Automaton], frozenset[int]]
"""The local states of a thread, by their numbers, in which no other CPU has interrupts off."""


def nothing_exempt(learned: Automaton) -> frozenset[int]:
    """None of them."""
    return frozenset()


Build = Callable[[Arch, Era], Model]
"""The build function of a scenario."""


def resting(of_scenario: Build) -> Build:
    """`of_scenario`, whose model is asked what stretches rest on: it raises PluginError if the model breaks that.

    A row has stretches if its plugin says what they take for a CPU's own: `reach_of_stretches(cpu, addrs)`.
    """

    def build(arch: Arch, era: Era) -> Model:
        model = of_scenario(arch, era)
        claimed = getattr(arch.plugin, "reach_of_stretches", None)
        if claimed is not None and CPUMASK in model.initial:
            for said in broken(model, claimed):
                raise PluginError(f"{said}, which C with interrupts off takes for its own (core/tree/stretch.py)")
        return model

    build.__module__ = of_scenario.__module__
    return build


def pages_of(ops: Iterable[Op]) -> tuple[int, ...]:
    """The virtual pages whose translations these operations touch."""
    return tuple(sorted({cell.index[1] for op in ops for cell in (*op.reads, *op.writes) if cell.array == TLB}))  # type: ignore[index]


def broken(model: Model, claimed: Claim, exempt: Exempt = nothing_exempt) -> Iterator[str]:
    """What threads and daemons touch, change or return of other CPUs' words though a stretch rests on it."""
    tables = tables_of(model)
    reached = cache(lambda: Reached(tables, Limits(max_states=MOST_STATES)))
    ops = [state.op for learned in tables.automata for state in learned.states if state.op is not None]
    addrs = pages_of([*ops, *(daemon.op for daemon in model.daemons)])
    cpus = {thread.cpu for thread in model.threads} | {daemon.cpu for daemon in model.daemons}
    reaches = {cpu: claimed(cpu, addrs) for cpu in sorted(cpus)}
    for number, learned in enumerate(tables.automata):
        name, left_out = learned.thread.name, exempt(learned)
        for state in learned.states:
            if state.op is None or state.number in left_out:
                continue
            here = learned.thread.cpu if state.op.cpu is None else state.op.cpu
            for reach in (reach for cpu, reach in reaches.items() if cpu != here):
                memories = _memories(reached, number, state.number, state.op, reach)
                yield from (f"{name}: {said}" for said in wrong(state.op, reach, memories))
    for daemon in model.daemons:
        for cpu, reach in reaches.items():
            if daemon.cpu != cpu:
                memories = _memories(reached, None, 0, daemon.op, reach)
                yield from (f"{daemon.name}: {said}" for said in wrong(daemon.op, reach, memories))
            elif set(daemon.op.writes) - set(reach.cached) and irqs_off_cell(cpu) not in daemon.op.reads:
                yield f"{daemon.name}: {daemon.op.name} goes on while interrupts are off"


def _memories(
    reached: Callable[[], Reached], thread: int | None, local: int, op: Op, reach: Reach
) -> Iterable[Mapping[Cell, Any]]:
    """What memory may hold there, if the operation looks at translations: a search is made for that alone."""
    return reached().memories(thread, local, op.reads, frozenset()) if set(op.reads) & set(reach.cached) else ()


def wrong(op: Op, reach: Reach, memories: Iterable[Mapping[Cell, Any]]) -> Iterator[str]:
    """What an operation of another CPU does that it may not do to the cells of `reach`."""
    if {*op.reads, *op.writes} & {*reach.private}:
        yield f"{op.name} touches what is private"
    if set(op.writes) & {*reach.shown, *reach.cached}:
        yield f"{op.name} changes words of another CPU"
    for memory in memories:
        with_it, without = (
            op.step(*(None if none and cell in reach.cached else memory[cell] for cell in op.reads))
            for none in (False, True)
        )
        if [(o.value, o.written) for o in with_it] != [(o.value, o.written) for o in without]:
            yield f"{op.name} goes by translations of another CPU"
        if any(o.violated for o in without) and not any(o.violated for o in with_it):
            yield f"{op.name} finds more where less is cached"
