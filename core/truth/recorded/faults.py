"""What a page fault does to a space: mm/memory.c:handle_pte_fault(), as far as it changes what is there.

A read of a file maps what the page cache has around it, a store to a private mapping makes the page anonymous, a store
to an anonymous page that fork() has shared copies it unless nobody else has it any more.  A fault also tells what a
recording does not: where it finds no entry nothing was mapped before (huge_pages.was_small(),
fault_around.was_not_there()), and where nothing recorded has mapped anything shmat() has.
"""

from __future__ import annotations

from core.truth.recorded import attached, fault_around, huge_pages
from core.truth.recorded.spaces import PROT_WRITE, STACK_FLOOR, Area, Space

PRESENT_FAULT, WRITE_FAULT = 1, 2
"""Bits of x86's page-fault error code: the entry was there; it was a store."""


def copies_on_write(space: Space, page: int, error: int) -> bool:
    """Does the fault replace the page of a present entry? mm/memory.c:do_wp_page()."""
    if error & (PRESENT_FAULT | WRITE_FAULT) != PRESENT_FAULT | WRITE_FAULT:
        return False
    area, folio = space.area_at(page), space.pages.get(page)
    if area is not None and (area.kind == "shared" or not area.prot & PROT_WRITE):
        return False  # wp_page_shared(); access_error()
    return folio is None or folio.kind != "anon_dirty" or folio.mappers > 1


def serve(space: Space, page: int, error: int) -> None:
    """A page fault was served."""
    if not error & PRESENT_FAULT and page in space.around:
        fault_around.was_not_there(space, page)
    area, write = space.area_at(page), bool(error & WRITE_FAULT)
    if area is None and not error & PRESENT_FAULT and _was_free(space, page):
        space.attach(page)
        area = space.area_at(page)
    if area is not None and ((write and not area.prot & PROT_WRITE) or not area.prot):
        return  # access_error(): a signal
    if not error & PRESENT_FAULT:
        huge_pages.was_small(space, page)
    if area is not None and area.kind == "anon" and huge_pages.serve(space, page, area, write):
        return
    space.touch(page)
    folio = space.pages.get(page)
    kind = area.kind if area is not None else "anon" if page >= STACK_FLOOR else "file"
    if kind == "shared":
        _fault_shared(space, page, area, write)
    elif write:
        if folio is None or folio.kind != "anon_dirty" or folio.mappers > 1:
            space.set_page(page, "anon_dirty")
        space.pages[page].exclusive = True  # wp_page_reuse() if it was there
    elif folio is None:
        space.set_page(page, "zero" if kind == "anon" else "file_clean")
        if kind == "file":
            fault_around.map_around(space, page, area, STACK_FLOOR)
    if write:
        space.readonly.discard(page)
    space.around.pop(page, None)


def _fault_shared(space: Space, page: int, area: Area | None, write: bool) -> None:
    """do_shared_fault() and do_read_fault(). What a file's page cache has of it is not known: everything."""
    assert area is not None
    cache, offset = area.cache, area.offset
    if write:
        space.set_page(page, "file_dirty")
        if cache is not None:
            cache[page - offset] = True
        return
    for other in fault_around.window(page, area):
        if other not in space.pages and (cache is None or other - offset in cache):
            space.set_page(other, "file_dirty" if cache is not None and cache[other - offset] else "file_clean")
    if page not in space.pages:
        space.set_page(page, "file_clean")
        if cache is not None:
            cache[page - offset] = False


def _was_free(space: Space, page: int) -> bool:
    """Had no call that is recorded mapped it, nor exec?"""
    below = attached.MMAP_FLOOR <= page < space.lowest
    return page < STACK_FLOOR and (below or attached.is_free(space.gaps, page))
