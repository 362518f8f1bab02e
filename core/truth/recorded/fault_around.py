"""Pages that the kernel maps around a fault: mm/memory.c:do_fault_around(), filemap_map_pages().

Which mappings exec has made is not recorded.  One is taken to fill the window of a fault in it, up to what is known of
its surroundings; pages that are there by this supposition alone are in `Space.around`, with the page of that fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.truth.recorded.spaces import Area, Space

FAULT_AROUND_PAGES, PTRS_PER_PTE = 16, 512


def window(page: int, area: Area) -> range:
    """64 KiB from where they are aligned or the mapping begins, as far as the table: do_fault_around()."""
    return _window(page, area.start, area.end)


def _window(page: int, start: int, end: int) -> range:
    pte_off, vma_off = page % PTRS_PER_PTE, page - start
    from_pte = max(pte_off - pte_off % FAULT_AROUND_PAGES, pte_off - min(pte_off, vma_off))
    to_pte = min(from_pte + FAULT_AROUND_PAGES, PTRS_PER_PTE, pte_off + end - page)
    return range(page - pte_off + from_pte, page - pte_off + to_pte)


def map_around(space: Space, page: int, area: Area | None, top: int) -> None:
    """A read of a private file's page. It stays in the mapping: as far as one of exec's is known, up to `top`."""
    around = window(page, area) if area is not None else _window(page, *_made_by_exec(space, page, top))
    for other in around:
        if other not in space.pages:
            space.set_page(other, "file_clean")
            if area is None:
                space.around[other] = page


def _made_by_exec(space: Space, page: int, top: int) -> tuple[int, int]:
    """The most that a mapping which exec made can be: up to the next known mapping, or the next known edge."""
    low = [area.end for area in space.maps if area.end <= page] + [edge for edge in space.edges if edge <= page]
    high = [area.start for area in space.maps if area.start > page] + [edge for edge in space.edges if edge > page]
    return max(low, default=0), min(high, default=top)


def was_free(space: Space, start: int, end: int) -> None:
    """The kernel has chosen these pages for a new mapping, so none was there: nothing that is only supposed is."""
    for page in space.resident(start, end):
        if page in space.around:
            was_not_there(space, page)


def was_not_there(space: Space, page: int) -> None:
    """A fault finds no entry where fault-around should have made one: another mapping begins between the two.

    What lies beyond was not mapped either.
    """
    fault = space.around[page]
    space.edges.add(page if page > fault else page + 1)
    for other in [other for other, origin in space.around.items() if origin == fault]:
        if other >= page > fault or other <= page < fault:
            space.forget(other)
