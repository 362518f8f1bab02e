"""mm/page-writeback.c: cleaning one page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from core.machine.op import Op
from core.mm.mm import Mm
from core.mm.page import lock_page, set_page_dirty, test_clear_page_dirty, unlock_page, write_to_disk
from core.mm.rmap import folio_mkclean


async def write_page(mm: Mm, page: int, mkclean: Callable[[Mm, int], Coroutine[Op, Any, bool]] = folio_mkclean) -> None:
    """Write one file page back if it is dirty: from locking it to the end of its I/O.

    `mkclean` cleans its mappings: those of page tables, or huge ones (folio_mkclean_pmd()).

    clear_page_dirty_for_io() collects the dirty bits of all mappings that rmap knows and write-protects them, so
    that the next store faults and dirties the page again.
    """
    await lock_page(mm, page)
    if await mkclean(mm, page):
        await set_page_dirty(page)
    if await test_clear_page_dirty(page):
        await write_to_disk(page)
    await unlock_page(mm, page)
