"""Batched unmap, one CPU at a time: what is remembered, what is flushed, and what is not lost."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from arch_plugins.generic import Smp
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Tid
from core.machine.pte import Migration, ProtNone, Pte, Swap, pte_cell
from core.machine.schedule import run
from core.machine.task import Task
from core.machine.tlb import Entry, ref_cell, tlb_cell
from core.mm.batched_unmap import BATCHED, UnmapBatch, flush_tlb_batched_pending, set_flushed
from core.mm.era import ERAS
from core.mm.mm import PENDING, Mm
from core.mm.page import mapcount_cell, pg_dirty_cell
from core.mm.pgtable import pte_accessible
from core.mm.reclaim import shrink_folio_list, try_to_unmap_one
from core.plugins.arch import set_up

ME = Cpu(0)


def an_mm(**more: Any) -> Mm:
    """An mm that only CPU 0 runs, with one anonymous page, on generic SMP."""
    arch = set_up("smp", Smp(), "test")
    given: dict[str, Any] = {
        "addrs": (0,),
        "is_anon": lambda page: True,
        "mappings": {0: (0,)},
        "cpus": frozenset({ME}),
        "reclaims": True,
    }
    return Mm(arch.facts, ERAS["6.2-fix"], arch.hook, Task("t", Tid(1), ME), **{**given, **more})


def mapped() -> Memory:
    """The page mapped dirty and cached, with the reclaimer's reference."""
    memory = Memory()
    memory[pte_cell(0)] = Pte(0, dirty=True)
    memory[tlb_cell(ME, 0)] = Entry(0, True, True)
    memory[ref_cell(0)] = 2
    return memory


def alone(program: Coroutine[Op, Any, Any], memory: dict[Cell, Any]) -> Any:
    """Run it with nobody else around."""
    return run(program, memory, lambda op, outcomes: outcomes[0], lambda event: None)


def test_unmapping_puts_the_flush_off() -> None:
    memory, ubc = mapped(), UnmapBatch()
    alone(try_to_unmap_one(an_mm(), ubc, 0, 0), memory)
    assert memory[pte_cell(0)] == Swap(0)
    assert memory[pg_dirty_cell(0)] is True
    assert memory[mapcount_cell(0)] == 0
    assert memory[tlb_cell(ME, 0)] is not None
    assert (ubc.flush_required, ubc.writable, ubc.cpus) == (True, True, frozenset({ME}))
    assert memory[BATCHED] == (1, 0)


def test_without_batching_it_flushes_at_once() -> None:
    memory, ubc = mapped(), UnmapBatch()
    arch = set_up("plain", Smp(), "test", {"capabilities": frozenset()})
    alone(try_to_unmap_one(replace(an_mm(), facts=arch.facts), ubc, 0, 0), memory)
    assert memory[tlb_cell(ME, 0)] is None
    assert not ubc.flush_required


def test_a_reclaimed_page_is_written_flushed_and_freed() -> None:
    memory, ubc = mapped(), UnmapBatch()
    alone(shrink_folio_list(an_mm(), ubc, [0]), memory)
    assert memory[tlb_cell(ME, 0)] is None
    assert memory[pg_dirty_cell(0)] is False
    assert memory[ref_cell(0)] == 0
    assert not ubc.flush_required


def test_who_takes_the_lock_flushes_what_is_pending_and_only_once() -> None:
    memory = mapped()
    memory[BATCHED] = (2, 1)
    alone(flush_tlb_batched_pending(an_mm()), memory)
    assert memory[BATCHED] == (2, 2)
    assert memory[tlb_cell(ME, 0)] is None
    memory[tlb_cell(ME, 0)] = Entry(0, True, True)
    alone(flush_tlb_batched_pending(an_mm()), memory)
    assert memory[tlb_cell(ME, 0)] is not None


@pytest.mark.parametrize(("now", "after"), [((2, 1), (2, 2)), ((3, 1), (3, 1))])
def test_what_became_pending_meanwhile_stays_pending(now: tuple[int, int], after: tuple[int, int]) -> None:
    assert set_flushed(an_mm(), (2, 1)).step(now)[0].written == (after,)


@pytest.mark.parametrize(
    ("pte", "pending", "accessible"),
    [
        (Pte(0), 0, True),
        (ProtNone(0, True, True), 0, False),
        (ProtNone(0, True, True), 1, True),
        (Migration(0, True, True), 1, False),
        (Swap(0), 1, False),
        (None, 1, False),
    ],
)
def test_pte_accessible(pte: Any, pending: int, accessible: bool) -> None:
    memory = Memory()
    memory[PENDING] = pending
    assert alone(pte_accessible(an_mm(), pte), memory) is accessible


def test_entries_of_different_kinds_differ() -> None:
    """They stand in one cell, so equal values would be one state."""
    kinds = [Pte(0, True, True), ProtNone(0, True, True), Migration(0, True, True), Swap(0)]
    assert len(set(kinds)) == len(kinds)
