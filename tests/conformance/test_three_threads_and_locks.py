"""The explorer's machines beside the litmus machines: random programs of three threads, and with locked sections.

Under sequential consistency and TSO the final states are the same.  So they are on the weak machines, where the program
orders its loads.  A lock is what each architecture makes of it: riscv's is fully ordered where nobody holds it, and
the explorer's is an acquire alone, the weaker of all; so it has all final states of riscv and arm64, and some more.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest

from core.machine.lock import spin_lock, spin_unlock
from core.machine.task import Task
from tests.conformance.test_explorer_and_litmus import litmus, op_of, without_the_restriction
from tests.conformance.test_memory_model import LOCK, Code, outcomes

Words = list[Any]
Threads = list[list[Words]]


def accesses(rng: random.Random, values: Iterator[int], number: int) -> list[Words]:
    """So many loads, stores, and now and then an atomic operation or a barrier."""
    found = list[Words]()
    for _ in range(number):
        cell, kind = rng.choice("xy"), rng.choices(("R", "W", "rel", "full", "mb"), (6, 5, 1, 1, 1))[0]
        match kind:
            case "R":
                found.append(["R", "r", cell])
            case "W" | "rel":
                found.append(["W", cell, next(values), *(["rel"] if kind == "rel" else [])])
            case "full":
                found.append(["LDOP", "add", "r", cell, 16, "full"])
            case "mb":
                found.append(["F", "mb"])
    return found


def three(seed: str, number: int) -> Iterator[Threads]:
    """Programs of three threads with two instructions each."""
    rng = random.Random(seed)
    for _ in range(number):
        values = itertools.count(1)
        yield [numbered(accesses(rng, values, 2)) for _ in range(3)]


def locked(seed: str, number: int) -> Iterator[Threads]:
    """Programs of two threads: an access in a locked section, one before and one behind; every second takes no lock."""
    rng = random.Random(seed)
    for _ in range(number):
        values, threads = itertools.count(1), Threads()
        for takes in (True, rng.random() < 0.5):
            before, inside, behind = (accesses(rng, values, 1) for _ in range(3))
            lock, unlock = ([["LOCK", "l"]], [["UNLOCK", "l"]]) if takes else ([], [])
            threads.append(numbered([*before, *lock, *inside, *unlock, *behind]))
        yield threads


def numbered(code: list[Words]) -> list[Words]:
    """Each instruction that loads has a register of its own."""
    return [
        ["R", f"r{k}", *x[2:]] if x[0] == "R" else [*x[:2], f"r{k}", *x[3:]] if x[0] == "LDOP" and x[2] else x
        for k, x in enumerate(code)
    ]


def running(code: list[Words]) -> Code:
    async def program(task: Task) -> list[int]:
        seen = []
        for words in code:
            if words[0] == "LOCK":
                await spin_lock(LOCK, task)
            elif words[0] == "UNLOCK":
                await spin_unlock(LOCK, task)
            elif (value := await op_of(words)) is not None:
                seen.append(value)
        return seen

    return program


def explored(kind: str, threads: Threads) -> set[tuple[Any, ...]]:
    return outcomes(kind, *map(running, threads))


@pytest.mark.parametrize(("kind", "architecture"), [("sc", "sc"), ("tso", "x86")])
def test_three_threads_have_the_same_final_states(kind: str, architecture: str) -> None:
    for threads in three(kind, 30):
        assert explored(kind, threads) == litmus(architecture, threads), threads


def test_so_they_have_on_the_weak_machine_where_loads_are_ordered() -> None:
    more = 0
    for threads in map(without_the_restriction, three("ordered", 30)):
        here = explored("weak", threads)
        assert here == litmus("riscv", threads), threads
        more += here > explored("sc", threads)
    assert more >= 3


@pytest.mark.parametrize(("kind", "architecture"), [("sc", "sc"), ("tso", "x86")])
def test_locked_sections_have_the_same_final_states(kind: str, architecture: str) -> None:
    for threads in locked(kind, 30):
        assert explored(kind, threads) == litmus(architecture, threads), threads


def test_the_lock_of_the_weak_machine_is_the_weaker_of_all() -> None:
    more = {"riscv": 0, "arm64": 0, "sc": 0}
    for threads in map(without_the_restriction, locked("weak", 30)):
        here = explored("weak", threads)
        more["sc"] += here > explored("sc", threads)
        for architecture in ("riscv", "arm64"):
            there = litmus(architecture, threads)
            assert there <= here, threads
            more[architecture] += there < here
    assert 0 < more["riscv"] <= more["sc"]
