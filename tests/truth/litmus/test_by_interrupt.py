"""Scenarios of RISC-V and x86 as litmus tests: interrupts are messages, walks are loads.

The litmus machine says of them what the explorer says of the scenario, and each user access ends alike on both: it
faults, reaches its page, or reaches it behind its next owner.  So the suite, which runs a restriction of the litmus
machine, has all its final states on programs of two and three threads with interrupts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cli.resolve_arch import choose
from core.compare import main
from core.conformance.judge import judge
from core.conformance.large.scenarios import LargeRun
from core.conformance.scenarios import SCENARIOS
from core.explore import Model, Thread
from core.machine.order import Order
from core.memory_model.machine import Final
from core.memory_model.search import explore
from core.truth.lines import FileError
from core.truth.litmus import herd7_plain
from core.truth.litmus.by_interrupt import interrupt_test
from core.truth.litmus.from_scenario import DoesNotFit
from core.truth.litmus.judge import judge as judge_test
from core.truth.litmus.machines import machine_of
from core.truth.litmus.solo import run
from core.truth.litmus.tests import parse_test
from tests.truth.litmus.test_same_outcomes import FAULT, FREED, NOT_MADE, OK, Access, Result, explored, last_store

ALL_ROWS = Path(__file__).parents[3] / "arches-all.toml"


def model_of(row: str, scenario: str) -> Model:
    choice = choose(row, None, ALL_ROWS)
    return SCENARIOS[scenario].build(choice.arch(), choice.era)


def made(row: str, scenario: str, watched: bool = False) -> tuple[Model, dict[str, Any]]:
    """The model, and its test with the explorer's verdict."""
    choice = choose(row, None, ALL_ROWS)
    found = judge(choice.arch(), choice.era, SCENARIOS[scenario])
    model = model_of(row, scenario)
    return model, interrupt_test(f"{row}/{scenario}", model, bool(found.violated), row, watched)


def read_back(raw: dict[str, Any], row: str) -> tuple[str, bool | None]:
    """What the litmus machine says of the test that herd7 would read."""
    again = herd7_plain.raw_of("test", herd7_plain.text_of(raw, row))
    (judged,) = judge_test(parse_test("test", json.dumps(again)), row, ("",))
    return judged.result, judged.reached


FIT = {
    "riscv": ("use-after-free", "full-gather", "reclaim-recursion", "reclaim-old", "three-cpus", "flush-elsewhere"),
    "x86": ("use-after-free", "full-gather", "reclaim-recursion", "reclaim-old", "three-cpus", "batch-several"),
}
SMALL = 64
"""Instructions of all programs; a larger test of the weak machine takes half a minute and more."""

CASES = [(row, scenario) for row, scenarios in FIT.items() for scenario in scenarios]


@pytest.mark.parametrize(("row", "scenario"), CASES)
def test_read_back_it_gives_the_verdict_of_the_explorer(row: str, scenario: str) -> None:
    _, raw = made(row, scenario)
    assert raw["expected"] == "forbidden"
    assert read_back(raw, row) == ("agree", False)


def weakened(raw: dict[str, Any], *left_out: list[Any]) -> dict[str, Any]:
    """The test without some of its instructions."""
    assert all(any(words in thread for thread in raw["threads"]) for words in left_out)
    threads = [[words for words in thread if words not in left_out] for thread in raw["threads"]]
    return {**raw, "threads": threads}


@pytest.mark.parametrize("row", FIT)
def test_without_the_wait_the_page_is_reached(row: str) -> None:
    """The test of the test: the flusher does not look whether the message has been served."""
    _, raw = made(row, "use-after-free")
    (target,) = (words[2] for words in raw["threads"][1] if words[0] == "R")
    careless = weakened(raw, ["R", "t", target])
    assert read_back({**careless, "expected": "allowed"}, row) == ("agree", True)


def test_on_riscv_the_entry_is_cleared_before_the_message_because_of_a_fence() -> None:
    """Only where the exchange, and every barrier between it and the message, orders nothing."""
    _, raw = made("riscv", "flush-elsewhere")
    swaps = [[*words[:4]] if words[0] == "SWP" else words for words in raw["threads"][1]]
    sent = next(at for at, words in enumerate(swaps) if words[0] == "W" and str(words[1]).startswith("csd"))
    loose = [words for at, words in enumerate(swaps) if at > sent or words[0] != "FENCE"]
    relaxed = {**raw, "threads": [raw["threads"][0], loose], "expected": "allowed"}
    assert read_back(relaxed, "riscv") == ("agree", True)
    assert read_back(raw, "riscv") == ("agree", False)


# ---- sets of final states


def accesses_of(model: Model, thread: Thread) -> int:
    return sum(op.order is Order.WALK for op, _ in run(model, thread, (), False).steps)


def accesses(model: Model) -> Iterator[Access]:
    """The user accesses, thread by thread."""
    for t, thread in enumerate(model.threads):
        walks = [op for op, _ in run(model, thread, (), False).steps if op.order is Order.WALK]
        for k, op in enumerate(walks):
            page = next(cell.index for cell in op.reads if cell.array == "pte")
            yield Access(t, any(cell.array == "newer" for cell in op.writes), f"pte_{page}", str(k))


def result(made: list[Access], frames: dict[str, Any], final: Final) -> Result:
    ended = list[int]()
    for k, access in enumerate(made):
        if any(x == FAULT and y.thread == access.thread for x, y in zip(ended, made[:k], strict=True)):
            ended.append(NOT_MADE)
        elif not final.registers.get((access.thread, f"m{access.register}")):
            ended.append(FAULT)
        else:
            stored = access.store and final.memory[frames[access.page]["&"]] == 2
            loaded = not access.store and final.registers.get((access.thread, f"r{access.register}")) == 1
            ended.append(FREED if stored or loaded else OK)
    return last_store(made, tuple(ended))


def compared(row: str, scenario: str) -> tuple[set[Result], set[Result]]:
    """What becomes of the accesses, on the explorer's machine and on the litmus machine."""
    model, raw = made(row, scenario, watched=True)
    places, frames = list(accesses(model)), raw["init"]["mem"]
    watched = ["or", *(["eq", ["reg", x.thread, f"{y}{x.register}"], 1] for x in places for y in "mr")]
    test = parse_test("x", json.dumps({**raw, "condition": ["and", *raw["condition"][1:-1], watched]}))
    found = explore(machine_of(test, row))
    assert found.exhaustive
    ends = [place[1] for _, place, _ in raw["condition"][1:-1]]
    finals = [final for final in found.finals if all(final.registers.get((t, "done")) == 1 for t in ends)]
    here = {last_store(places, x) for x in explored(model, accesses_of)}
    return here, {result(places, frames, final) for final in finals}


@pytest.mark.parametrize(("row", "scenario"), CASES)
def test_both_machines_end_alike(row: str, scenario: str) -> None:
    here, there = compared(row, scenario)
    assert here == there
    assert len(here) > 1


@pytest.mark.slow
@pytest.mark.parametrize(("row", "number"), [("riscv", 11), ("x86", 15)])
def test_so_do_all_programs_that_fit_and_are_not_larger(row: str, number: int) -> None:
    names, arch = [], choose(row, None, ALL_ROWS).arch()
    for name, scenario in SCENARIOS.items():
        if isinstance(scenario, LargeRun) or scenario.lacking(arch):
            continue
        try:
            raw = interrupt_test(name, model_of(row, name), False, row)
        except DoesNotFit:
            continue
        if sum(map(len, raw["threads"])) <= SMALL:
            here, there = compared(row, name)
            assert here == there, name
            names.append(name)
    assert len(names) >= number


def test_programs_of_three_threads_are_among_them() -> None:
    sizes = [len(interrupt_test("x", model_of(*case), False, case[0])["threads"]) for case in CASES]
    assert sizes.count(3) == 2


# ---- what is said


def test_the_command_prints_a_test_that_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for row, first in (("riscv", "RISCV riscv/use-after-free\n"), ("x86", "X86 x86/use-after-free\n")):
        assert main(["litmus", "--from", row, "use-after-free", "--config", str(ALL_ROWS)]) == 0
        text = capsys.readouterr().out
        assert text.startswith(first)
        file = tmp_path / "test.litmus"
        file.write_text(text)
        assert main(["litmus", str(file)]) == 0
        assert capsys.readouterr().out.endswith("1 agree, 0 too strong, 0 too weak, 0 not expressible\n")


@pytest.mark.parametrize(
    ("row", "scenario", "reason"),
    [
        ("x86", "switch-gen", r"irqs_off\[0\] = True is no instruction of the test"),
        ("riscv", "exit-mmap", "several programs access mm_users"),
        ("riscv", "lost-dirty-munmap", "changes its entry, or faults with nobody else there"),
    ],
)
def test_what_does_not_fit_is_said(row: str, scenario: str, reason: str) -> None:
    with pytest.raises(DoesNotFit, match=reason):
        interrupt_test("x", model_of(row, scenario), False, row)


@pytest.mark.parametrize(
    ("row", "change", "reason"),
    [
        ("riscv", ("~exists", "forall"), "expected RISCV or X86 NAME"),
        ("riscv", ("fence rw,rw", "fence i,o"), "not an instruction that is read: 'fence i,o'"),
        ("x86", ("MFENCE", "CLFLUSH [x]"), "not an instruction that is read"),
        ("x86", ("f0=0;", "f0=?;"), "not read: 'f0=\\?'"),
        ("riscv", ("[f0]=2", "[f0]>2"), "not a condition that is read"),
        ("riscv", ("=2))", "=2)"), "not closed"),
        ("riscv", ("=2))", "=2)))"), "closed and not opened"),
        ("riscv", ("/\\ (", "\\/ 0:x9=1 /\\ ("), "needs brackets"),
    ],
)
def test_damage_is_one_line(row: str, change: tuple[str, str], reason: str) -> None:
    _, raw = made(row, "use-after-free")
    text = herd7_plain.text_of(raw, row)
    assert change[0] in text
    with pytest.raises(FileError, match=reason):
        herd7_plain.raw_of("test", text.replace(*change))
