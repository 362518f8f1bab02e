"""Entries of upper levels: huge pages, and page tables that one replaces; hugetlb."""

from __future__ import annotations

from core.hookspecs.marker import hookspec
from core.machine.pte import Entry
from core.mm.mm import Mm


class UpperEntriesSpec:
    """The hooks of this area."""

    @hookspec
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        """Program. Clear the pmd that maps a huge page at `addr`; its lock is held. Returns the pmd as it was.

        The returned dirty bit must include every store through it; `full` says that the mm has no users left.  The
        caller flushes the range before the page is freed (zap_huge_pmd() with its gather, pmdp_huge_clear_flush() with
        flush_tlb_range).  If the architecture flushes here already, that flush may be empty.  It must not defer the
        flush to the end of a lazy-MMU section, because there is none.  Mirrors pmdp_huge_get_and_clear_full().
        """

    @hookspec
    async def pmdp_huge_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """Program. Clear the pmd that maps a huge page at `addr`, and flush it; its lock is held. Returns it as it was.

        The generic one is `pmdp_huge_get_and_clear` and `flush_pmd_tlb_range`.  An architecture whose clearing has
        flushed has one flush here.  mm/pgtable-generic.c:pmdp_huge_clear_flush().
        """

    @hookspec
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        """Program. Make the pmd that maps a huge page at `addr` fault in hardware; its lock is held. Returns the pmd
        as it was.

        It must not be empty meanwhile, because others read it without the lock.  On return no CPU has it cached, and
        none may set its dirty bit: the page may be mapped by its parts.  The generic one ends with
        `flush_pmd_tlb_range`.  mm/pgtable-generic.c:pmdp_invalidate().
        """

    @hookspec
    async def pmdp_invalidate_ad(self, mm: Mm, addr: int) -> Entry:
        """Program. `pmdp_invalidate` for who changes the protection of the pmd: no CPU may set its dirty bit any more.

        Cached entries may stay until the gather is flushed, which `huge_pmd_needs_flush` decides about.  The generic
        one is `pmdp_invalidate`; only x86 has another.  mm/pgtable-generic.c:pmdp_invalidate_ad().
        """

    @hookspec
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        """Program. Empty the pmd of `addr`, which points to a page table, and flush all that the table maps.

        A huge page takes the place of the table.  The locks of the pmd and of the table are held.  On return no CPU may
        translate through the table; lockless walks in software may go on, for the table is freed by RCU.  Returns the
        table's number.
        mm/pgtable-generic.c:pmdp_collapse_flush().
        """

    @hookspec
    async def pmd_free_pte_page(self, mm: Mm, addr: int) -> None:
        """Program. Clear the pmd of the kernel address `addr`, and free the page table to which it has pointed.

        The entries of the table are empty.  On return no CPU may walk in the table.  Only architectures with the
        capability "huge_vmap" are asked.  include/linux/pgtable.h:pmd_free_pte_page().
        """

    @hookspec
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        """Program. Flush pmds from `start` to `end` that mapped huge pages, on every CPU; their lock is held.

        The generic one is flush_tlb_range(), which goes by pages.  Mirrors flush_pmd_tlb_range().
        """

    @hookspec
    async def huge_ptep_get_and_clear(self, mm: Mm, addr: int) -> Entry:
        """Program. Clear the entry of a hugetlb page; its lock is held. Returns it as it was, dirty bit included.

        The caller flushes.  Mirrors huge_ptep_get_and_clear().
        """

    @hookspec
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:  # type: ignore[empty-body]
        """Plain. `pte_needs_flush` for a pmd that maps a huge page.
        include/asm-generic/tlb.h:huge_pmd_needs_flush().
        """
