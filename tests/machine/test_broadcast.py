"""Invalidations by broadcast: when they take effect, and what their barrier waits for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.machine.broadcast import Done, Lost, complete, issue
from core.machine.ipi import FlushRequest
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.pte import pte_cell
from core.machine.store_buffers import EMPTY, Buffer, KnownStores, Waiting, wrapped
from core.machine.tlb import newer_cell, tlb_cell

HERE, THERE, PAGE = Cpu(0), Cpu(1), 0
REQUEST = FlushRequest(PAGE, PAGE + 1)
CACHED = tlb_cell(THERE, PAGE)


def test_without_a_store_that_waits_it_takes_effect_at_completion_or_at_once() -> None:
    op = issue(HERE, "TLBI", REQUEST, [(PAGE, CACHED)])
    assert [outcome.written for outcome in op.step((), False, "entry")] == [
        ((REQUEST,), "entry"),
        ((Done(REQUEST),), None),
    ]


def test_behind_a_store_that_no_dsb_has_ordered_it_may_have_come_too_early() -> None:
    op = issue(HERE, "TLBI", REQUEST, [(PAGE, CACHED)])
    assert ((Lost(REQUEST),), "entry") in [outcome.written for outcome in op.step((), True, "entry")]


@pytest.mark.parametrize(
    ("sent", "left"), [((REQUEST,), None), ((Done(REQUEST),), "entry"), ((Lost(REQUEST),), "entry"), ((), "entry")]
)
def test_its_barrier_drops_what_has_had_no_effect_yet(sent: tuple[object, ...], left: object) -> None:
    """What has had its effect drops no entry that was cached since."""
    op = complete(HERE, [THERE], [PAGE], "DSB_ISH")
    assert [outcome.written for outcome in op.step(sent, "entry")] == [((), left)]


def on_weak_machine(op: Op, mine: Buffer, theirs: Buffer) -> Sequence[Outcome]:
    """The outcomes of the barrier of a CPU that has issued `REQUEST`, with these stores waiting."""
    known = KnownStores([HERE, THERE])
    known.add(HERE, frozenset({pte_cell(PAGE)}), False, lambda cell: True)
    known.add(THERE, frozenset({newer_cell(PAGE)}), False, lambda cell: True)
    there = wrapped(op, HERE, "weak", known)
    values: dict[str, object] = {"buffer": mine, "broadcast": (REQUEST,), "tlb": "entry"}
    return there.step(*(theirs if cell == Cell("buffer", THERE) else values[cell.array] for cell in there.reads))


THROUGH = Buffer(Waiting(newer_cell(PAGE), True, through=CACHED))
"""A store that user code of the other CPU has made through the old entry."""


def test_it_is_complete_only_when_stores_of_others_through_the_old_entry_are_visible() -> None:
    barrier = complete(HERE, [THERE], [PAGE], "DSB_ISH")
    assert on_weak_machine(barrier, EMPTY, THROUGH) == []
    assert len(on_weak_machine(barrier, EMPTY, EMPTY)) == 1


def test_a_store_through_another_entry_does_not_hold_it_up() -> None:
    other = Buffer(Waiting(newer_cell(PAGE), True, through=tlb_cell(THERE, PAGE + 1)))
    assert len(on_weak_machine(complete(HERE, [THERE], [PAGE], "DSB_ISH"), EMPTY, other)) == 1


def test_its_own_stores_hold_the_barrier_up() -> None:
    waits = Buffer(Waiting(pte_cell(PAGE), None))
    assert on_weak_machine(complete(HERE, [THERE], [PAGE], "DSB_ISH"), waits, EMPTY) == []


def test_where_an_erratum_acknowledges_early_stores_of_others_may_still_wait() -> None:
    assert len(on_weak_machine(complete(HERE, [THERE], [PAGE], "DSB_ISH", early=True), EMPTY, THROUGH)) == 1
