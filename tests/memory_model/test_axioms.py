"""Random tests: every final state of a machine is one of an execution by the axioms, and the other way round."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace

import pytest

from core.memory_model.search import explore
from core.memory_model.weak.guarded import locked
from core.memory_model.weak.machine import Weak
from core.memory_model.weak.state import ARMV8, RVWMO
from core.truth.litmus import kernel
from core.truth.litmus.machines import TARGETS
from core.truth.litmus.primitives import KernelWord
from core.truth.litmus.tests import parse_test, program_of
from tests.memory_model.axioms import Result, outcomes
from tests.memory_model.random_threads import CELLS, random_threads, registers_of

NUMBER = 250
"""Tests per architecture."""


def build(threads):
    registers = registers_of(threads)
    condition = ["and", *(["eq", ["reg", t, r], 0] for t, r in registers)]
    row = {"id": "random", "threads": threads, "init": {"mem": dict.fromkeys(CELLS, 0)}, "condition": condition}
    return program_of(parse_test("random", json.dumps(row))), registers


def reached(machine, registers) -> set[Result]:
    found = explore(machine)
    assert found.exhaustive
    return {
        (
            tuple((place, x.registers.get(place, 0)) for place in registers),
            tuple((cell, x.memory[cell]) for cell in CELLS),
        )
        for x in found.finals
    }


def samples(architecture: str, seed: int, number: int = NUMBER):
    rng = random.Random(f"{architecture} {seed}")
    made = 0
    while made < number:
        threads = random_threads(rng, architecture)
        if sum(x[0] in ("W", "SWP", "CAS", "STX") for code in threads for x in code) <= 4:
            made += 1
            yield threads


@pytest.mark.parametrize("architecture", ["sc", "x86", "riscv", "arm64"])
def test_machine_and_axioms_have_the_same_final_states(architecture: str) -> None:
    different = []
    for threads in samples(architecture, 1):
        program, registers = build(threads)
        machine = reached(TARGETS[architecture].make(program, ""), registers)
        axioms = outcomes(threads, architecture)
        if machine != axioms:
            different.append((threads, "missing", axioms - machine, "extra", machine - axioms))
    assert not different


def test_the_models_differ_on_the_random_tests() -> None:
    """Else the comparison would say nothing: TSO allows more than SC, Armv8 more than TSO, on some of them."""
    more = {"x86": 0, "arm64": 0}
    for architecture in more:
        for threads in samples(architecture, 2, 100):
            more[architecture] += outcomes(threads, architecture) > outcomes(threads, "sc")
    assert more["arm64"] > more["x86"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "rules"), [("arm64", ARMV8), ("riscv", RVWMO)])
def test_keeping_loads_in_blocks_loses_no_final_state(architecture: str, rules: object) -> None:
    work = []
    for threads in samples(architecture, 3, 60):
        program, registers = build(threads)
        with_blocks, without = (Weak(program, rules, blocks) for blocks in (True, False))  # type: ignore[arg-type]
        assert reached(with_blocks, registers) == reached(without, registers), threads
        work.append((steps(with_blocks), steps(without)))
    assert sum(a for a, _ in work) < sum(b for _, b in work)


def steps(machine: Weak) -> int:
    """How many steps a search of `machine` tries."""
    first = machine.initial()
    seen, todo, count = {machine.key(first)}, [first], 0
    while todo:
        for _, after in machine.steps(todo.pop()):
            count += 1
            if machine.key(after) not in seen:
                seen.add(machine.key(after))
                todo.append(after)
    return count


def locked_thread(rng: random.Random, values) -> list[list[object]]:
    """Sections under one of two locks, and accesses outside: some cells are guarded, others are not."""
    code: list[list[object]] = []
    for _ in range(rng.choice((1, 2))):
        lock, cells = rng.choice((("l", "xx"), ("m", "yy"), ("l", "xy"), ("", "y")))
        body: list[list[object]] = []
        for _ in range(rng.choice((1, 2))):
            cell, register = rng.choice(cells), f"r{len(code)}{len(body)}"
            body.append(rng.choice((["R", register, cell], ["W", cell, next(values)])))
        code += [["LOCK", lock], *body, ["UNLOCK", lock]] if lock else body
    return code


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["arm64", "riscv", "powerpc"])
@pytest.mark.parametrize("weakened", [None, "lock", "unlock"])
def test_stores_to_guarded_cells_lose_no_final_state(architecture: str, weakened: str | None) -> None:
    """Also with a lock that does not acquire, or an unlock that does not release: those guard nothing."""
    rng = random.Random(f"{architecture} {weakened}")
    words = TARGETS[architecture].primitives
    if weakened is not None:
        words = replace(words, **{weakened: KernelWord()})
    guarded = 0
    for _ in range(40):
        values = itertools.count(1)
        threads = [locked_thread(rng, values) for _ in range(2)]
        registers = [(t, x[1]) for t, code in enumerate(threads) for x in code if x[0] == "R"]
        condition = ["and", *(["eq", ["reg", t, r], 0] for t, r in registers)]
        row = {"id": "x", "threads": threads, "init": {"mem": dict.fromkeys(CELLS, 0)}, "condition": condition}
        test = parse_test("x", json.dumps({**row, "locks": ["l", "m"]}))
        program = kernel.program_of(test, words)
        rules = RVWMO if architecture == "riscv" else ARMV8
        assert reached(Weak(program, rules), registers) == reached(Weak(program, rules, False), registers), threads
        guarded += bool(locked(program).guarded)
    assert (guarded > 0) == (weakened is None)
