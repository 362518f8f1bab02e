"""Compare-and-swap on Armv8: whether it succeeds may be known only when its comparand is."""

from __future__ import annotations

import json

import pytest

from core.memory_model.search import explore
from core.memory_model.weak.machine import Weak
from core.memory_model.weak.state import ARMV8, Guess
from core.truth.litmus.condition import holds
from core.truth.litmus.tests import parse_test, program_of

READER = [["R", "r3", "x"], ["W", "y", 1, "rel"]]
"""The other thread of a load-buffering test: it reads x, and then lets y be read."""


def compared(expected: object, found: int, *then: list[object]) -> list[list[object]]:
    """A load of y, a compare-and-swap on z that compares with what was loaded, xored with itself, and `then`."""
    return [["R", "r1", "y"], ["ALU", "r4", "eor", "r1", "r1"], ["CAS", "r5", "z", expected, 7], *then]


BY_RESULT = [["ALU", "r6", "eor", "r5", "r5"], ["W", {"base": "x", "idx": "r6"}, 1]]
BY_MEMORY = [["R", "r7", "z"], ["ALU", "r6", "eor", "r7", "r7"], ["W", {"base": "x", "idx": "r6"}, 1]]
BOTH_READ = ["and", ["eq", ["reg", 0, "r3"], 1], ["eq", ["reg", 1, "r1"], 1]]

CASES = {
    "fails, and its result depends on memory alone": (compared("r4", 2, *BY_RESULT), 2, True),
    "fails, and what it left is read": (compared("r4", 2, *BY_MEMORY), 2, True),
    "succeeds, and what it stored is read": (compared("r4", 0, *BY_MEMORY), 0, False),
    "compares with a value, and fails": (compared(3, 2, *BY_RESULT), 2, True),
    "its own store comes after the load": (
        [["R", "r1", "y"], ["ALU", "r4", "eor", "r1", "r1"], ["CAS", "r5", "x", "r4", 1]],
        0,
        False,
    ),
}
"""The second thread, what z holds, and whether both threads may read what the other has stored (load buffering)."""


def reaches(second: list[list[object]], z: int, condition: object, first: object = READER) -> bool:
    row = {"id": "x", "threads": [first, second], "init": {"mem": {"x": 0, "y": 0, "z": z}}, "condition": condition}
    test = parse_test("x", json.dumps(row))
    found = explore(Weak(program_of(test), ARMV8))
    assert found.exhaustive
    return any(holds(test.condition, x) for x in found.finals)


@pytest.mark.parametrize("name", CASES)
def test_load_buffering_through_a_compare_and_swap(name: str) -> None:
    second, z, allowed = CASES[name]
    assert reaches(second, z, BOTH_READ) == allowed


def test_a_wrong_guess_ends_the_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """It found 2, so it cannot have stored 7; a machine that never looks again would say that it has."""
    second = compared("r4", 2, ["W", "x", 1])
    stored = ["and", BOTH_READ, ["eq", ["mem", "z"], 7]]
    assert not reaches(second, 2, stored)
    monkeypatch.setattr(Guess, "is_right", lambda self: None if self.left != self.right else True)
    assert reaches(second, 2, stored)


def test_one_that_fails_may_find_an_old_value() -> None:
    """It is a load: behind a branch on what it sees of another thread it may still read the past."""
    writer = [["W", "z", 5], ["W", "y", 1, "rel"]]
    second = [["R", "r1", "y"], ["CBNZ", "r1", "L"], ["label", "L"], ["CAS", "r5", "z", 9, 7]]
    old = ["and", ["eq", ["reg", 1, "r1"], 1], ["eq", ["reg", 1, "r5"], 0]]
    assert reaches(second, 0, old, writer)
    second[-1] = ["CAS", "r5", "z", 0, 7]  # one that succeeds has to be the last before 5, and 5 was there
    assert not reaches(second, 0, old, writer)


def test_without_a_result_an_atomic_with_acquire_and_release_is_no_barrier() -> None:
    """SWPAL with XZR: the load behind it may be earlier than its store; with a result it may not."""
    condition = ["and", ["eq", ["reg", 0, "r1"], 0], ["eq", ["reg", 1, "r1"], 0]]
    for register, allowed in ((0, True), ("r9", False)):
        first, second = ([["SWP", register, a, 1, "al"], ["R", "r1", b]] for a, b in (("x", "y"), ("y", "x")))
        assert reaches(second, 0, condition, first) == allowed
