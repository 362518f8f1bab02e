"""Huge pages of anonymous memory, where a program has asked for them: MADV_HUGEPAGE, and MADV_COLLAPSE.

The first fault in 2 MiB of such a mapping that have no page table yet maps a huge page (mm/memory.c:create_huge_pmd(),
mm/huge_memory.c:do_huge_pmd_anonymous_page()), a read the huge zero page.  That memory was there for it is not
recorded: a later fault in the same 2 MiB that finds no entry shows that it was not.

A block is the number of such 2 MiB.  `Space.huge` has those that are mapped so, with the page whose fault has done it
(None: MADV_COLLAPSE); their 512 pages are among `Space.pages`.  Whatever is about a part of one splits it
(__split_huge_pmd()): so does the first store to one that fork() has shared (do_huge_pmd_wp_page()).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from core.truth.recorded.spaces import Area, Space

BLOCK = 512
"""Pages of 4 KiB."""


class Overlap(NamedTuple):
    """The blocks that lie in a range, and those of which a part does."""

    whole: frozenset[int] = frozenset()
    parts: frozenset[int] = frozenset()


def pages_of_block(block: int) -> range:
    """The pages of 4 KiB."""
    return range(block * BLOCK, (block + 1) * BLOCK)


def overlap(space: Space, start: int, end: int) -> Overlap:
    """The huge pages that pages `start` to `end` are about."""
    there = [block for block in space.huge if block * BLOCK < end and (block + 1) * BLOCK > start]
    whole = frozenset(block for block in there if start <= block * BLOCK and (block + 1) * BLOCK <= end)
    return Overlap(whole, frozenset(there) - whole)


def serve(space: Space, page: int, area: Area, write: bool) -> bool:
    """A fault in an anonymous mapping: map a huge page, if the kernel would. Returns whether it does."""
    block = page // BLOCK
    if block in space.huge:
        if write and space.pages[page].kind == "zero":
            _map(space, block, "anon_dirty", space.huge[block])  # do_huge_zero_wp_pmd()
            return True
        return False
    pages = pages_of_block(block)
    inside = area.huge and area.start <= pages.start and pages.stop <= area.end
    if not inside or any(page in space.pages for page in pages) or space.has_table(page):
        return False
    _map(space, block, "anon_dirty" if write else "zero", page)
    return True


def was_small(space: Space, page: int) -> None:
    """A fault finds no entry in a block that was taken for huge: only the page that has faulted before is there."""
    made = space.huge.get(page // BLOCK)
    if made is not None:
        split(space, page, page + 1)
        for other in pages_of_block(page // BLOCK):
            if other != made:
                space.forget(other)


def collapse(space: Space, start: int, end: int) -> None:
    """MADV_COLLAPSE has succeeded: each whole block with a page in it is one huge page."""
    for block in range(-(-start // BLOCK), end // BLOCK):
        pages = pages_of_block(block)
        area = space.area_at(pages.start)
        inside = area is not None and area.kind == "anon" and pages.stop <= area.end
        if inside and block not in space.huge and any(page in space.pages for page in pages):
            _map(space, block, "anon_dirty", None)


def split(space: Space, start: int, end: int) -> None:
    """Whatever huge pages the range touches are small ones from now on, with a page table."""
    whole, parts = overlap(space, start, end)
    for block in whole | parts:
        del space.huge[block]
        space.touch(block * BLOCK)


def _map(space: Space, block: int, kind: str, made: int | None) -> None:
    space.huge[block] = made
    for page in pages_of_block(block):
        space.set_page(page, kind)
        space.readonly.discard(page)
    space.touch_huge(block * BLOCK)
