"""Kernel C on one path: it asks what its automaton asks, and what it may not do is said by its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.tree.automata import Automata, digest_of
from core.tree.errors import TreeError
from core.tree.kernel_tree import KernelTree
from core.tree.row import built
from tests.tree.conftest import REFERENCE, Edit

ENTRY = "enter_flush_tlb_mm"


def automata(tree: Path) -> Automata:
    """Those of the toy tree."""
    return Automata(built(REFERENCE, KernelTree(tree)).unit, REFERENCE, digest_of(REFERENCE))


def test_a_path_is_one_of_the_automaton(toy: Path) -> None:
    of = automata(toy)
    learned, at = of.of(ENTRY, (), 2), of.start(ENTRY, (), 2)
    row, asked = learned.rows[0], []
    while True:
        said = list(at.said)
        for word in at.words:
            assert word == row.word
            answer = said.pop(0) if said else max(row.next)
            row = learned.rows[row.next[answer]]
            asked.append(word.kind)
        if at.ended:
            break
        at = of.answer(ENTRY, at, answer)
    assert row.word is None
    assert at.result == row.result
    assert asked == ["READ_ONCE", "send_ipi", "tlbia", "wait_ipi"]


def test_two_calls_go_on_independently(toy: Path) -> None:
    of = automata(toy)
    first, second = of.start(ENTRY, (), 2), of.start(ENTRY, (), 2)
    assert first.call != second.call
    assert first.words == second.words
    assert [at.ended for at in (first, second)] == [False, False]
    alone, both = of.answer(ENTRY, first, 1), of.answer(ENTRY, second, 3)
    assert alone.ended
    assert alone.words != both.words


def test_a_word_that_no_rule_knows_is_an_error_with_its_line(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "mm, 1);\n", 'mm, 1);\n\tOP("new instruction");\n')
    of = automata(toy)
    at = of.start(ENTRY, (), 2)
    with pytest.raises(TreeError, match=r"arch/toy/mm/tlb.c:\d+: the model has no meaning for: new instruction"):
        of.answer(ENTRY, at, 1)
