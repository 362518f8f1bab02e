"""The explorer's machine beside the litmus machine on the programs of scenarios: the same final states.

What is compared is what becomes of every user access: it faults, reaches its page, or reaches it behind its next owner.
On shipped policies the sets are equal, though the explorer runs a restriction of the litmus machine.  On policies with
a barrier too few the litmus machine has more, for two reasons that are seen here and that change no verdict:

* a walk may come before its access.  In the explorer the walk of a page's first access is that access, so no first
  access goes through an entry that was overwritten before it.  The second one does, which stands for it;
* what is cached may be dropped at any time.  In the explorer it stays until it is flushed, so no access faults, or
  walks anew, behind one that has gone through the old entry.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from arch_plugins.arm64 import Arm64
from core.conformance.scenarios import SCENARIOS
from core.explore import Model, Property, Thread, check
from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome, doing
from core.machine.order import Order
from core.machine.tlb import USE_AFTER_FREE
from core.memory_model.machine import Final
from core.memory_model.search import explore
from core.mm.era import ERAS
from core.plugins.arch import set_up
from core.truth.litmus.from_scenario import DoesNotFit, alone, litmus_test
from core.truth.litmus.machines import machine_of
from core.truth.litmus.tests import parse_test
from tests.conformance.test_barriers import WithDmbIshst, WithoutFinalDsb, WithoutIshst

NOT_MADE, OK, FREED, FAULT = range(4)
"""What became of an access; FREED: it has reached the page behind its next owner."""

BECAME = declare("test.became", NOT_MADE, "ghost")
Result = tuple[int, ...]


class Access(NamedTuple):
    thread: int
    store: bool
    page: str
    register: str


def fitting(plugin: type[Arm64]) -> Iterator[tuple[str, Model, dict[str, Any]]]:
    """The scenarios that are litmus tests of two programs."""
    arch = set_up("arm64", plugin(), "test")
    for name, scenario in SCENARIOS.items():
        if not scenario.lacking(arch):
            model = scenario.build(arch, ERAS["6.12"])
            try:
                raw = litmus_test(name, model, False)
            except DoesNotFit:
                continue
            yield name, model, raw


def accesses_of(model: Model, thread: Thread) -> int:
    """How many accesses the user code of a program makes, if nobody else is there."""
    return sum(op.order is Order.WALK for op, _ in alone(model, thread).steps)


def explored(model: Model, number: Callable[[Model, Thread], int] = accesses_of) -> set[Result]:
    """What the explorer's machine makes of the accesses."""
    found: set[Result] = set()
    counts = [number(model, thread) for thread in model.threads]
    cells = tuple(Cell(BECAME, (t, k)) for t, number in enumerate(counts) for k in range(number))

    def watched(t: int, thread: Thread) -> Thread:
        async def program() -> Any:
            at = 0

            async def do(op: Op) -> Any:
                nonlocal at
                if op.order is not Order.WALK or not 0 <= at < counts[t]:
                    return await op
                value = await noting(op, Cell(BECAME, (t, at)))
                at = -1 if value == "fault" else at + 1
                return value

            return await doing(thread.program(), do)

        return Thread(thread.name, thread.cpu, thread.tid, program)

    def note(*values: int) -> bool:
        found.add(values)
        return True

    threads = tuple(watched(t, thread) for t, thread in enumerate(model.threads))
    end = (Property("became", "", cells, note),)
    verdict = check(
        replace(model, threads=threads, finally_=end, always=(), sometimes=()), searcher="reference", reductions=()
    )
    assert verdict.exhaustive, verdict
    return found


def noting(op: Op, cell: Cell) -> Op:
    """The access, which violates nothing, and says what became of it."""
    there = copy(op)
    there.writes = (*op.writes, cell)

    def step(*values: Any) -> list[Outcome]:
        return [x._replace(written=(*x.written, became(x)), violated="") for x in op.step(*values)]

    there.step = step
    return there


def became(outcome: Outcome) -> int:
    if outcome.value == "fault":
        return FAULT
    return FREED if outcome.violated == USE_AFTER_FREE else OK


def run(raw: dict[str, Any]) -> tuple[list[Access], set[Result]]:
    """What the litmus machine makes of them; a program goes on behind a fault."""
    accesses: list[Access] = []
    threads = []
    for t, code in enumerate(raw["threads"]):
        threads.append(list[Any]())
        for words in code:
            page = words[2 if words[0] == "R" else 1] if words[0] in ("R", "W") else ""
            if page.startswith("p") and page[1:].isdigit():  # else it is the next owner's, or a word of one program
                threads[-1].append(["label", f"A{len(accesses)}"])
                accesses.append(Access(t, words[0] == "W", page, words[1]))
            threads[-1].append(words)
    skipped = {str(t): {"set": {}, "then": "next"} for t in range(len(threads))}
    test = parse_test("x", json.dumps({**raw, "threads": threads, "on_fault": skipped}))
    found = explore(machine_of(test, "arm64"))
    assert found.exhaustive
    frames = {page: entry["oa"] for page, entry in raw["init"]["pte"].items()}
    return accesses, {_result(accesses, frames, final) for final in found.finals}


def _result(accesses: list[Access], frames: dict[str, str], final: Final) -> Result:
    faulted = {label for fault in final.faults for label in fault.labels}
    result: list[int] = []
    for k, access in enumerate(accesses):
        if any(x == FAULT and y.thread == access.thread for x, y in zip(result, accesses[:k], strict=True)):
            result.append(NOT_MADE)
        elif f"A{k}" in faulted:
            result.append(FAULT)
        else:
            stored = access.store and final.memory[frames[access.page]] == 2
            loaded = not access.store and final.registers.get((access.thread, access.register)) == 1
            result.append(FREED if stored or loaded else OK)
    return last_store(accesses, tuple(result))


def last_store(accesses: list[Access], result: Result) -> Result:
    """Of several stores to a page only the last one can be seen in the end."""

    def hidden(k: int) -> bool:
        later = zip(accesses[k + 1 :], result[k + 1 :], strict=True)
        return accesses[k].store and any(
            x.thread == accesses[k].thread and x.store and x.page == accesses[k].page and made in (OK, FREED)
            for x, made in later
        )

    return tuple(OK if x == FREED and hidden(k) else x for k, x in enumerate(result))


def compared(model: Model, raw: dict[str, Any]) -> tuple[list[Access], set[Result], set[Result]]:
    accesses, there = run(raw)
    return accesses, {last_store(accesses, x) for x in explored(model)}, there


QUICK = ("use-after-free", "reclaim-dirty", "reclaim-old", "switch-asid", "switch-reclaim", "two-mms", "lazy-batch")
SLOW = "kthread-dontneed"
"""Half a minute on the litmus machine."""


def test_a_sample_of_shipped_programs_has_the_same_final_states() -> None:
    sizes = {}
    for name, model, raw in fitting(Arm64):
        if name in QUICK:
            _, here, there = compared(model, raw)
            assert here == there, name
            assert not any(FREED in x for x in here)
            sizes[name] = len(here)
    assert sizes == {
        "use-after-free": 3, "reclaim-dirty": 3, "reclaim-old": 4, "switch-asid": 4, "switch-reclaim": 4, "two-mms": 5,
        "lazy-batch": 3,
    }  # fmt: skip


@pytest.mark.slow
def test_all_shipped_programs_that_fit_have_the_same_final_states() -> None:
    names = []
    for name, model, raw in fitting(Arm64):
        if name != SLOW:
            _, here, there = compared(model, raw)
            assert here == there, name
            names.append(name)
    assert len(names) >= 30


@pytest.mark.parametrize("plugin", [WithoutIshst, WithDmbIshst, WithoutFinalDsb])
def test_what_the_litmus_machine_alone_does_is_an_early_walk_or_a_dropped_entry(plugin: type[Arm64]) -> None:
    names = ("use-after-free", "reclaim-dirty", "switch-asid", "switch-reclaim", "lazy-batch")
    for name, model, raw in fitting(plugin):
        if name not in names:
            continue
        accesses, here, there = compared(model, raw)
        assert any(FREED in x for x in here)
        assert here <= there
        assert later_freed(accesses, here) == later_freed(accesses, there), name
        assert all(is_early_or_dropped(accesses, x) for x in there - here), name


def firsts(accesses: list[Access]) -> set[int]:
    """The first access of each thread to each page."""
    places = [(x.thread, x.page) for x in accesses]
    return {places.index(x) for x in places}


def later_freed(accesses: list[Access], results: set[Result]) -> set[int]:
    """Which accesses, but for the first to their page, can reach it behind its next owner."""
    return {k for result in results for k, x in enumerate(result) if x == FREED} - firsts(accesses)


def is_early_or_dropped(accesses: list[Access], result: Result) -> bool:
    """A first access has gone through the old entry, or one behind such an access has not."""
    freed = [k for k, x in enumerate(result) if x == FREED]
    return any(k in firsts(accesses) for k in freed) or any(
        result[k] in (FAULT, OK) for k in range(min(freed) + 1, len(result))
    )
