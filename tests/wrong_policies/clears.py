"""Mistakes as an entry changes: how many, atomically or not, and what its dirty bit was."""

from __future__ import annotations

from typing import Any

from arch_plugins.generic import Smp
from core.facts import Facts
from core.hookspecs import hookimpl
from core.machine.accessed import accessed_cell, test_and_clear_young, xchg_pte_young
from core.machine.op import Op, Outcome
from core.machine.pte import Entry, Pte, local_ptep_get_and_clear, pte_cell, ptep_get, set_pte, xchg_pte
from core.mm.huge_memory import establish_invalid_pmd, pmdp_get, set_pmd_at, xchg_pmd
from core.mm.mm import Mm
from core.mm.pgtable import clear_upper


class ClearsOne(Smp):
    """ptep_get_and_clear() clears the first entry, whatever `nr`."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        return await xchg_pte(addr, 1, ("clear", addr, nr))


class ClearsEach(Smp):
    """Right: one after the other."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        first: Any = None
        for page in range(addr, addr + nr):
            pte = await xchg_pte(page, 1, ("clear", page, 1))
            first = pte if page == addr else first
        return first


class ClearsUpTo16(Smp):
    """At most 16 entries: a contiguous block of arm64's."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        return await xchg_pte(addr, min(nr, 16), ("clear", addr, nr))


class TornClear(Smp):
    """Reads, then clears by a plain store, where hardware sets dirty bits."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        return await local_ptep_get_and_clear(addr, nr)


class CleanClear(Smp):
    """The entry comes back clean."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        pte: Any = await xchg_pte(addr, nr, ("clear", addr, nr))
        return pte._replace(dirty=False) if isinstance(pte, Pte) else pte


class CleanFullClear(Smp):
    """The entry comes back clean where the mm has no users left."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        pte: Any = await xchg_pte(addr, nr, ("clear", addr, nr))
        return pte._replace(dirty=False) if full and isinstance(pte, Pte) else pte


class PlainFullClear(Smp):
    """Right: a plain store is enough there, for nobody runs."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        return await (local_ptep_get_and_clear(addr, nr) if full else xchg_pte(addr, nr, ("clear", addr, nr)))


class NoFullClear(Smp):
    """Where the mm has no users left the entries are only read: the tables go anyway."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        return await (ptep_get(addr) if full else xchg_pte(addr, nr, ("clear", addr, nr)))


class CleanHuge(Smp):
    """A huge entry comes back clean."""

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> object:
        pmd: Any = await xchg_pmd(mm, addr)
        return pmd._replace(dirty=False) if isinstance(pmd, Pte) else pmd


class CleanFullHuge(Smp):
    """A huge entry comes back clean where the mm has no users left."""

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> object:
        pmd: Any = await xchg_pmd(mm, addr)
        return pmd._replace(dirty=False) if full and isinstance(pmd, Pte) else pmd


class TornHuge(Smp):
    """A huge entry is read, then cleared."""

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> object:
        pmd = await pmdp_get(mm, addr)
        await clear_upper(mm, 0, addr)
        return pmd


class TornFullHuge(Smp):
    """Right: if nobody runs any more."""

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> object:
        if not full:
            return await xchg_pmd(mm, addr)
        pmd = await pmdp_get(mm, addr)
        await clear_upper(mm, 0, addr)
        return pmd


class EmptyInvalidate(Smp):
    """pmdp_invalidate() empties the entry for a moment (before ced108037c2a)."""

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> object:
        pmd = await xchg_pmd(mm, addr)
        await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
        return pmd


class LooksOnly(Smp):
    """pmdp_invalidate() reads, and flushes."""

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> object:
        pmd = await pmdp_get(mm, addr)
        await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
        return pmd


class WritesItBack(Smp):
    """pmdp_invalidate() by load and store."""

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> object:
        from core.mm.huge_memory import invalid

        pmd: Any = await pmdp_get(mm, addr)
        await set_pmd_at(mm, addr, invalid(pmd))  # type: ignore[arg-type]
        await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
        return pmd


class InvalidatesUnflushed(Smp):
    """pmdp_invalidate() leaves the flush to its caller, as x86's pmdp_invalidate_ad() does."""

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> object:
        return await establish_invalid_pmd(mm, addr)


class LooksOnlyAd(Smp):
    """pmdp_invalidate_ad() reads: the gather will flush."""

    @hookimpl
    async def pmdp_invalidate_ad(self, mm: Mm, addr: int) -> object:
        return await pmdp_get(mm, addr)


class InvalidatesAd(Smp):
    """Right, as x86 has it: pmdp_invalidate_ad() leaves the flush to the gather."""

    @hookimpl
    async def pmdp_invalidate_ad(self, mm: Mm, addr: int) -> object:
        return await establish_invalid_pmd(mm, addr)


class NeitherFlushes(InvalidatesAd):
    """pmdp_invalidate_ad() leaves the flush to the gather, and huge_pmd_needs_flush() takes it for done."""

    @hookimpl
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:
        return False


class TornWrprotect(Smp):
    """ptep_set_wrprotect() by load and store: the dirty bit that hardware sets in between is lost."""

    @hookimpl
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        pte: Any = await ptep_get(addr)
        await set_pte(addr, pte._replace(write=False))


class CleanWrprotect(Smp):
    """ptep_set_wrprotect() takes the dirty bit too."""

    @hookimpl
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        cell = pte_cell(addr)

        def step(pte: Pte) -> list[Outcome]:
            return [Outcome(None, (pte._replace(write=False, dirty=False),))]

        await Op(f"ptep_set_wrprotect({addr})", (cell,), (cell,), step)


class NoWrprotect(Smp):
    """ptep_set_wrprotect() is empty: the child has a read-only copy, and that is thought to do."""

    @hookimpl
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        return None


class CleanCopy(Smp):
    """pte_wrprotect() returns the copy clean."""

    @hookimpl
    def pte_wrprotect(self, mm: Mm, pte: Pte) -> Pte:
        return pte._replace(write=False, dirty=False)


class WritableCopy(Smp):
    """pte_wrprotect() returns what it is given."""

    @hookimpl
    def pte_wrprotect(self, mm: Mm, pte: Pte) -> Pte:
        return pte


class TornYoung(Smp):
    """The accessed bit is cleared by writing back the entry that was read: with the dirty bit of then."""

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        pte: Any = await ptep_get(addr)
        young = bool(await test_and_clear_young(addr))
        if young:
            await set_pte(addr, pte)
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        return young


class CleanYoung(Smp):
    """The accessed bit is cleared, and the dirty bit with it."""

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        pte, bit = pte_cell(addr), accessed_cell(addr)

        def step(entry: Any, young: bool) -> list[Outcome]:
            return [Outcome(young, (entry._replace(dirty=False) if isinstance(entry, Pte) else entry, False))]

        young = bool(await Op(f"ptep_test_and_clear_young({addr})", (pte, bit), (pte, bit), step))
        if young:
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        return young


class UnflushedYoung(Smp):
    """Right: the flush of an old entry may be left out, as x86 does."""

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        return bool(await test_and_clear_young(addr))


class OldIsUncached(UnflushedYoung):
    """An entry whose accessed bit is clear is taken for one that no CPU has (07509e10dcc7)."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(capabilities=frozenset({"move_pmd"}))

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> object:
        pte, young = await xchg_pte_young(addr, 1)
        if young:
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        return pte


class CleanIsUncached(Smp):
    """ptep_clear_flush() does not flush for a clean entry."""

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> object:
        pte: Any = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        if isinstance(pte, Pte) and pte.dirty:
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        return pte


class NoClearFlush(Smp):
    """ptep_clear_flush() clears."""

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> object:
        return await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
