"""Random litmus tests of straight-line code, in the words of an architecture."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

Words = list[Any]

CELLS = ("x", "y")


def random_threads(rng: random.Random, words: str) -> list[list[Words]]:
    """Two or three threads of a few accesses, in the words of an architecture."""
    count = rng.choice((2, 2, 2, 3))
    value = itertools.count(1)
    lengths = [rng.choice((2, 3) if count == 2 else (1, 2, 2)) for _ in range(count)]
    return [_thread(rng, words, length, value) for length in lengths]


FENCES: dict[str, list[Words]] = {
    "arm64": [["DMB", "ish"], ["DMB", "ishld"], ["DMB", "ishst"], ["ISB"]],
    "riscv": [*(["FENCE", p, s] for p in ("r", "w", "rw") for s in ("r", "w", "rw")), ["FENCE", "tso"], ["FENCEI"]],
    "x86": [["MFENCE"], ["LFENCE"]],
    "sc": [["MFENCE"]],
}


def _thread(rng: random.Random, words: str, length: int, values: Iterator[int]) -> list[Words]:
    code: list[Words] = []
    loaded: list[str] = []
    kinds = ("R", "W", "SWP", *(("CAS", "STX") if words == "arm64" else ()))
    for k in range(length):
        cell = rng.choice(CELLS)
        kind = rng.choices(kinds, (5, 4, 1.5, 2, 1)[: len(kinds)])[0]
        depends = loaded and words in ("arm64", "riscv") and rng.random() < 0.4
        dependency = rng.choice(("addr", "data", "ctrl")) if depends else ""
        address: Any = cell
        value: Any = next(values)
        if dependency == "ctrl":
            code += [["CBNZ", loaded[-1], f"L{k}"], ["label", f"L{k}"]]
            if words == "arm64" and rng.random() < 0.4:
                code.append(["ISB"])
        elif dependency:
            code.append(["ALU", f"d{k}", "eor", loaded[-1], loaded[-1]])
            if dependency == "addr":
                address = {"base": cell, "idx": f"d{k}"}
            elif kind != "R":
                code.append(["ALU", f"v{k}", "add", f"d{k}", value])
                value = f"v{k}"
        if kind == "CAS":
            expected = rng.choice((0, 1, *loaded, *(x[1] for x in code if x[0] == "ALU" and x[1] != value)))
            result = f"r{k}" if rng.random() < 0.85 else 0
            code.append(["CAS", result, address, expected, value, *rng.choice(([], ["a"], ["l"], ["al"]))])
        elif kind == "STX":
            code.append(["R", f"r{k}", cell, rng.choice(("excl", "acq-excl"))])
            code.append(["STX", f"s{k}", cell, value, *rng.choice(([], ["rel"]))])
        else:
            code.append(_access(rng, words, kind, f"r{k}", address, value))
        if (0, f"r{k}") in registers_of([code]):
            loaded.append(f"r{k}")
        if k < length - 1 and rng.random() < 0.45:
            code.append(rng.choice(FENCES[words]))
    return code


def registers_of(threads: list[list[Words]]) -> list[tuple[int, str]]:
    """The registers that accesses set, per thread in program order: what was loaded, and whether it was stored."""
    return [
        (thread, words[1])
        for thread, code in enumerate(threads)
        for words in code
        if words[0] in ("R", "SWP", "CAS", "STX") and words[1]
    ]


def _access(rng: random.Random, words: str, kind: str, register: str, address: Any, value: Any) -> Words:
    marks = {"arm64": {"R": ("acq", "acqpc"), "W": ("rel",)}, "riscv": {"R": ("acqpc",), "W": ("relpc",)}}.get(words)
    if kind == "SWP":
        order = rng.choice(("", "a", "l", "al")) if words in ("arm64", "riscv") else ""
        result = register if words != "arm64" or rng.random() < 0.85 else 0
        return ["SWP", result, address, value, *([order] if order else [])]
    access = ["R", register, address] if kind == "R" else ["W", address, value]
    return [*access, *([rng.choice(marks[kind])] if marks and rng.random() < 0.25 else [])]
