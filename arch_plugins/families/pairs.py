"""TLB entries that map several pages: what drops one of the pages drops all (mips, loongarch, csky: pairs)."""

from __future__ import annotations

from core.mm.mm import Mm


def whole_entries(start: int, end: int, pages: int) -> tuple[int, int]:
    """Pages `start` to `end`, widened to entries of `pages` pages: round_down(start, PAGE_SIZE << 1) and its like."""
    return start - start % pages, end + -end % pages


def entry_pages(mm: Mm, pages: int) -> int:
    """The pages of a TLB entry in this model: no entry reaches beyond a page table, which may be of one page here."""
    return min(pages, mm.span[0])
