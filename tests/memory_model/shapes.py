"""The classic shapes of litmus tests, with something between the two accesses of each thread.

A shape gives threads of two accesses, `Wx1` (store 1 to x) or `Ry` (load y), and the condition.  A separator is what
stands between them: a barrier, a dependency, or an order of the accesses themselves.  `build` makes the test in the
format of the files, so that these go the same way as a published test.
"""

from __future__ import annotations

import json
from typing import Any

from core.truth.litmus.tests import LitmusTest, parse_test

Words = list[Any]

SHAPES = {
    "MP": (("Wx1 Wy1", "Ry Rx"), {"1:0": 1, "1:1": 0}),
    "SB": (("Wx1 Ry", "Wy1 Rx"), {"0:1": 0, "1:1": 0}),
    "LB": (("Rx Wy1", "Ry Wx1"), {"0:0": 1, "1:0": 1}),
    "R": (("Wx1 Wy1", "Wy2 Rx"), {"1:1": 0, "y": 2}),
    "S": (("Wx2 Wy1", "Ry Wx1"), {"1:0": 1, "x": 2}),
    "2+2W": (("Wx1 Wy2", "Wy1 Wx2"), {"x": 1, "y": 1}),
    "WRC": (("Wx1", "Rx Wy1", "Ry Rx"), {"1:0": 1, "2:0": 1, "2:1": 0}),
    "IRIW": (("Wx1", "Rx Ry", "Wy1", "Ry Rx"), {"1:0": 1, "1:1": 0, "3:0": 1, "3:1": 0}),
    "ISA2": (("Wx1 Wy1", "Ry Wz1", "Rz Rx"), {"1:0": 1, "2:0": 1, "2:1": 0}),
    "RWC": (("Wx1", "Rx Ry", "Wy1 Rx"), {"1:0": 1, "1:1": 0, "2:1": 0}),
    "Z6.3": (("Wx1 Wy1", "Wy2 Wz1", "Rz Rx"), {"y": 2, "2:0": 1, "2:1": 0}),
    "W+RWC": (("Wx1 Wy1", "Ry Rz", "Wz1 Rx"), {"1:0": 1, "1:1": 0, "2:1": 0}),
}
"""Threads, and the final state that is asked for: THREAD:ACCESS is the value that the access loaded."""

BARRIERS: dict[str, list[Words]] = {
    "po": [],
    "dmb": [["DMB", "ish"]],
    "dmb.ld": [["DMB", "ishld"]],
    "dmb.st": [["DMB", "ishst"]],
    "dsb": [["DSB", "ish"]],
    "isb": [["ISB"]],
    "mfence": [["MFENCE"]],
    "lfence": [["LFENCE"]],
    "sfence": [["SFENCE"]],
    "fence.i": [["FENCEI"]],
    "fence.tso": [["FENCE", "tso"]],
} | {f"fence.{p}.{s}": [["FENCE", p, s]] for p in ("r", "w", "rw") for s in ("r", "w", "rw")}

ORDERS = {
    "rel": (None, "rel"),
    "acq": ("acq", None),
    "acqpc": ("acqpc", None),
    "relpc": ("rel", "acqpc"),
    "ar": ("first", "second"),
}
"""What is written behind the first and the second access; 'ar' makes each an acquire or a release."""


def access(text: str, place: str) -> Words:
    """The instruction of `Wx1` or `Ry`; the loaded value goes to a register named after the place."""
    return ["W", text[1], int(text[2:])] if text[0] == "W" else ["R", f"r{place}", text[1]]


def join(first: Words, second: Words, separator: str) -> list[Words]:
    """Two accesses with `separator` between them."""
    if separator in BARRIERS:
        return [first, *BARRIERS[separator], second]
    if separator in ORDERS:
        return [_ordered(first, ORDERS[separator][0]), _ordered(second, ORDERS[separator][1])]
    return [first, *_dependency(first[1], second, separator)]


def _ordered(words: Words, kind: str | None) -> Words:
    if kind in ("first", "second"):
        kind = "acq" if words[0] == "R" else "rel"
    return words if kind is None else [*words, kind]


def _dependency(register: str, second: Words, separator: str) -> list[Words]:
    zero = f"zero{register}"
    compute = ["ALU", zero, "eor", register, register]
    if separator == "addr":
        at = 2 if second[0] == "R" else 1
        return [compute, [*second[:at], {"base": second[at], "idx": zero}, *second[at + 1 :]]]
    if separator == "data":
        value = f"value{register}"
        return [compute, ["ALU", value, "add", zero, second[2]], [*second[:2], value]]
    branch: list[Words] = [["CBNZ", register, f"L{register}"], ["label", f"L{register}"]]
    return [*branch, *([["ISB"]] if separator == "ctrlisb" else []), second]


def shape(name: str, separators: list[str], key: str = "armv8") -> LitmusTest:
    """The test of `name` with `separators`, one for each thread of two accesses."""
    threads, wanted = SHAPES[name]
    left = list(separators)
    code = []
    for number, thread in enumerate(threads):
        words = [access(x, f"{number}{k}") for k, x in enumerate(thread.split())]
        code.append(join(words[0], words[1], left.pop(0)) if len(words) == 2 else words)
    assert not left
    return build(f"{key}/{name}+{'+'.join(separators)}", code, wanted)


def one(threads: list[list[Words]], wanted: dict[str, int], key: str = "armv8") -> LitmusTest:
    """A test of these instructions; `wanted` is its final state, as in SHAPES (a register by THREAD:NAME)."""
    return build(f"{key}/one of its own", threads, wanted)


def build(name: str, threads: list[list[Words]], wanted: dict[str, int]) -> LitmusTest:
    condition: Words = ["and"]
    for place, value in wanted.items():
        thread, _, number = place.rpartition(":")
        register = f"r{thread}{number}" if number.isdigit() else number
        condition.append(["eq", ["reg", int(thread), register] if thread else ["mem", place], value])
    row = {"id": name, "threads": threads, "init": {"mem": {}, "regs": {}}, "condition": condition}
    return parse_test(name, json.dumps(row))


Table = dict[str, str]


def variants(table: Table, key: str) -> list[tuple[str, LitmusTest, bool]]:
    """Every variant of a table of verdicts: its name, the test, and whether it is allowed."""
    result = []
    for name, rows in table.items():
        for row in rows.split():
            separators, _, verdict = row.partition(":")
            made = shape(name, separators.split("+"), key)
            result.append((made.id, made, {"A": True, "F": False}[verdict]))
    return result
