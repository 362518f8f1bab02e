"""All published effects, in the order of the table."""

from __future__ import annotations

from collections.abc import Iterator

from core.truth.published.arm64 import arm64_broadcast
from core.truth.published.effect import Effect
from core.truth.published.page_fault3 import page_fault3_regression
from core.truth.published.riscv import riscv_batched_unmap
from core.truth.published.x86 import ceiling, invlpgb


def effects() -> Iterator[Effect]:
    """All published effects with their predictions."""
    yield from page_fault3_regression()
    yield from ceiling()
    yield from invlpgb()
    yield from arm64_broadcast()
    yield from riscv_batched_unmap()
