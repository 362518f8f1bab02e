"""arm64 with contiguous blocks: entries of a large folio are folded into blocks that the TLB may cache as one.

arch/arm64/mm/contpte.c, arch/arm64/include/asm/pgtable.h (6.9 and later, CONFIG_ARM64_CONTPTE).  The generic mm sees
entries as ever: what it reads has the dirty bit of the whole block, and what it changes is unfolded first, if it is a
part of a block.  To fold or unfold a block is to clear it, flush it, and set it anew (contpte_convert()), because the
TLB must not hold an entry of the block and another of a part of it.

What spares the flush: to clear or write-protect a whole block leaves no entry with the bit that says something else
than its neighbours, so the flush of the gather is enough.

A model has blocks only if it has as many addresses as one takes (`folds`); elsewhere no entry is read for the bit.
Accessed bits are followed where reclaim asks for them alone.
"""

from __future__ import annotations

from typing import cast

from arch_plugins.families.broadcast import Broadcast
from core.hookspecs import hookimpl
from core.machine.pte import Entry, Pte, allow_pte, clean_pte, ptep_get, set_pte, wrprotect_pte, xchg_pte
from core.mm.mm import Mm, xchg_order
from core.mm.pgtable import clear_young_dirty_ptes, get_and_clear_full_ptes, set_ptes


def folds(mm: Mm) -> bool:
    """Can there be a contiguous block in this model?  Entries of init_mm are not folded: contpte.c:mm_is_user()."""
    return not mm.is_init_mm and mm.facts.cont_ptes <= len(mm.addrs)


def pte_valid_cont(pte: object) -> bool:
    """Is the entry one of a contiguous block?"""
    return isinstance(pte, Pte) and pte.cont


def block_of(mm: Mm, addr: int) -> range:
    """The virtual pages of the block that `addr` is in, folded or not: contpte_align_down(), CONT_PTES."""
    start = addr - addr % mm.facts.cont_ptes
    return range(start, start + mm.facts.cont_ptes)


def same_but_dirty(pte: object, expected: Pte) -> bool:
    """pte_same() of pte_mkold(pte_mkclean()) of both."""
    return isinstance(pte, Pte) and pte._replace(dirty=False) == expected._replace(dirty=False)


class Contpte(Broadcast):
    """The hooks of asm/pgtable.h with CONFIG_ARM64_CONTPTE."""

    # ---- folding and unfolding ----

    async def contpte_convert(self, mm: Mm, addr: int, pte: Pte) -> None:
        """Break before make: all entries of the block are cleared and flushed, then set as `pte` is.

        The walker may set a dirty bit until an entry is cleared, so the bits of what was cleared count.
        """
        block, dirty = block_of(mm, addr), pte.dirty
        for at in block:
            cleared = await xchg_pte(at, 1, order=xchg_order(mm))
            dirty = dirty or cleared.dirty
        await self.flush_range(mm, block.start, block.stop, 1, leaf=True)
        first = pte._replace(frame=pte.frame - pte.frame % len(block), dirty=dirty)
        await set_ptes(block.start, first, len(block))

    async def contpte_try_unfold(self, mm: Mm, addr: int) -> None:
        pte: Entry = await ptep_get(addr)
        if pte_valid_cont(pte):
            await self.contpte_convert(mm, addr, cast(Pte, pte)._replace(cont=False))

    async def contpte_try_unfold_partial(self, mm: Mm, addr: int, nr: int) -> None:
        """Unfold the blocks that the range covers in part, at its beginning and at its end."""
        if addr != block_of(mm, addr).start or nr < mm.facts.cont_ptes:
            await self.contpte_try_unfold(mm, addr)
        if (addr + nr) % mm.facts.cont_ptes:
            await self.contpte_try_unfold(mm, addr + nr - 1)

    async def contpte_try_fold(self, mm: Mm, addr: int, pte: Pte) -> None:
        """Fold the block if its last entry has just been set, and one folio covers it with equal permissions."""
        block = block_of(mm, addr)
        last = addr == block.stop - 1 and pte.frame % len(block) == len(block) - 1
        if not last or pte.cont or mm.special(pte.frame):
            return
        head, pages = mm.folio(pte.frame)
        start = addr - (pte.frame - head)
        if start > block.start or start + pages < block.stop:
            return
        for at in block:
            if not same_but_dirty(await ptep_get(at), pte._replace(frame=pte.frame - (addr - at))):
                return
        await self.contpte_convert(mm, addr, pte._replace(cont=True))

    # ---- reading ----

    @hookimpl
    async def ptep_get(self, mm: Mm, addr: int) -> Entry:
        """contpte_ptep_get(): the dirty bit may be in any entry of the block."""
        pte: Entry = await ptep_get(addr)
        if not folds(mm) or not pte_valid_cont(pte):
            return pte
        dirty = False
        for at in block_of(mm, addr):
            other: Entry = await ptep_get(at)
            dirty = dirty or (isinstance(other, Pte) and other.dirty)
        return cast(Pte, pte)._replace(dirty=dirty)

    @hookimpl
    async def ptep_get_lockless(self, mm: Mm, addr: int) -> Entry:
        """contpte_ptep_get_lockless(): starts again while the entries are not those of one block."""
        while True:
            pte: Entry = await ptep_get(addr, lockless=True)
            if not folds(mm) or not pte_valid_cont(pte):
                return pte
            whole = await self.consistent(mm, addr, cast(Pte, pte))
            if whole is not None:
                return whole

    async def consistent(self, mm: Mm, addr: int, pte: Pte) -> Pte | None:
        """`pte`, dirty if an entry of its block is; None if they do not belong together."""
        dirty = False
        for at in block_of(mm, addr):
            other: Entry = await ptep_get(at, lockless=True)
            if not same_but_dirty(other, pte._replace(frame=pte.frame + at - addr)):
                return None
            dirty = dirty or cast(Pte, other).dirty
        return pte._replace(dirty=pte.dirty or dirty)

    # ---- setting ----

    @hookimpl
    async def set_ptes(self, mm: Mm, addr: int, pte: Entry, nr: int) -> None:
        """What the caller has read may have the contiguous bit, which is not for it to set."""
        if not folds(mm) or not isinstance(pte, Pte):
            if folds(mm):
                await self.contpte_try_unfold(mm, addr)
            await set_ptes(addr, pte, nr)
            return
        pte = pte._replace(cont=False)
        if nr > 1:
            await self.contpte_set_ptes(mm, addr, pte, nr)
            return
        await self.contpte_try_unfold(mm, addr)
        await set_pte(addr, pte)
        await self.contpte_try_fold(mm, addr, pte)

    async def contpte_set_ptes(self, mm: Mm, addr: int, pte: Pte, nr: int) -> None:
        """The entries are empty, so whole blocks are set with the bit from the start."""
        end = addr + nr
        while addr < end:
            block = block_of(mm, addr)
            stop = min(block.stop, end)
            whole = addr == block.start and stop == block.stop and pte.frame % len(block) == 0
            await set_ptes(addr, pte._replace(cont=whole), stop - addr)
            pte = pte._replace(frame=pte.frame + stop - addr)
            addr = stop

    @hookimpl
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        """contpte_ptep_set_access_flags(): only a change of the write permission unfolds."""
        orig: Entry = await ptep_get(addr) if folds(mm) else None
        if not pte_valid_cont(orig):
            await super().ptep_set_access_flags(mm, addr, entry)
            return
        if await self.all_match(mm, addr, entry):
            return
        if cast(Pte, orig).write != entry.write:
            await self.contpte_convert(mm, addr, cast(Pte, orig)._replace(cont=False))
            await super().ptep_set_access_flags(mm, addr, entry)
            return
        block = block_of(mm, addr)
        for at in block:
            await allow_pte(at, entry)
        if entry.dirty:
            await self.flush_range(mm, block.start, block.stop, 1, leaf=True)

    async def all_match(self, mm: Mm, addr: int, entry: Pte) -> bool:
        """contpte_all_subptes_match_access_flags(): each entry by itself, not what ptep_get() makes of them."""
        for at in block_of(mm, addr):
            pte: Pte = await ptep_get(at)
            if (pte.write, pte.dirty) != (entry.write, entry.dirty):
                return False
        return True

    # ---- clearing ----

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        if folds(mm):
            await self.contpte_try_unfold(mm, addr)
        entry: Entry = await xchg_pte(addr, nr, ("clear", addr, nr), xchg_order(mm))
        return entry

    @hookimpl
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> Pte:
        """contpte_get_and_clear_full_ptes(): whole blocks are cleared as they are."""
        if not folds(mm) or nr == 1:
            return await get_and_clear_full_ptes(mm, addr, nr, full)
        await self.contpte_try_unfold_partial(mm, addr, nr)
        first: Pte = await xchg_pte(addr, 1, ("clear", addr, 1), xchg_order(mm))
        for at in range(addr + 1, addr + nr):
            other: Pte = await xchg_pte(at, 1, ("clear", at, 1), xchg_order(mm))
            first = first._replace(dirty=first.dirty or other.dirty)
        return first

    @hookimpl
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        await mm.hook.wrprotect_ptes(mm=mm, addr=addr, nr=1)

    @hookimpl
    async def wrprotect_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        """contpte_wrprotect_ptes(): part of a block must not differ from the rest."""
        if folds(mm):
            await self.contpte_try_unfold_partial(mm, addr, nr)
        for at in range(addr, addr + nr):
            await wrprotect_pte(at)

    @hookimpl
    async def clear_young_dirty_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        """contpte_clear_young_dirty_ptes(): of whole blocks, since one folio covers them."""
        if not folds(mm):
            await clear_young_dirty_ptes(mm, addr, nr)
            return
        end = addr + nr
        if pte_valid_cont(await ptep_get(end - 1)):
            end = block_of(mm, end - 1).stop
        if pte_valid_cont(await ptep_get(addr)):
            addr = block_of(mm, addr).start
        for at in range(addr, end):
            await clean_pte(at)
