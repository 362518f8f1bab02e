"""Entries that map pages of the smallest size: include/linux/pgtable.h."""

from __future__ import annotations

from core.hookspecs.marker import hookspec
from core.machine.pte import Entry, Present, Pte
from core.mm.mm import Mm


class EntriesSpec:
    """The hooks of this area."""

    @hookspec
    async def ptep_get(self, mm: Mm, addr: int) -> Entry:
        """Program. Read one entry; the page-table lock is held.

        The dirty bit must include every store through the entry so far.  ptep_get().
        """

    @hookspec
    async def ptep_get_lockless(self, mm: Mm, addr: int) -> Entry:
        """Program. Read one entry without the page-table lock (GUP-fast): what it was at one moment.

        ptep_get_lockless().
        """

    @hookspec
    async def set_ptes(self, mm: Mm, addr: int, pte: Entry, nr: int) -> None:
        """Program. Set `nr` entries from `addr` to `pte` and the pages that follow its page; the page-table lock is
        held.

        With `nr` above 1 all of them are empty before.  set_ptes(); set_pte_at() is that of one entry.
        """

    @hookspec
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        """Program. A fault makes a present entry more permissive: writable, or dirty; the page-table lock is held.

        Hardware may set the dirty bit at the same time.  ptep_set_access_flags().
        """

    @hookspec
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> Pte:  # type: ignore[empty-body]
        """Program. Clear `nr` present entries that map consecutive pages of one folio; the page-table lock is held.

        Returns the first as it was, dirty if any of them was.  The generic one calls `ptep_get_and_clear` for each run
        of equal entries.  get_and_clear_full_ptes().
        """

    @hookspec
    async def wrprotect_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        """Program. Remove write permission from `nr` entries of one folio, as fork() does; otherwise as
        `ptep_set_wrprotect`, which the generic one calls for each.  wrprotect_ptes().
        """

    @hookspec
    async def clear_young_dirty_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        """Program. Make `nr` entries of one folio old and clean, as MADV_FREE does; the page-table lock is held.

        The gather flushes them.  clear_young_dirty_ptes().
        """

    @hookspec
    async def ptep_modify_prot_start(self, mm: Mm, addr: int) -> Present:  # type: ignore[empty-body]
        """Program. mprotect() is about to change a present entry; the page-table lock is held. Returns the entry.

        Until ptep_modify_prot_commit() hardware must set no bit in it that would be lost.  Mirrors
        ptep_modify_prot_start().
        """

    @hookspec
    async def ptep_modify_prot_commit(self, mm: Mm, addr: int, oldpte: Present, pte: Entry) -> None:
        """Program. The end of what `ptep_modify_prot_start` began, which returned `oldpte`: the entry becomes `pte`.

        The page-table lock has been held since.  No flush: the gather does it, if pte_needs_flush() says so.  Mirrors
        ptep_modify_prot_commit().
        """

    @hookspec
    async def ptep_test_and_clear_young(self, mm: Mm, addr: int) -> bool:  # type: ignore[empty-body]
        """Program. Clear the accessed bit of one entry, and flush nothing; the page-table lock is held.

        Returns whether it was set.  MADV_COLD, whose gather flushes.  Mirrors ptep_test_and_clear_young().
        """

    @hookspec
    async def clear_flush_young_ptes(self, mm: Mm, addr: int, nr: int) -> bool:  # type: ignore[empty-body]
        """Program. Clear the accessed bits of `nr` entries that map consecutive pages of one folio; the page-table lock
        is held.

        Returns whether one was set.  As with `ptep_clear_flush_young`, no flush is needed.  The generic one calls that
        for each entry.
        """

    @hookspec
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """Program. Clear `nr` equal entries from `addr`; the page-table lock is held. Returns the first entry as it
        was.

        The returned dirty bit must include every store through the entry while it was set.  `full` says that the mm has
        no users left.  Mirrors ptep_get_and_clear_full().
        """

    @hookspec
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """Program. Clear one entry and flush it on all CPUs before returning; the page-table lock is held.

        Returns the entry as it was. mm/pgtable-generic.c:ptep_clear_flush().
        """

    @hookspec
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:  # type: ignore[empty-body]
        """Program. Clear the accessed bit of one entry; the page-table lock is held. Returns whether it was set.

        Reclaim learns from it what is in use.  The flush is not needed for correctness: without it the next use of a
        cached entry is not noticed, which is all, so x86 omits it.  mm/pgtable-generic.c:ptep_clear_flush_young().
        """

    @hookspec
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        """Program. ptep_set_wrprotect(): remove write permission from a writable entry; the page-table lock is held.

        The dirty bit must be kept, including one that hardware sets at the same time.  No flush: the caller flushes the
        mm, unless the architecture has done so.
        """

    @hookspec
    def pte_wrprotect(self, mm: Mm, pte: Present) -> Present:  # type: ignore[empty-body]
        """Plain. pte_wrprotect(): a copy of the present entry `pte` without write permission, dirty or clean as before.

        The entry is a value, not in memory, unlike in `ptep_set_wrprotect`.
        """

    @hookspec
    def pte_needs_flush(self, mm: Mm, oldpte: Entry, newpte: Entry) -> bool:  # type: ignore[empty-body]
        """Plain. mprotect() or similar has replaced `oldpte`, which was present, by `newpte`: is a flush needed?

        Called under the page-table lock; the gather does the flush.  False is correct only if a CPU that still has
        `oldpte` can do nothing that `newpte` forbids.  include/asm-generic/tlb.h:pte_needs_flush().
        """
