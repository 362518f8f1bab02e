"""Random tests: every final state of a machine is one of an execution by the axioms, and the other way round."""

from __future__ import annotations

import json
import random

import pytest

from core.memory_model.search import explore
from core.memory_model.weak.machine import Weak
from core.memory_model.weak.state import ARMV8, RVWMO
from core.truth.litmus.machines import TARGETS
from core.truth.litmus.tests import parse_test, program_of
from tests.memory_model.axioms import CELLS, Result, events_of, outcomes, random_threads

NUMBER = 250
"""Tests per architecture."""


def build(threads):
    registers = [(e.thread, e.register) for e in events_of(threads) if e.kind == "R"]
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
        if sum(e.kind == "W" for e in events_of(threads)) <= 4:
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


@pytest.mark.parametrize(("architecture", "rules"), [("arm64", ARMV8), ("riscv", RVWMO)])
def test_keeping_loads_in_blocks_loses_no_final_state(architecture: str, rules: object) -> None:
    work = []
    for threads in samples(architecture, 3, 120):
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
