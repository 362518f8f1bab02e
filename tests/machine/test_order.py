"""Every word says what it promises about the order of memory accesses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.machine.op import barrier
from core.machine.order import BARRIERS, Order

ROOT = Path(__file__).parents[2]
WORDS = sorted(
    path
    for room in ("core/machine", "core/mm", "core/conformance", "arch_plugins")
    for path in (ROOT / room).rglob("*.py")
)


def operations(text: str) -> Iterator[ast.Call]:
    """The places at which an operation is made."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Op":
            yield node


def silent_about_order(text: str) -> list[int]:
    """The lines at which an operation is made that does not say its order."""
    return [call.lineno for call in operations(text) if "order" not in {k.arg for k in call.keywords}]


def test_there_are_words() -> None:
    assert sum(len(list(operations(path.read_text(encoding="utf-8")))) for path in WORDS) > 200


@pytest.mark.parametrize("path", WORDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_word_lacks_its_order(path: Path) -> None:
    assert silent_about_order(path.read_text(encoding="utf-8")) == []


def test_a_word_without_order_is_found() -> None:
    assert silent_about_order("x = 1\nOp('read', (cell,), (), step)\n") == [2]


def test_a_barrier_is_no_step_of_its_own_under_sequential_consistency() -> None:
    assert barrier(Order.SMP_MB).silent


def test_an_access_is_no_barrier() -> None:
    assert {Order.PLAIN, Order.FULL, Order.WALK, Order.COMPLETE, Order.FLUSH}.isdisjoint(BARRIERS)
    assert {Order.SMP_MB, Order.DSB_ISHST, Order.PTESYNC, Order.BCR} <= BARRIERS
