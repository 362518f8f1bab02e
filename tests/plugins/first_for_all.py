"""Policies that take the first entry of a run for all of them, each in one hook."""

from __future__ import annotations

from arch_plugins.generic import Smp
from core.hookspecs import hookimpl
from core.words import (
    Entry,
    Mm,
    MmuGather,
    Pte,
    UnmapBatch,
    gather_page,
    mm_cpumask,
    ptep_get,
    set_pte,
    wrprotect_pte,
)


class SetsOne(Smp):
    @hookimpl
    async def set_ptes(self, mm: Mm, addr: int, pte: Entry, nr: int) -> None:
        await set_pte(addr, pte)


class ClearsOne(Smp):
    @hookimpl
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> Pte:
        first: Pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=full)
        return first


class SaysTheFirstIsDirty(Smp):
    """Clears all, in one call: what it returns is of the first."""

    @hookimpl
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> Pte:
        first: Pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=nr, full=full)
        return first


class ProtectsOne(Smp):
    @hookimpl
    async def wrprotect_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        await wrprotect_pte(addr)


class CleansOne(Smp):
    @hookimpl
    async def clear_young_dirty_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        pte: Pte = await ptep_get(addr)
        await set_pte(addr, pte._replace(dirty=False))


class LooksAtOne(Smp):
    @hookimpl
    async def clear_flush_young_ptes(self, mm: Mm, addr: int, nr: int) -> bool:
        return await mm.hook.ptep_clear_flush_young(mm=mm, addr=addr)


class AddsTheFirst(Smp):
    """arch_tlbbatch_add_pending() of one address, as up to 6.15, and a flush of those."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        batch.arch = (*(batch.arch or ()), start)
        batch.cpus |= await mm_cpumask(mm)

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        for addr in batch.arch:
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        batch.arch = None


class FlushesTheFirst(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await mm.hook.flush_tlb_page(mm=mm, addr=start)


class QueuesOne(Smp):
    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        return await gather_page(tlb, page, 1, delay_rmap)
