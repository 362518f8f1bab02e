"""One round of the benchmark of batched unmapping on riscv."""

from __future__ import annotations

import pytest

from core.cost.price_model import DEFAULT, MODELS
from core.truth.published.riscv import PAGES, call_time, calls, riscv_batched_unmap, without_refills


def test_a_round_asks_once_per_page_and_for_the_gather() -> None:
    assert calls(batched=False) == PAGES + 1
    assert calls(batched=False, tables=2) == PAGES + 1


@pytest.mark.parametrize("tables", [1, 2, 4])
def test_a_batch_asks_once_and_is_found_pending_once(tables) -> None:
    """By each table: one batch, and one flush by whoever takes the lock next; and the gather's."""
    assert calls(batched=True, tables=tables) == 2 * tables + 1


def test_the_price_of_a_call_is_what_the_benchmark_gives() -> None:
    coefficient = MODELS[DEFAULT].coefficients["SBI_ECALL"]
    assert (coefficient.low, coefficient.high) == pytest.approx(call_time(), abs=1)


def test_what_remains_is_no_more_than_the_share_of_calls_leaves() -> None:
    found = {e.name.removeprefix("riscv batched unmap: "): e for e in riscv_batched_unmap()}
    assert 0.4 < without_refills() < 0.6
    assert found["QEMU"].predicted[1] < 100 - 68.17
    low, high = found["share of SBI calls"].predicted
    for share, left in zip((low, high), found["QEMU"].predicted, strict=True):
        called = left * share / 100
        assert pytest.approx(called, rel=0.01) == 68.17 * 3 / 257 or pytest.approx(called, rel=0.01) == 68.17 * 5 / 257
