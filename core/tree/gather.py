"""A gather between Python and C: its bits as shim/driver.h packs them."""

from __future__ import annotations

from core.mm.mmu_gather import MmuGather, adjust_range
from core.tree.vocabulary import Word

PAGE_SHIFT = 12
BITS = (
    "fullmm",
    "freed_tables",
    "cleared_ptes",
    "cleared_pmds",
    "cleared_puds",
    "cleared_p4ds",
    "need_flush_all",
    "unshared_tables",
)
"""Fields of struct mmu_gather, from bit 0 up."""


def bits(tlb: MmuGather) -> int:
    """The flags of a gather as one word."""
    return sum(bool(getattr(tlb, name)) << at for at, name in enumerate(BITS))


def adopt(tlb: MmuGather, word: Word, addr: int, given: int, page_shift: int = PAGE_SHIFT) -> None:
    """Add to `tlb` what C has made of an empty gather: the operands are its start, end and bits.

    The C was called with the address `given` for page `addr`, and its pages have 1 << `page_shift` bytes.  It widens a
    range and sets bits, no more, so what it does to any gather is known from what it does to an empty one.
    """
    if word.a < word.b:
        first = addr + (word.a - given >> page_shift)
        adjust_range(tlb, first, word.b - word.a + (1 << page_shift) - 1 >> page_shift)
    for at, name in enumerate(BITS):
        if word.c >> at & 1:
            setattr(tlb, name, True)
