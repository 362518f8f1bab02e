"""What kernel code must do whatever it is about: looked at in any program.

Who changes an entry of a page table must hold a page-table lock.  Who asks on which CPU he is must not be preemptible,
or he may be on another one when he uses the answer (CONFIG_DEBUG_PREEMPT).

Hardware is exempt: a walker sets a dirty bit without asking.  It is the program that is looked at, not the state, so a
model has no more states by it.  A model does not say how many entries its tables have; so it is not asked whose lock it
is.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from core.explore.model import Model, Thread
from core.machine.op import Cell, Op, Outcome, doing
from core.machine.order import Order
from core.mm.pgtable import ENTRY_WITHOUT_LOCK

PREEMPTIBLE = "this-cpu-preemptible"


def with_lock_discipline(model: Model) -> Model:
    """The model, in which a program that writes to an entry without a page-table lock violates entry-without-lock."""
    return replace(model, threads=tuple(map(_watched, model.threads)))


def _watched(thread: Thread) -> Thread:
    return replace(thread, program=lambda: under_a_lock(thread.program()))


async def under_a_lock(program: Coroutine[Op, Any, Any]) -> Any:
    """Run `program`; it must hold a page-table lock whenever it changes an entry."""
    held: frozenset[Cell] = frozenset()

    async def do(op: Op) -> Any:
        nonlocal held
        if not held and op.order is not Order.WALK and any(cell.array == "pte" for cell in op.writes):
            await _violation(op)
        value = await op
        held = _after(held, op, value)
        return value

    return await doing(program, do)


def _violation(op: Op) -> Op:
    """A step that reads what `op` would write to, so that a trace shows where."""
    outcomes = [Outcome(None, (), ENTRY_WITHOUT_LOCK)]
    return Op(f"without a lock: {op.name}", op.writes, (), lambda *values: outcomes, order=Order.PRIVATE)


def _after(held: frozenset[Cell], op: Op, value: Any) -> frozenset[Cell]:
    """The page-table locks that are held after the operation, which has returned `value`."""
    locks = frozenset(cell for cell in op.writes if cell.array == "ptl")
    word = op.name.partition(" ")[0]
    if word == "unlock":
        return held - locks
    return held if word == "trylock" and not value else held | locks


async def with_this_cpu(program: Coroutine[Op, Any, Any]) -> Any:
    """Run `program`; it violates this-cpu-preemptible if it calls smp_processor_id() where it may be preempted.

    lib/smp_processor_id.c:check_preemption_disabled().
    """
    preempt_count = 0

    async def do(op: Op) -> Any:
        nonlocal preempt_count
        if op.name == "smp_processor_id" and not preempt_count:
            await _preemptible()
        value = await op
        preempt_count += op.preempt
        return value

    return await doing(program, do)


def _preemptible() -> Op:
    outcomes = [Outcome(None, (), PREEMPTIBLE)]
    return Op("smp_processor_id() in preemptible code", (), (), lambda: outcomes, order=Order.PRIVATE)
