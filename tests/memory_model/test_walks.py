"""Random tests with translation: the machine's final states are those of the executions by the axioms, with and without
FEAT_ETS2."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.memory_model.search import explore
from core.memory_model.values import Descriptor, TableDescriptor, Value
from core.memory_model.weak import barriers, paths, translation
from core.memory_model.weak.machine import Weak
from core.memory_model.weak.state import ARMV8, WeakCpu, WeakState
from core.truth.litmus.tests import parse_test, program_of
from tests.memory_model.walk_axioms import (
    PAGES,
    TABLE,
    Entry,
    Outcome,
    Translated,
    outcomes,
    random_test,
    random_test_of_levels,
)

NUMBER = 130


def samples(seed: int, number: int, levels: int = 1) -> Iterator[Translated]:
    rng = random.Random(f"walks {seed}" if levels == 1 else f"levels {seed}")
    made = 0
    while made < number:
        test = random_test(rng) if levels == 1 else random_test_of_levels(rng)
        uses = sum(x[0] in "RW" and "x" in (x[1], x[2]) for code in test.threads for x in code if x[0] in ("R", "W"))
        if uses <= 3:
            made += 1
            yield test


def entry(value: Entry) -> dict[str, object]:
    if value == TABLE:
        return {"table": None}
    return {"oa": value[0], "valid": value[1], "af": 1, "db": value[2], "dbm": 0, "el0": 1}


def plain(value: Value) -> object:
    if isinstance(value, TableDescriptor):
        return TABLE
    return (value.oa, value.valid, value.db) if isinstance(value, Descriptor) else value


def machine(test: Translated, ets2: bool) -> Weak:
    threads = [[[x[0], "x", entry(x[2])] if x[0] in ("Wpte", "Wpmd") else x for x in code] for code in test.threads]
    entries = {page: entry((page, 1, 1)) for page in PAGES} | {"x": entry(test.entry)}
    registers = [["eq", ["reg", t, x[1]], 0] for t, code in enumerate(test.threads) for x in code if x[0][0] == "R"]
    row = {
        "id": "random",
        "threads": threads,
        "init": {"mem": dict.fromkeys(PAGES, 0), "pte": entries, "pmd": {"x": entry(test.upper)} if test.upper else {}},
        "condition": ["and", ["eq", ["pte", "x"], 0], *registers],
    }
    return Weak(program_of(parse_test("random", json.dumps(row))), replace(ARMV8, ets2=ets2))


def reached(test: Translated, ets2: bool) -> set[Outcome]:
    found = explore(machine(test, ets2))
    assert found.exhaustive
    cells = ("pte:x", *(["pmd:x"] if test.upper else []), *PAGES)
    places = [(t, x[1]) for t, code in enumerate(test.threads) for x in code if x[0] in ("R", "Rpte")]
    return {
        (
            tuple(sorted((x, plain(final.registers[x])) for x in places if x in final.registers)),
            frozenset((f.thread, f.labels[-1], f.kind) for f in final.faults),
            tuple(sorted((cell, plain(final.memory[cell])) for cell in cells)),
        )
        for final in found.finals
    }


def differences(seed: int, number: int, levels: int = 1) -> Iterator[object]:
    for test in samples(seed, number, levels):
        for ets2 in (False, True):
            here, there = reached(test, ets2), outcomes(test, ets2)
            if here != there:
                yield test, ets2, "missing", there - here, "extra", here - there


def test_machine_and_axioms_have_the_same_final_states() -> None:
    assert not list(differences(1, NUMBER))


@pytest.mark.slow
def test_machine_and_axioms_have_the_same_final_states_on_more() -> None:
    assert not list(differences(2, 600))


def test_machine_and_axioms_agree_on_two_levels_of_tables() -> None:
    assert not list(differences(1, NUMBER, levels=2))


@pytest.mark.slow
def test_machine_and_axioms_agree_on_two_levels_of_tables_on_more() -> None:
    assert not list(differences(2, 600, levels=2))


def _no_isb(cpu: WeakCpu) -> None:
    """An ISB that does nothing."""


LEAVES = WeakState.is_taken_away


@pytest.mark.parametrize(
    "rule", ["a walk reads from the top", "a TLBI of the last level leaves tables", "one of all does not"]
)
def test_a_machine_without_a_rule_of_levels_differs(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if rule == "a walk reads from the top":
        monkeypatch.setattr(paths, "is_older", lambda end, above: False)
    else:
        last = rule == "one of all does not"
        monkeypatch.setattr(
            WeakState, "is_taken_away", lambda s, record, found: LEAVES(s, record._replace(last=last), found)
        )
    assert any(differences(1, NUMBER, levels=2))


@pytest.mark.parametrize("rule", ["isb", "dsb in use", "tlbi"])
def test_a_machine_without_a_rule_differs(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests would not ask for it."""
    if rule == "isb":
        monkeypatch.setattr("core.memory_model.weak.local.synchronise_context", _no_isb)
    elif rule == "dsb in use":
        monkeypatch.setattr(barriers, "_is_in_use", lambda state, i: False)
    else:
        monkeypatch.setattr(translation, "_before_tlbis", lambda state, i, page, walk: walk)
    assert any(differences(1, NUMBER))
