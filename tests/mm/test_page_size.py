"""A gather of powerpc holds entries of one size: what has another is flushed, and its pages freed, before they join."""

from __future__ import annotations

from typing import Any

import pytest

from arch_plugins.generic import Smp
from arch_plugins.powerpc_book3s32 import PowerpcBook3s32
from arch_plugins.powerpc_hash import PowerpcHash
from arch_plugins.powerpc_nohash import PowerpcNohash
from arch_plugins.powerpc_radix import PowerpcRadix
from core.machine.memory import Memory
from core.machine.op import Cpu, Tid
from core.machine.schedule import run
from core.machine.task import Task
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather, tlb_change_page_size, tlb_flush_pte_range, tlb_gather_mmu
from core.plugins.arch import set_up

POWERPC = (PowerpcBook3s32, PowerpcHash, PowerpcNohash, PowerpcRadix)


async def resized(mm: Mm, sizes: tuple[int, ...], fullmm: bool, seen: list[MmuGather]) -> None:
    """Clear an entry and queue its page, for each of `sizes`."""
    tlb = await tlb_gather_mmu(mm, fullmm)
    seen.append(tlb)
    for page, size in enumerate(sizes):
        await tlb_change_page_size(tlb, size)
        tlb_flush_pte_range(tlb, page, 1)
        await mm.hook.tlb_remove_page(tlb=tlb, page=page, nr=1, delay_rmap=False)


def events_of(plugin: type, sizes: tuple[int, ...], fullmm: bool = False) -> tuple[list[str], int]:
    """The flushes and releases, in order, and how many pages wait at the end."""
    arch = set_up("test", plugin(), "test")
    mm = Mm(arch.facts, ERAS["6.12"], arch.hook, Task("t", Tid(1), Cpu(0)), cpus=frozenset({Cpu(0)}))
    events: list[Any] = []
    seen: list[MmuGather] = []

    def only(op: Any, outcomes: Any) -> Any:
        raise AssertionError(op)

    run(resized(mm, sizes, fullmm, seen), Memory(), only, events.append, ())
    return [event[0] for event in events if event[0] in ("flush", "free")], sum(batch.nr for batch in seen[0].batches)


@pytest.mark.parametrize("plugin", POWERPC)
def test_another_size_flushes_and_frees(plugin: type) -> None:
    assert events_of(plugin, (1, 512)) == (["flush", "free"], 1)


@pytest.mark.parametrize("plugin", POWERPC)
@pytest.mark.parametrize(("sizes", "fullmm"), [((1, 1), False), ((512, 512), False), ((1, 512), True)])
def test_the_same_size_and_an_mm_that_goes_away_wait(plugin: type, sizes: tuple[int, ...], fullmm: bool) -> None:
    assert events_of(plugin, sizes, fullmm) == ([], 2)


def test_who_flushes_all_sizes_alike_waits() -> None:
    assert events_of(Smp, (1, 512)) == ([], 2)
