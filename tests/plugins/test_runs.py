"""A run equals its pages: every hook that takes `nr` or a range, of every architecture, does what it does one by one.

And a hook that deals with the first entry alone is found by the suite.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conformance import SCENARIOS, judge
from core.conformance.world import World
from core.machine.accessed import accessed_cell
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op
from core.machine.pte import Pte
from core.machine.runs import one_by_one
from core.machine.schedule import run
from core.machine.tlb import Entry as TlbEntry
from core.machine.tlb import tlb_cell
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.plugins.arch import Arch, set_up
from core.table.rows import ALL_ROWS, load
from tests.plugins.first_for_all import (
    AddsTheFirst,
    CleansOne,
    ClearsOne,
    FlushesTheFirst,
    LooksAtOne,
    ProtectsOne,
    QueuesOne,
    SaysTheFirstIsDirty,
    SetsOne,
)

PAGES = 4
ADDRS = tuple(range(PAGES))
ROWS = {row.plugin: row for row in (*load(None), *load(ALL_ROWS))}
"""One row for each plugin."""
OTHER = Cpu(1)
Call = Callable[[Mm, int, int], Coroutine[Op, Any, Any]]


async def _batched(mm: Mm, addr: int, nr: int) -> None:
    batch = UnmapBatch()
    await mm.hook.arch_tlbbatch_add_pending(mm=mm, batch=batch, start=addr, end=addr + nr)
    await mm.hook.arch_tlbbatch_flush(mm=mm, batch=batch)


def _cleared(mm: Mm, addr: int, nr: int) -> Coroutine[Op, Any, Any]:
    return mm.hook.get_and_clear_full_ptes(mm=mm, addr=addr, nr=nr, full=False)


CALLS: dict[str, Call] = {
    "set_ptes": lambda mm, addr, nr: mm.hook.set_ptes(mm=mm, addr=addr, pte=Pte(addr, False), nr=nr),
    "get_and_clear_full_ptes": lambda mm, addr, nr: mm.hook.get_and_clear_full_ptes(
        mm=mm, addr=addr, nr=nr, full=False
    ),
    "wrprotect_ptes": lambda mm, addr, nr: mm.hook.wrprotect_ptes(mm=mm, addr=addr, nr=nr),
    "clear_young_dirty_ptes": lambda mm, addr, nr: mm.hook.clear_young_dirty_ptes(mm=mm, addr=addr, nr=nr),
    "clear_flush_young_ptes": lambda mm, addr, nr: mm.hook.clear_flush_young_ptes(mm=mm, addr=addr, nr=nr),
    "flush_tlb_range": lambda mm, addr, nr: mm.hook.flush_tlb_range(mm=mm, start=addr, end=addr + nr, stride=1),
    "arch_tlbbatch_flush": _batched,
}


class Machine:
    """Two CPUs and a table of four entries that map one folio."""

    def __init__(self, row: str) -> None:
        self.arch: Arch = ROWS[row].arch()
        era = replace(ERAS["6.12"], name=ROWS[row].era.name)
        world = World(self.arch, era, dict.fromkeys(ADDRS), more={"folio": lambda page: (0, PAGES)})
        task = world.task("one", self.nothing)
        world.task("other", self.nothing)
        model = world.model("run")
        self.mm, self.initial = world.mm().on(task), model.initial
        self.environment = [daemon.op for daemon in model.daemons]

    @staticmethod
    async def nothing(mm: Mm) -> None:
        return None

    def after(self, calls: list[tuple[Call, int, int]], state: dict[Cell, Any]) -> tuple[Memory, list[Any]]:
        """The cells after `calls`, each of so many pages from an address on, and what they return."""
        memory, returned = Memory({**self.initial, **state}), list[Any]()

        async def program() -> None:
            await self.mm.hook.arch_enter_lazy_mmu_mode(mm=self.mm)
            for call, addr, nr in calls:
                returned.append(await call(self.mm, addr, nr))
            await self.mm.hook.arch_leave_lazy_mmu_mode(mm=self.mm)

        run(one_by_one(program()), memory, lambda op, outcomes: outcomes[0], lambda event: None, self.environment)
        return memory, returned


machine_of = cache(Machine)

entries = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=PAGES, max_size=PAGES)
"""Of each page: is its entry dirty, is it cached elsewhere, was it accessed?"""


def state_of(pages: list[tuple[bool, bool, bool]], empty: bool) -> dict[Cell, Any]:
    state: dict[Cell, Any] = {}
    for addr, (dirty, cached, young) in enumerate(pages):
        state[Cell("pte", addr)] = None if empty else Pte(addr, True, dirty)
        state[accessed_cell(addr)] = young
        for cpu in (Cpu(0), OTHER):
            state[tlb_cell(cpu, addr)] = TlbEntry(addr, dirty, dirty) if cached else None
    return state


def seen(memory: Memory) -> dict[str, list[Any]]:
    """What a run and its pages must have in common."""
    return {
        "pte": [memory[Cell("pte", addr)] for addr in ADDRS],
        "young": [memory[accessed_cell(addr)] for addr in ADDRS],
    }


def cached(memory: Memory) -> set[tuple[int, int]]:
    return {(cpu, addr) for cpu in (0, 1) for addr in ADDRS if memory[tlb_cell(Cpu(cpu), addr)] is not None}


@pytest.mark.parametrize("hook", CALLS)
@pytest.mark.parametrize("plugin", ROWS)
@settings(max_examples=8)
@given(entries, st.integers(0, PAGES - 1), st.integers(1, PAGES))
def test_a_run_equals_its_pages(
    plugin: str, hook: str, pages: list[tuple[bool, bool, bool]], addr: int, nr: int
) -> None:
    machine = machine_of(plugin)
    if hook == "arch_tlbbatch_flush" and "batched_unmap" not in machine.arch.facts.capabilities:
        return
    nr, call = min(nr, PAGES - addr), CALLS[hook]
    state = state_of(pages, empty=hook == "set_ptes")
    at_once, (whole,) = machine.after([(call, addr, nr)], state)
    singly, each = machine.after([(call, at, 1) for at in range(addr, addr + nr)], state)
    assert seen(at_once) == seen(singly)
    assert cached(at_once) <= cached(singly)
    if hook == "get_and_clear_full_ptes":
        assert whole.dirty == any(pte.dirty for pte in each)
        assert whole.frame == addr
    if hook == "clear_flush_young_ptes":
        assert whole == any(each)


@pytest.mark.parametrize(
    ("policy", "scenario", "broken"),
    [
        (SetsOne, "folio-fork", "mapped-at-end of pte[3]"),
        (ClearsOne, "folio-zap", "use-after-free"),
        (SaysTheFirstIsDirty, "folio-dirty", "no-lost-dirty"),
        (ProtectsOne, "folio-fork", "shared-writable of pte[1]"),
        (CleansOne, "folio-free", "vacuous: never reached cleaned"),
        (LooksAtOne, "folio-young", "young-unseen"),
        (AddsTheFirst, "folio-reclaim", "use-after-free"),
        (FlushesTheFirst, "folio-zap", "use-after-free"),
        (QueuesOne, "folio-zap", "all-freed of ref[1]"),
    ],
)
def test_a_hook_that_takes_the_first_for_all_is_found(policy: type, scenario: str, broken: str) -> None:
    result = judge(set_up("mine", policy(), "test"), ERAS["6.12"], SCENARIOS[scenario])
    assert (result.verdict, result.reason) == ("fail", broken)


@pytest.mark.parametrize("policy", [SetsOne, ClearsOne, ProtectsOne, CleansOne, LooksAtOne])
def test_without_a_large_folio_it_is_not(policy: type) -> None:
    arch = set_up("mine", policy(), "test")
    for scenario in ("use-after-free", "lost-dirty-dontneed", "fork-protects", "young-dirty", "reclaim-dirty"):
        assert judge(arch, ERAS["6.12"], SCENARIOS[scenario]).verdict == "pass"
