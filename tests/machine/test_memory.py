"""Cells start with the value that their array was declared with; runs of cells are for readers with one schedule."""

from __future__ import annotations

import pytest

from core.machine.memory import INITIAL, PANEL_OF, Memory, WholeRuns, declare, panel_of_array
from core.machine.op import Cell
from core.machine.pte import PTE

ONE, RUN = Cell(PTE, 4), Cell(PTE, 4, 3)


def test_a_cell_that_is_read_first_keeps_its_initial_value() -> None:
    cells = Memory()
    assert cells[ONE] is None
    assert dict(cells) == {ONE: None}


@pytest.mark.parametrize("kind", [Memory, WholeRuns])
def test_an_array_that_nobody_declared_is_named_with_the_remedy(kind: type[Memory]) -> None:
    with pytest.raises(KeyError, match="cell nowhere has no initial value; declare\\('nowhere', VALUE\\)"):
        kind()[Cell("nowhere")]


def test_a_run_as_a_whole_is_refused_where_cells_are_single() -> None:
    with pytest.raises(KeyError, match="is a run of 3: only the accountant keeps one as a whole"):
        Memory()[RUN]


def test_whole_runs_give_a_run_the_initial_value_and_do_not_keep_it() -> None:
    """What is kept of a run would hide what is written to the cells in it later."""
    cells = WholeRuns()
    assert cells[RUN] is None
    assert dict(cells) == {}


def test_a_run_stands_beside_the_cells_in_it() -> None:
    cells = WholeRuns({RUN: "the run"})
    assert (cells[RUN], cells[ONE], cells[Cell(PTE, 4, 2)]) == ("the run", None, None)
    cells[ONE] = "the entry"
    assert (cells[RUN], cells[ONE]) == ("the run", "the entry")


def test_two_modules_cannot_give_one_array_different_values() -> None:
    assert declare(PTE, INITIAL[PTE]) == PTE
    with pytest.raises(ValueError, match="start as None already, not as 7: choose another name"):
        declare(PTE, 7)


def test_the_panel_of_an_array_is_the_declared_one_or_follows_its_index() -> None:
    assert panel_of_array(PTE, of_cpu=True) == PANEL_OF[PTE] == "tables"
    assert (panel_of_array("mine", of_cpu=True), panel_of_array("mine", of_cpu=False)) == ("cpu", "mm")
