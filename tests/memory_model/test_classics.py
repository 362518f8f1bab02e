"""The classics: MP, SB, LB, R, S, 2+2W, WRC, IRIW and others, with what each architecture allows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.memory_model.search import explore
from core.memory_model.weak.machine import Weak
from core.memory_model.weak.state import ARMV8, RVWMO, Rules
from core.truth.litmus.condition import holds
from core.truth.litmus.machines import machine_of
from core.truth.litmus.tests import LitmusTest, parse_test, program_of
from tests.memory_model.shapes import Table, one, variants

ARMV8_TABLE: Table = {
    "MP": "po+po:A dmb+dmb:F dmb+po:A po+dmb:A dmb.st+dmb.ld:F dmb.st+addr:F dmb+addr:F dmb+ctrl:A dmb+ctrlisb:F"
    " dmb+isb:A rel+acq:F rel+acqpc:F dmb.ld+dmb:A dmb+dmb.st:A po+addr:A rel+addr:F",
    "SB": "po+po:A dmb+dmb:F dmb+po:A dmb.st+dmb.st:A dmb.ld+dmb.ld:A ar+ar:F relpc+relpc:A relpc+ar:A dsb+dsb:F"
    " isb+isb:A dmb+ar:F",
    "LB": "po+po:A dmb+dmb:F data+data:F addr+addr:F ctrl+ctrl:F data+po:A acq+acq:F rel+rel:F dmb.ld+dmb.ld:F"
    " dmb.st+dmb.st:A acqpc+data:F dmb+po:A",
    "R": "po+po:A dmb+dmb:F dmb.st+dmb:F rel+dmb:F dmb+po:A po+dmb:A dmb.st+dmb.st:A rel+ar:F rel+relpc:A dmb.ld+dmb:A",
    "S": "po+po:A dmb+dmb:F dmb.st+data:F dmb+addr:F dmb+ctrl:F dmb+po:A po+data:A rel+acq:F rel+rel:F dmb.ld+data:A",
    "2+2W": "po+po:A dmb+dmb:F dmb.st+dmb.st:F rel+rel:F dmb+po:A dmb.ld+dmb.ld:A",
    "WRC": "po+po:A data+addr:F dmb+addr:F addr+addr:F ctrl+addr:F po+addr:A data+po:A dmb+dmb:F rel+acq:F acq+addr:F"
    " dmb+ctrl:A data+ctrlisb:F",
    "IRIW": "po+po:A addr+addr:F dmb+dmb:F acq+acq:F acqpc+acqpc:F ctrl+ctrl:A dmb.ld+dmb.ld:F addr+po:A dmb+po:A"
    " ctrlisb+ctrlisb:F",
    "ISA2": "dmb+data+addr:F rel+ar+acq:F po+data+addr:A",
    "Z6.3": "dmb+dmb+addr:F po+dmb+addr:A",
    "W+RWC": "dmb+addr+dmb:F dmb+po+dmb:A",
    "RWC": "addr+dmb:F po+dmb:A",
}
"""Armv8: aarch64.cat.  `ctrl` is a branch, `ctrlisb` one with an ISB behind it."""

RVWMO_TABLE: Table = {
    "MP": "po+po:A fence.rw.rw+fence.rw.rw:F fence.w.w+fence.r.r:F fence.w.w+addr:F fence.w.w+ctrl:A fence.r.r+addr:A"
    " fence.w.w+fence.r.w:A fence.tso+fence.tso:F fence.rw.w+fence.r.rw:F fence.w.w+fence.i:A",
    "SB": "po+po:A fence.rw.rw+fence.rw.rw:F fence.w.r+fence.w.r:F fence.tso+fence.tso:A fence.w.w+fence.w.w:A"
    " fence.r.r+fence.r.r:A fence.rw.w+fence.rw.w:A",
    "LB": "po+po:A fence.r.w+fence.r.w:F data+data:F addr+addr:F ctrl+ctrl:F fence.r.r+fence.r.r:A fence.w.w+data:A"
    " fence.tso+data:F",
    "R": "po+po:A fence.w.w+fence.w.r:F fence.w.w+fence.tso:A fence.rw.rw+fence.rw.rw:F",
    "S": "po+po:A fence.w.w+data:F fence.w.w+ctrl:F fence.w.w+fence.r.w:F fence.w.w+fence.r.r:A",
    "2+2W": "po+po:A fence.w.w+fence.w.w:F fence.r.r+fence.r.r:A",
    "WRC": "data+addr:F fence.rw.rw+addr:F po+addr:A data+po:A data+fence.r.r:F ctrl+fence.r.r:F",
    "IRIW": "po+po:A addr+addr:F fence.r.r+fence.r.r:F fence.tso+fence.tso:F fence.r.w+fence.r.w:A",
}
"""RISC-V: RVWMO, Unprivileged ISA.  A fence with `r` after it only holds back loads."""

TSO_TABLE: Table = {
    "MP": "po+po:F mfence+mfence:F",
    "SB": "po+po:A mfence+po:A mfence+mfence:F lfence+lfence:A sfence+sfence:A",
    "LB": "po+po:F",
    "R": "po+po:A po+mfence:F mfence+po:A mfence+mfence:F",
    "S": "po+po:F",
    "2+2W": "po+po:F",
    "WRC": "po+po:F",
    "IRIW": "po+po:F mfence+mfence:F",
    "RWC": "po+po:A po+mfence:F",
    "W+RWC": "po+po+po:A po+po+mfence:F",
    "ISA2": "po+po+po:F",
    "Z6.3": "po+po+po:F mfence+mfence+po:F",
}
"""x86-TSO: only a store before a load is not ordered."""
ALL = [
    *(("arm64", *x) for x in variants(ARMV8_TABLE, "armv8")),
    *(("riscv", *x) for x in variants(RVWMO_TABLE, "riscv")),
    *(("x86", *x) for x in variants(TSO_TABLE, "x86")),
]


def reaches(test: LitmusTest, architecture: str) -> bool:
    found = explore(machine_of(test, architecture))
    assert found.exhaustive
    return any(holds(test.condition, x) for x in found.finals)


@pytest.mark.parametrize(("architecture", "name", "test", "allowed"), ALL, ids=[x[1] for x in ALL])
def test_a_classic_is_reached_if_the_architecture_allows_it(
    architecture: str, name: str, test: LitmusTest, allowed: bool
) -> None:
    assert reaches(test, architecture) == allowed


@pytest.mark.parametrize(("name", "test"), [(x[1], x[2]) for x in ALL], ids=[x[1] for x in ALL])
def test_no_classic_is_reached_under_sequential_consistency(name: str, test: LitmusTest) -> None:
    assert not reaches(test, "sc")


R, W = "R", "W"
SPECIAL = {
    "CoRR": ([[[W, "x", 1]], [[R, "a", "x"], [R, "b", "x"]]], {"1:a": 1, "1:b": 0}, False),
    "CoWR": ([[[W, "x", 1], [R, "a", "x"]], [[W, "x", 2]]], {"0:a": 2, "x": 1}, False),
    "CoRW1": ([[[R, "a", "x"], [W, "x", 1]]], {"0:a": 1}, False),
    "CoRW2": ([[[R, "a", "x"], [W, "x", 1]], [[W, "x", 2]]], {"0:a": 2, "x": 2}, False),
    "CoWW": ([[[W, "x", 1], [W, "x", 2]]], {"x": 1}, False),
    "a load forwards from the own buffer": (
        [
            [[W, "x", 1], [R, "a", "x"], ["ALU", "q", "eor", "a", "a"], [R, "b", {"base": "y", "idx": "q"}]],
            [[W, "y", 1], [R, "a", "y"], ["ALU", "q", "eor", "a", "a"], [R, "b", {"base": "x", "idx": "q"}]],
        ],
        {"0:a": 1, "0:b": 0, "1:a": 1, "1:b": 0},
        True,
    ),
    "PPOCA: a store behind a branch is forwarded from": (
        [
            [[W, "x", 1], ["DMB", "ish"], [W, "y", 1]],
            [
                [R, "a", "y"],
                ["CBNZ", "a", "L"],
                ["label", "L"],
                [W, "z", 1],
                [R, "b", "z"],
                ["ALU", "q", "eor", "b", "b"],
                [R, "c", {"base": "x", "idx": "q"}],
            ],
        ],
        {"1:a": 1, "1:b": 1, "1:c": 0},
        True,
    ),
    "PPOAA: a store whose address depends is not": (
        [
            [[W, "x", 1], ["DMB", "ish"], [W, "y", 1]],
            [
                [R, "a", "y"],
                ["ALU", "p", "eor", "a", "a"],
                [W, {"base": "z", "idx": "p"}, 1],
                [R, "b", "z"],
                ["ALU", "q", "eor", "b", "b"],
                [R, "c", {"base": "x", "idx": "q"}],
            ],
        ],
        {"1:a": 1, "1:b": 1, "1:c": 0},
        False,
    ),
    "a store waits for the address of an earlier load": (
        [
            [[R, "a", "x"], ["ALU", "p", "eor", "a", "a"], ["ALU", "v", "add", "p", 1], [W, "y", "v"]],
            [[R, "a", "y"], ["ALU", "q", "eor", "a", "a"], [R, "b", {"base": "z", "idx": "q"}], [W, "x", 1]],
        ],
        {"0:a": 1, "1:a": 1},
        False,
    ),
    "two atomics do not lose an addition": (
        [[["LDOP", "add", "a", "x", 1]], [["LDOP", "add", "a", "x", 1]]],
        {"x": 1},
        False,
    ),
    "an acquire-release swap is a full barrier": (
        [
            [[W, "x", 1], ["SWP", "s", "z", 1, "al"], [R, "a", "y"]],
            [[W, "y", 1], ["SWP", "s", "w", 1, "al"], [R, "a", "x"]],
        ],
        {"0:a": 0, "1:a": 0},
        False,
    ),
    "a plain swap is none": (
        [[[W, "x", 1], ["SWP", "s", "z", 1], [R, "a", "y"]], [[W, "y", 1], ["SWP", "s", "w", 1], [R, "a", "x"]]],
        {"0:a": 0, "1:a": 0},
        True,
    ),
    "the store of a load-acquire swap is not ordered": (
        [[["SWP", "s", "x", 1, "a"], [R, "a", "y"]], [["SWP", "s", "y", 1, "a"], [R, "a", "x"]]],
        {"0:a": 0, "1:a": 0},
        True,
    ),
    "load buffering through a plain swap": (
        [[["SWP", "a", "x", 7], [W, "y", 1]], [["SWP", "a", "y", 8], [W, "x", 1]]],
        {"0:a": 1, "1:a": 1},
        True,
    ),
    "an exclusive pair is not broken by another store": (
        [
            [[R, "a", "x", "excl"], ["STX", "s", "x", 2]],
            [[R, "a", "x", "excl"], ["STX", "s", "x", 3]],
        ],
        {"0:a": 0, "0:s": 0, "1:a": 0, "1:s": 0},
        False,
    ),
    "a load-exclusive may be late": (
        [
            [[R, "a", "x", "excl"], ["STX", "s", "x", 2], [W, "y", 1]],
            [[R, "a", "y"], ["DMB", "ish"], [W, "x", 1]],
        ],
        {"0:a": 1, "0:s": 0, "1:a": 1},
        True,
    ),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_coherence_forwarding_and_atomics_of_armv8(name: str) -> None:
    threads, wanted, allowed = SPECIAL[name]
    assert reaches(one(threads, wanted), "arm64") == allowed


def test_an_acquire_atomic_orders_its_store_on_riscv_and_not_on_armv8() -> None:
    threads = SPECIAL["the store of a load-acquire swap is not ordered"][0]
    test = one(threads, {"0:a": 0, "1:a": 0}, "riscv")
    assert not reaches(test, "riscv")
    assert reaches(test, "arm64")


COMMITS = {
    "a store behind a branch on a load that forwards": (
        [["R", "r1", "x"], ["ALU", "r3", "eor", "r1", "r1"], ["ALU", "r3", "add", "r3", 1], ["W", "y", "r3"]],
        [["R", "r1", "y"], ["W", "y", 2], ["R", "r4", "y"], ["CMP", "r4", "r4"], ["BCC", "eq", "L"], ["label", "L"],
         ["W", "x", 1]],
    ),
    "a load behind a branch and an isync": (
        [["W", "x", 1], ["LWSYNC"], ["W", "y", 1]],
        [["R", "r1", "y"], ["W", "y", 2], ["R", "r6", "y"], ["CMP", "r6", "r6"], ["BCC", "eq", "L"], ["label", "L"],
         ["ISYNC"], ["R", "r7", "x"]],
    ),
}  # fmt: skip
WANTED = (
    ["and", ["eq", ["mem", "y"], 2], ["eq", ["reg", 0, "r1"], 1], ["eq", ["reg", 1, "r1"], 1]],
    ["and", ["eq", ["mem", "y"], 2], ["eq", ["reg", 1, "r1"], 1], ["eq", ["reg", 1, "r7"], 0]],
)


@pytest.mark.parametrize(("name", "condition"), list(zip(COMMITS, WANTED, strict=True)))
def test_accesses_to_a_cell_are_committed_in_program_order_on_power(name: str, condition: list[object]) -> None:
    row = {"id": "x", "threads": COMMITS[name], "init": {"mem": {"x": 0, "y": 0}}, "condition": condition}
    test = parse_test("x", json.dumps(row))
    assert not reaches(test, "powerpc")
    assert reaches(test, "arm64")


def without_delays(test: LitmusTest, rules: Rules) -> bool:
    found = explore(Weak(program_of(test), replace(rules, delays=False)))
    return any(holds(test.condition, x) for x in found.finals)


@pytest.mark.parametrize(("table", "rules", "key"), [(ARMV8_TABLE, ARMV8, "armv8"), (RVWMO_TABLE, RVWMO, "riscv")])
def test_without_delayed_loads_the_machine_is_too_strong(table: Table, rules: Rules, key: str) -> None:
    missed = [name for name, test, allowed in variants(table, key) if allowed and not without_delays(test, rules)]
    assert any("/LB+po+po" in name for name in missed)
    assert any("/S+" in name for name in missed)
    assert all(not without_delays(test, rules) for _, test, allowed in variants(table, key) if not allowed)
