"""The order that is part of an operation: with less of it, wherever the kernel's text has it, some scenario is red.

`mutants` weakens barriers, which are operations of their own, one kind at a time.  Here the promise of an order is
weakened for all operations that have it: a full atomic operation becomes one without order, and under TSO, where every
locked operation is a barrier, a store that waits.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.resolve_arch import choose
from core.conformance.judge import judge
from core.conformance.scenarios import SCENARIOS
from core.machine.meaning import MEANINGS, NOTHING, STORES, Meaning
from core.machine.order import Order

ALL_ROWS = Path(__file__).parents[2] / "arches-all.toml"
UNORDERED = MEANINGS["weak"][Order.ATOMIC]

NOTICED: list[tuple[str, str, Order, Meaning, str, str]] = [
    ("arm64", "weak", Order.RELEASE, STORES, "lost-dirty-munmap", "fault-into-unmapped"),
    ("arm64", "weak", Order.ATOMIC_RELEASE, UNORDERED, "lost-dirty-munmap", "fault-into-unmapped"),
    ("arm64", "weak", Order.ATOMIC, STORES, "dirty-bit-in-time", "no-lost-dirty"),
    ("arm64", "weak", Order.FULL, UNORDERED, "lazyfree-dio", "reached-by-device"),
    ("riscv", "weak", Order.HANDLER, NOTHING, "lost-dirty-munmap", "no-lost-dirty"),
    ("powerpc-radix", "weak", Order.SMP_MB, NOTHING, "switch-asid", "use-after-free"),
    ("x86", "tso", Order.FULL, STORES, "dirty-bit-in-time", "no-lost-dirty"),
    ("x86", "tso", Order.ATOMIC, STORES, "nested-gathers", "stale-after-return"),
    ("x86", "tso", Order.ATOMIC_ACQUIRE, STORES, "lost-dirty-munmap", "lock-discipline"),
    ("x86", "tso", Order.ATOMIC_RELEASE, STORES, "lost-dirty-munmap", "lock-discipline"),
    ("x86", "tso", Order.HANDLER, NOTHING, "lost-dirty-munmap", "no-lost-dirty"),
    ("x86", "tso", Order.SMP_MB, NOTHING, "lazy-tso", "use-after-free"),
    ("s390", "tso", Order.FULL, STORES, "lazyfree-dio", "reached-by-device"),
    ("s390", "tso", Order.FLUSH_ALL, NOTHING, "table-flush-mm", "walk-of-freed-table"),
]
"""Row, memory model, order, what is left of it, the scenario that notices, and the property."""


@pytest.mark.parametrize(("row", "model", "order", "left", "scenario", "violated"), NOTICED)
def test_an_order_that_promises_less_is_noticed(
    row: str,
    model: str,
    order: Order,
    left: Meaning,
    scenario: str,
    violated: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = choose(row, None, ALL_ROWS)
    assert judge(found.arch(), found.era, SCENARIOS[scenario]).verdict == "pass"
    monkeypatch.setitem(MEANINGS[model], order, left)
    result = judge(found.arch(), found.era, SCENARIOS[scenario])
    assert (result.verdict, result.violated) == ("fail", violated)
    assert result.trace
