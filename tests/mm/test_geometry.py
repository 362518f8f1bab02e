"""Batch sizes that follow from page and pointer size; the numbers are the kernel's (include/asm-generic/tlb.h)."""

from __future__ import annotations

import pytest

from arch_plugins.generic import Smp
from core.cost.workload_counts import account
from core.cost.workloads import page_fault3
from core.hookspecs import Facts
from core.mm.era import ERAS
from core.plugins.arch import set_up


@pytest.mark.parametrize(
    ("page_size", "pointer_size", "batch", "count"),
    [
        (4096, 8, 510, 19),
        (8192, 8, 1022, 9),
        (16384, 8, 2046, 4),
        (65536, 8, 8190, 1),
        (4096, 4, 1021, 9),
        (8192, 4, 2045, 4),
        (16384, 4, 4093, 2),
    ],
)
def test_gather_batches(page_size: int, pointer_size: int, batch: int, count: int) -> None:
    facts = Facts(page_size=page_size, pointer_size=pointer_size)
    assert (facts.batch_entries, facts.batch_count) == (batch, count)


def test_table_batches() -> None:
    assert Facts(rcu_table_free=True).table_batch_entries == 509


@pytest.mark.parametrize(("page_size", "ptes"), [(4096, 512), (8192, 1024), (16384, 2048), (65536, 8192)])
def test_one_table_of_dirty_pages_fits_the_stack_and_one_batch(page_size: int, ptes: int) -> None:
    """Why c47454823bd4 needs no flush but the one at the end of each table."""
    facts = Facts(page_size=page_size)
    assert facts.bundle + facts.batch_entries >= ptes


@pytest.mark.parametrize(
    ("era", "flushes", "held", "delayed"), [("6.1", 4, 512, 0), ("5df397dec7", 256, 8, 8), ("6.2-fix", 4, 512, 512)]
)
def test_2048_dirty_shared_pages(era: str, flushes: int, held: int, delayed: int) -> None:
    """The regression of 5df397dec7c4 and its repair: every 8 pages, or every table."""
    counts = account(set_up("smp", Smp(), "test"), ERAS[era], page_fault3())
    assert (counts["flushes"], counts["max_held"], counts["max_delayed"]) == (flushes, held, delayed)
    assert counts["ipis"] == flushes
    assert counts["pages_freed"] == 2048
