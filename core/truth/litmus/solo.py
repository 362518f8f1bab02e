"""The programs of a scenario, each run with nobody else there: what becomes a litmus test of all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.explore.model import Model, Thread
from core.machine.ipi import CSD
from core.machine.lock import MMAP_LOCK
from core.machine.memory import GHOSTS, USER
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import PTE
from core.mm.mm import CPUMASK
from core.truth.litmus.from_scenario import MOST, DoesNotFit

READERS = ("mmap_read_lock", "mmap_read_trylock", "mmap_read_unlock")
"""Operations that exclude none of their kind."""

RUNS = 64
"""Runs and beginnings of runs of a program at most."""


@dataclass
class Alone:
    """A program run alone, until it ends, or reads a mask that others change: `forks`."""

    steps: list[tuple[Op, Outcome]] = field(default_factory=list)
    forks: bool = False


def run(model: Model, thread: Thread, masks: tuple[Any, ...], forking: bool) -> Alone:
    """The thread's program with nobody else; what it sends is served.  `masks` are what it finds in mm_cpumask."""
    found, memory, program, left = Alone(), dict[Cell, Any](), thread.program(), list(masks)
    value: Any = None
    try:
        while len(found.steps) < MOST:
            op = program.send(value)
            if forking and CPUMASK in op.reads and CPUMASK not in op.writes:
                if not left:
                    found.forks = True
                    return found
                memory[CPUMASK] = left.pop(0)
            outcomes = _outcomes(model, thread, op, memory)
            if not outcomes and any(c.array == CSD for c in op.reads):
                memory.update((c, None) for c in op.reads if c.array == CSD)
                outcomes = _outcomes(model, thread, op, memory)
            if not outcomes:
                raise DoesNotFit(f"{thread.name} waits for another program: {op.name}")
            memory.update(zip(op.writes, outcomes[0].written, strict=True))
            found.steps.append((op, outcomes[0]))
            value = outcomes[0].value
    except StopIteration:
        return found
    finally:
        program.close()
    raise DoesNotFit(f"{thread.name} has more than {MOST} operations")


def _outcomes(model: Model, thread: Thread, op: Op, memory: Mapping[Cell, Any]) -> Sequence[Outcome]:
    """What the operation does alone.  DoesNotFit if it relies on what another program has done before."""
    try:
        return op.step(*(memory[c] if c in memory else model.initial[c] for c in op.reads))
    except (KeyError, TypeError):
        raise DoesNotFit(f"{thread.name} relies on another program: {op.name}") from None


def every(model: Model, thread: Thread, masks: Sequence[Any]) -> Iterator[Alone]:
    """The runs of a program to its end, one for each sequence of masks that it may find."""
    todo: list[tuple[Any, ...]] = [()]
    for number in itertools.count():
        if not todo:
            return
        if number > RUNS:
            raise DoesNotFit(f"{thread.name} reads mm_cpumask too often")
        found = run(model, thread, prefix := todo.pop(), True)
        if found.forks:
            todo += [(*prefix, mask) for mask in masks]
        else:
            yield found


def pages(runs: Sequence[Alone]) -> list[int]:
    """The virtual pages that the user code of a program accesses."""
    steps = [step for one in runs for step in one.steps]
    cells = (cell for op, _ in steps if op.order is Order.WALK for cell in op.reads if cell.array == PTE)
    return list(dict.fromkeys(cell.index for cell in cells if isinstance(cell.index, int)))


def shared(alone: Sequence[Sequence[Alone]]) -> frozenset[Cell]:
    """The cells of kernel memory that several programs access and one changes, entries and messages apart."""
    apart = GHOSTS | USER | {PTE, CSD}
    ops = [[op for one in runs for op, _ in one.steps] for runs in alone]
    touched = [{cell for op in of_one for cell in (*op.reads, *op.writes)} for of_one in ops]
    changes = (op for of_one in ops for op in of_one if not (MMAP_LOCK in op.writes and op.name in READERS))
    written = {cell for op in changes for cell in op.writes}
    return frozenset(
        cell for cell in written if cell.array not in apart and sum(cell in cells for cells in touched) > 1
    )


def masks(model: Model, runs: Sequence[Alone]) -> list[Any]:
    """The values that mm_cpumask may have."""
    found = [model.initial[CPUMASK]]
    changes = {op.name: op for one in runs for op, _ in one.steps if CPUMASK in op.reads and CPUMASK in op.writes}
    for mask in found:
        for op in changes.values():
            if (changed := after(model, op, mask)) not in found:
                found.append(changed)
    return found


def after(model: Model, op: Op, mask: Any) -> Any:
    """What an operation makes of mm_cpumask."""
    (outcome,) = op.step(*(mask if cell == CPUMASK else model.initial[cell] for cell in op.reads))
    return outcome.written[op.writes.index(CPUMASK)]
