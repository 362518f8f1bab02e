"""Wrong versions of the core, one function replaced each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import core.mm.memory
import core.mm.mmu_gather
import core.mm.swap
from core.machine.pte import Entry
from core.mm.mm import Mm, dec_tlb_flush_pending, mm_tlb_flush_nested
from core.mm.mmu_gather import Batch, MmuGather
from core.mm.swap import Slot


@contextmanager
def rmap_after_unlock() -> Iterator[None]:
    """The delayed rmaps are removed when the page is freed, long after the page-table lock."""
    flush_rmaps, free = core.mm.mmu_gather.tlb_flush_rmaps, core.mm.mmu_gather.tlb_batch_pages_flush

    async def not_yet(tlb: MmuGather, addr: int) -> None:
        return None

    async def late(tlb: MmuGather) -> None:
        await flush_rmaps(tlb, 0)
        await free(tlb)

    with (
        mock.patch.object(core.mm.memory, "tlb_flush_rmaps", not_yet),
        mock.patch.object(core.mm.mmu_gather, "tlb_batch_pages_flush", late),
    ):
        yield


@contextmanager
def batches_ignore_delayed() -> Iterator[None]:
    """tlb_next_batch() goes on although delayed rmaps are pending."""
    original = core.mm.mmu_gather.tlb_next_batch

    async def careless(tlb: MmuGather) -> bool:
        pending, tlb.delayed_rmap = tlb.delayed_rmap, False
        more = await original(tlb)
        tlb.delayed_rmap = pending
        return more

    with mock.patch.object(core.mm.mmu_gather, "tlb_next_batch", careless):
        yield


@contextmanager
def overfills() -> Iterator[None]:
    """A failed allocation is taken for success: entries go behind the end of the batch."""

    async def hopeful(tlb: MmuGather, slot: Slot) -> bool:
        batch: Batch = tlb.batches[tlb.active]
        batch.slots.append(slot)
        batch.nr += slot.nr
        if batch.nr >= batch.max:
            await core.mm.mmu_gather.tlb_next_batch(tlb)
        return False

    with mock.patch.object(core.mm.mmu_gather, "queue", hopeful):
        yield


@contextmanager
def unlocks_before_flush() -> Iterator[None]:
    """The forced flush comes after the page-table lock is dropped (before 1cf35d47712d)."""

    async def no_flush(tlb: MmuGather) -> None:
        return None

    with mock.patch.object(core.mm.memory, "tlb_flush_mmu_tlbonly", no_flush):
        yield


@contextmanager
def closes_before_flush() -> Iterator[None]:
    """tlb_finish_mmu() says that its gather is closed before it flushes what is left in it."""

    async def hasty(tlb: MmuGather) -> None:
        if await mm_tlb_flush_nested():
            core.mm.mmu_gather.force_flush(tlb)
        await dec_tlb_flush_pending(tlb.mm)
        await core.mm.mmu_gather.tlb_flush_mmu(tlb)

    with mock.patch.object(core.mm.memory, "tlb_finish_mmu", hasty):
        yield


@contextmanager
def swap_batch_too_long() -> Iterator[None]:
    """swap_pte_batch() takes whatever stands behind the last swap entry."""

    async def greedy(mm: Mm, addr: int, max_nr: int, pte: Entry) -> int:
        return max_nr

    with mock.patch.object(core.mm.memory, "swap_pte_batch", greedy):
        yield


@contextmanager
def flags_left_in() -> Iterator[None]:
    """free_pages_and_swap_cache() takes the encoded pointers for pointers."""
    with mock.patch.object(core.mm.swap, "encoded_page_ptr", lambda encoded: encoded):
        yield


CORE_MUTANTS: dict[str, Any] = {
    "rmap-after-unlock": rmap_after_unlock,
    "batches-ignore-delayed": batches_ignore_delayed,
    "overfills": overfills,
    "unlocks-before-flush": unlocks_before_flush,
    "closes-before-flush": closes_before_flush,
    "swap-batch-too-long": swap_batch_too_long,
}
