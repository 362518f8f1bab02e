"""Small programs for the explorer's tests: nothing of memory management."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from core.explore import Model, Property, Thread
from core.machine.op import Cell, Cpu, Op, Outcome, Tid

X, Y, LOCK_A, LOCK_B = Cell("x"), Cell("y"), Cell("lock", "a"), Cell("lock", "b")


def read(cell: Cell) -> Op:
    return Op(f"read {cell}", (cell,), (), lambda v: [Outcome(v)])


def write(cell: Cell, value: Hashable) -> Op:
    return Op(f"{cell} = {value}", (), (cell,), lambda: [Outcome(None, (value,))])


def add(cell: Cell) -> Op:
    return Op(f"{cell} += 1", (cell,), (cell,), lambda v: [Outcome(None, (v + 1,))])


def take(cell: Cell) -> Op:
    return Op(f"take {cell}", (cell,), (cell,), lambda held: [] if held else [Outcome(None, (True,))])


def drop(cell: Cell) -> Op:
    return Op(f"drop {cell}", (), (cell,), lambda: [Outcome(None, (False,))])


def thread(number: int, program: Callable[[], Coroutine[Op, Any, Any]]) -> Thread:
    return Thread(f"t{number}", Cpu(number), Tid(number), program)


def model(*programs: Callable[[], Coroutine[Op, Any, Any]], **parts: Any) -> Model:
    threads = tuple(thread(n, p) for n, p in enumerate(programs))
    initial = {X: 0, Y: 0, LOCK_A: False, LOCK_B: False}
    return Model("test", threads, parts.pop("initial", initial), **parts)


def final(name: str, holds: Callable[..., bool], *reads: Cell) -> Property:
    return Property(name, f"{name} does not hold.", reads, holds)


async def increment_torn() -> None:
    value = await read(X)
    await write(X, value + 1)


async def increment_atomic() -> None:
    await add(X)


async def a_then_b() -> None:
    await take(LOCK_A)
    await take(LOCK_B)
    await drop(LOCK_B)
    await drop(LOCK_A)


async def b_then_a() -> None:
    await take(LOCK_B)
    await take(LOCK_A)
    await drop(LOCK_A)
    await drop(LOCK_B)
