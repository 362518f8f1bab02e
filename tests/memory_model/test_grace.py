"""Grace periods: what is done at once loses no final state."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from core.memory_model.program import Program
from core.memory_model.search import explore
from core.memory_model.weak import canonical, grace
from core.memory_model.weak.context import Context
from core.memory_model.weak.machine import Weak
from core.memory_model.weak.state import ARMV8
from core.truth.litmus import kernel
from core.truth.litmus.machines import TARGETS
from core.truth.litmus.tests import parse_test

Words = list[Any]


def random_thread(rng: random.Random, values: Iterator[int], domain: list[str]) -> list[Words]:
    """Some accesses, with a section around them, or a grace period between."""
    kind = ["RCU"] if not domain else ["SRCU"]
    code: list[Words] = [
        ["R", f"r{k}", rng.choice("xy")] if rng.random() < 0.5 else ["W", rng.choice("xy"), next(values)]
        for k in range(rng.choice((1, 2, 2)))
    ]
    what = rng.choice(("section", "sync", "plain"))
    if what == "sync":
        code.insert(rng.randint(0, len(code)), [*kind, "sync", *domain])
    elif what == "section":
        cookie = ["c"] if domain else []
        code = [[*kind, "lock", *domain, *cookie], *code, [*kind, "unlock", *domain, *cookie]]
    return code


def samples(seed: str, number: int) -> Iterator[tuple[Program, list[tuple[int, str]]]]:
    """Programs of arm64 with a grace period at least, and their registers."""
    rng = random.Random(seed)
    made = 0
    while made < number:
        values, domain = itertools.count(1), rng.choice(([], [], ["s"]))
        threads = [random_thread(rng, values, domain) for _ in range(3)]
        if not any("sync" in x for code in threads for x in code):
            continue
        made += 1
        registers = [(t, x[1]) for t, code in enumerate(threads) for x in code if x[0] == "R"]
        condition = ["and", ["true"], *(["eq", ["reg", t, r], 0] for t, r in registers)]
        row = {"id": "x", "threads": threads, "init": {"mem": {"x": 0, "y": 0}}, "condition": condition}
        test = parse_test("x", json.dumps({**row, "locks": domain}))
        yield kernel.program_of(test, TARGETS["arm64"].primitives), registers


def finals(program: Program, registers: list[tuple[int, str]]) -> tuple[set[Any], int]:
    found = explore(Weak(program, ARMV8))
    assert found.exhaustive
    return {
        (tuple(x.registers.get(place, 0) for place in registers), x.memory["x"], x.memory["y"]) for x in found.finals
    }, found.states


def test_passing_and_storing_at_once_lose_no_final_state(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = list(samples("grace", 25))
    reduced = [finals(*x) for x in programs]
    monkeypatch.setattr(grace, "_gains_nothing", lambda context, state, j, domain: state.cpus[j].pc is None)
    monkeypatch.setattr(Context, "eager", False)
    monkeypatch.setattr(canonical, "_is_asked", lambda context, state, i: True)
    plain = [finals(*x) for x in programs]
    assert [x for x, _ in reduced] == [x for x, _ in plain]
    assert sum(n for _, n in reduced) < 0.9 * sum(n for _, n in plain)


UPDATER = [["W", "x", 1], ["RCU", "sync"], ["W", "z", 1]]
LATER = [["RCU", "lock"], ["W", "y", 1], ["R", "r0", "z"], ["RCU", "unlock"]]
READER = [["R", "r0", "y"], ["R", "r1", "x"]]


def test_to_pass_before_two_loads_would_lose_a_final_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: the section sees what follows the grace period, so it begins behind its beginning.  Whoever
    reads what the section stores may still read x in the past, if it passes behind its loads."""
    wanted = ["and", ["eq", ["reg", 1, "r0"], 1], ["eq", ["reg", 2, "r0"], 1], ["eq", ["reg", 2, "r1"], 0]]
    row = {"id": "x", "threads": [UPDATER, LATER, READER], "init": {"mem": dict.fromkeys("xyz", 0)}, "locks": []}
    program = kernel.program_of(parse_test("x", json.dumps({**row, "condition": wanted})), TARGETS["arm64"].primitives)
    places = [(1, "r0"), (2, "r0"), (2, "r1")]
    assert any(x[0] == (1, 1, 0) for x in finals(program, places)[0])
    monkeypatch.setattr(grace, "_gains_nothing", lambda context, state, j, domain: True)
    assert not any(x[0] == (1, 1, 0) for x in finals(program, places)[0])
