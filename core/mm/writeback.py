"""mm/page-writeback.c: writing back one page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from core.machine.op import Op
from core.mm.mm import Mm
from core.mm.page import lock_page, set_page_dirty, test_clear_page_dirty, unlock_page, write_to_disk
from core.mm.rmap import folio_mkclean


async def write_page(mm: Mm, page: int, mkclean: Callable[[Mm, int], Coroutine[Op, Any, bool]] = folio_mkclean) -> None:
    """Write back a file page if it is dirty: from taking its lock to the end of its I/O.

    clear_page_dirty_for_io() collects the dirty bits of all mappings in the reverse map and write-protects them, so
    that the next store faults and dirties the page again.  `mkclean` does that for mappings by PTEs, or by huge entries
    (folio_mkclean_pmd()).
    """
    await lock_page(mm, page)
    if await mkclean(mm, page):
        await set_page_dirty(page)
    if await test_clear_page_dirty(page):
        await write_to_disk(page)
    await unlock_page(mm, page)
