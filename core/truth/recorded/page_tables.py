"""Which page tables an address space has: a table outlives the entries in it.

A fault allocates the tables on the way to its page (mm/memory.c:__handle_mm_fault(), pte_alloc()).  MADV_DONTNEED
empties a table and leaves it.  Only free_pgtables(), at munmap(), and CONFIG_PT_RECLAIM, where MADV_DONTNEED covers
all that a table can map, free it.  What is freed is read off the cells after the kernel's programs have run over them.

Data types
    Geometry      how large pages and tables are
    PageTables    the tables of one address space
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from core.hookspecs import Facts
from core.machine.op import Cell
from core.mm.era import Era
from core.mm.pgtable import LEVELS

PAGE = 12
"""log2 of the page size of recordings, which are of x86."""

PAGES_OF_2_MIB = 512


class Geometry(NamedTuple):
    """What decides which tables there are: sizes in bytes and entries, and whether MADV_DONTNEED takes tables away.

    `levels` is PGTABLE_LEVELS. `huge`: huge pages are 2 MiB, as on x86; a row with others is taken to have none.
    """

    page_size: int
    ptes_per_table: int
    upper_entries: int
    levels: int
    reclaims: bool
    huge: bool = False

    @property
    def scale(self) -> int:
        """How many of the recording's pages make one page; 1 also where pages are smaller, which no kernel has."""
        return max(self.page_size >> PAGE, 1)

    @property
    def span(self) -> tuple[int, int, int]:
        """Pages below one entry of a pmd, pud and p4d table: core.mm.mm.Mm.span."""
        ptes, upper = self.ptes_per_table, self.upper_entries
        return ptes, ptes * upper, ptes * upper * upper


def geometry_of(facts: Facts, era: Era) -> Geometry:
    """The geometry of an architecture under a kernel."""
    ptes, upper, levels = facts.ptes_per_table, facts.upper_entries, facts.levels
    huge = "thp" in facts.capabilities and (facts.page_size >> PAGE, ptes) == (1, PAGES_OF_2_MIB)
    return Geometry(facts.page_size, ptes, upper, levels, era.reclaims_tables, huge)


Written = list[tuple[Cell, object]]
"""Upper entries with what a run has written to them last."""


class PageTables:
    """`entries[level]` are the indices of the pmd, pud and p4d entries that point to a table."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.entries: tuple[set[int], set[int], set[int]] = (set(), set(), set())

    def touch(self, page: int, lowest: int = 0) -> None:
        """A fault, or a moved entry: the tables on the way to the recording's `page` are there from now on, from the
        entries of level `lowest` up."""
        page //= self.geometry.scale
        for entries, span in list(zip(self.entries, self.geometry.span, strict=True))[lowest:]:
            entries.add(page // span)

    def touch_huge(self, page: int) -> None:
        """A huge page of 2 MiB is mapped there: nothing below its pmd. A row without such ones has all small pages."""
        if self.geometry.huge:
            self.touch(page, lowest=1)
            return
        first = page - page % PAGES_OF_2_MIB
        for small in range(first, first + PAGES_OF_2_MIB):
            self.touch(small)

    def standing(self, level: int, start: int, end: int) -> Iterator[int]:
        """Indices of a level's entries with a table that pages `start` to `end` go through, in order."""
        span, entries = self.geometry.span[level], self.entries[level]
        first, stop = start // span, -(-end // span)
        if stop - first < len(entries):
            return (index for index in range(first, stop) if index in entries)
        return iter(sorted(index for index in entries if first <= index < stop))

    def copy(self, areas: Iterable[tuple[int, int]]) -> PageTables:
        """fork(): copy_page_range() makes a table for each that it finds in what it copies, the empty ones too."""
        child, scale = PageTables(self.geometry), self.geometry.scale
        for start, end in areas:
            for level, entries in enumerate(child.entries):
                entries.update(self.standing(level, start // scale, -(-end // scale)))
        return child

    def move(self, start: int, end: int, to: int) -> None:
        """mremap(): move_page_tables() makes a table for each that it finds at the old place, the empty ones too."""
        scale, span = self.geometry.scale, self.geometry.span[0]
        start, end, to = start // scale, -(-end // scale), to // scale
        for index in list(self.standing(0, start, end)):
            first, last = max(index * span, start), min((index + 1) * span, end) - 1
            for page in (first - start + to, last - start + to):
                self.touch(page * scale)

    def read_back(self, written: Written) -> None:
        """What a run has written to upper entries: None took a table away, a number put one there."""
        for cell, table in written:
            entries, index = self.entries[LEVELS.index(cell.array)], cell.index
            assert isinstance(index, int)
            if table is None:
                entries.discard(index)
            else:
                entries.add(index)
