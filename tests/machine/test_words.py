"""The words of the machine, one step each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from core.machine.ipi import FlushRequest, csd_cell, irqs_off_cell, send_ipis, take_ipi, wait_ipis
from core.machine.lock import (
    MMAP_LOCK,
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_downgrade,
    mmap_write_lock,
    mmap_write_unlock,
    spin_lock,
    spin_unlock,
)
from core.machine.memory import INITIAL, Memory, declare
from core.machine.op import Cell, Cpu, Op, Tid
from core.machine.pte import Pte, Swap, pte_cell, xchg_pte
from core.machine.task import Task
from core.machine.tlb import Entry, newer_cell, ref_cell, speculative_fill, tlb_cell, user_load, user_store, walk

ONE, TWO = Task("one", Tid(1), Cpu(0)), Task("two", Tid(2), Cpu(1))
LOCK = Cell("ptl", 0)


def do(op: Op, cells: Memory) -> Any:
    """Do `op`, which has one outcome, and return (value, violated)."""
    (outcome,) = op.step(*[cells[c] for c in op.reads])
    cells.update(zip(op.writes, outcome.written, strict=True))
    return outcome.value, outcome.violated


def blocked(op: Op, cells: Memory) -> bool:
    return not op.step(*[cells[c] for c in op.reads])


def test_a_spinlock_excludes_and_only_its_owner_lets_go() -> None:
    cells = Memory()
    do(spin_lock(LOCK, ONE), cells)
    assert blocked(spin_lock(LOCK, TWO), cells)
    assert do(spin_unlock(LOCK, TWO), Memory(cells))[1] == "lock-discipline"
    assert do(spin_unlock(LOCK, ONE), cells)[1] == ""
    assert not blocked(spin_lock(LOCK, TWO), cells)


def test_mmap_lock_has_many_readers_or_one_writer() -> None:
    cells = Memory()
    do(mmap_read_lock(ONE), cells)
    assert do(mmap_read_lock(ONE), Memory(cells))[1] == "lock-discipline"
    do(mmap_read_lock(TWO), cells)
    assert cells[MMAP_LOCK] == {1, 2}
    assert blocked(mmap_write_lock(ONE), cells)
    do(mmap_read_unlock(ONE), cells)
    assert do(mmap_read_unlock(ONE), Memory(cells))[1] == "lock-discipline"
    do(mmap_read_unlock(TWO), cells)
    do(mmap_write_lock(ONE), cells)
    assert blocked(mmap_read_lock(TWO), cells)
    assert do(mmap_write_unlock(TWO), Memory(cells))[1] == "lock-discipline"
    do(mmap_write_downgrade(ONE), cells)
    do(mmap_read_lock(TWO), cells)
    assert cells[MMAP_LOCK] == {1, 2}


def test_an_ipi_is_served_by_its_target_unless_interrupts_are_off() -> None:
    cells = Memory({tlb_cell(Cpu(1), 4): Entry(0, True, True), tlb_cell(Cpu(1), 9): Entry(1, True, True)})
    do(send_ipis(ONE, [Cpu(1)], FlushRequest(0, 8)), cells)
    assert blocked(wait_ipis(ONE, [Cpu(1)]), cells)
    serve = take_ipi(ONE.tid, Cpu(1), (4, 9))
    cells[irqs_off_cell(Cpu(1))] = True
    assert blocked(serve, cells)
    cells[irqs_off_cell(Cpu(1))] = False
    do(serve, cells)
    assert cells[tlb_cell(Cpu(1), 4)] is None
    assert cells[tlb_cell(Cpu(1), 9)] == Entry(1, True, True)
    assert cells[csd_cell(ONE.tid, Cpu(1))] is None
    assert not blocked(wait_ipis(ONE, [Cpu(1)]), cells)
    assert blocked(serve, cells)


@pytest.mark.parametrize(
    ("pte", "store", "hw", "entry", "after"),
    [
        (None, False, True, None, None),
        (Swap(1), False, True, None, None),
        (Pte(0, False), False, True, Entry(0, False, False), Pte(0, False)),
        (Pte(0, True), False, True, Entry(0, True, False), Pte(0, True)),
        (Pte(0, True), False, False, Entry(0, False, False), Pte(0, True)),
        (Pte(0, True, True), False, False, Entry(0, True, True), Pte(0, True, True)),
        (Pte(0, False), True, True, None, None),
        (Pte(0, True), True, True, Entry(0, True, True), Pte(0, True, True)),
        (Pte(0, True), True, False, None, None),
        (Pte(0, True, True), True, False, Entry(0, True, True), Pte(0, True, True)),
    ],
)
def test_the_walker(pte: Any, store: bool, hw: bool, entry: Any, after: Any) -> None:
    """Hardware dirty bits are set by the walk, software ones by a fault."""
    walked = walk(pte, store, hw)
    assert walked == (None if entry is None else (entry, after))


def test_a_store_through_a_cached_dirty_entry_looks_at_no_page_table() -> None:
    cells = Memory({tlb_cell(Cpu(0), 4): Entry(0, True, True), pte_cell(4): None})
    assert do(user_store(Cpu(0), 4, [0], True), cells) == ("ok", "")
    assert cells[newer_cell(0)] is True
    cells[ref_cell(0)] = 0
    assert do(user_store(Cpu(0), 4, [0], True), cells) == ("ok", "use-after-free")
    assert do(user_load(Cpu(0), 4, [0], True), cells) == ("ok", "use-after-free")


def test_a_store_through_a_clean_entry_walks_again() -> None:
    cells = Memory({tlb_cell(Cpu(0), 4): Entry(0, True, False), pte_cell(4): Pte(0, True)})
    assert do(user_store(Cpu(0), 4, [0], True), cells) == ("ok", "")
    assert cells[pte_cell(4)] == Pte(0, True, True)
    gone = Memory({tlb_cell(Cpu(0), 4): Entry(0, True, False), pte_cell(4): None})
    assert do(user_store(Cpu(0), 4, [0], True), gone) == ("fault", "")
    assert gone[tlb_cell(Cpu(0), 4)] is None
    assert gone[newer_cell(0)] is False


def test_speculation_fills_what_is_present_and_dirties_nothing() -> None:
    cells = Memory({pte_cell(4): Pte(0, True)})
    do(speculative_fill(Cpu(0), 4, True), cells)
    assert cells[tlb_cell(Cpu(0), 4)] == Entry(0, True, False)
    assert cells[pte_cell(4)] == Pte(0, True)
    assert blocked(speculative_fill(Cpu(0), 4, True), cells)
    assert blocked(speculative_fill(Cpu(0), 4, True), Memory())


def test_xchg_takes_the_dirty_bit_with_the_entry() -> None:
    cells = Memory({pte_cell(4): Pte(0, True, True)})
    assert do(xchg_pte(4, 1), cells)[0] == Pte(0, True, True)
    assert cells[pte_cell(4)] is None


def test_a_cell_starts_as_its_array_was_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Memory()[Cell("ref", 3)] == INITIAL["ref"] == 1
    with monkeypatch.context() as patch:
        patch.setitem(INITIAL, "mine.queue", ())  # as plugins did before there was declare()
        assert Memory()[Cell(declare("mine.queue", ()), 3)] == ()
        with pytest.raises(ValueError, match=r"cells 'mine.queue' start as \(\) already, not as None"):
            declare("mine.queue", None)


def test_a_cell_that_nobody_declared_says_how_to() -> None:
    with pytest.raises(
        KeyError, match=r"cell nonsense has no initial value; declare\('nonsense', VALUE\) of core.machine.memory"
    ):
        Memory()[Cell("nonsense")]


def test_a_word_is_declared_where_its_cells_are_made() -> None:
    """An architecture needs no line of core/machine for a word of its own; none is declared by two modules."""
    root = Path(__file__).parents[2]
    declared = [
        (array, path.relative_to(root).as_posix())
        for package in ("core", "arch_plugins")
        for path in (root / package).rglob("*.py")
        for array in re.findall(r'declare\("([^"]+)"', path.read_text(encoding="utf-8"))
    ]
    arrays = [array for array, _ in declared]
    assert sorted(arrays) == sorted(set(arrays))
    assert dict(declared)["queued"] == "arch_plugins/families/queued.py"
    assert len(arrays) > 40
