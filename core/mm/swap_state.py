"""mm/swap_state.c: giving pages back with their places in swap."""

from __future__ import annotations

from collections.abc import Sequence

from core.mm.era import Era
from core.mm.mm import log
from core.mm.swap import Slot, folios_put_refs, refs, release_pages


async def free_pages_and_swap_cache(era: Era, pages: Sequence[Slot], nr: int) -> None:
    """Free an array of `nr` encoded pages, numbers of pages included (v6.2; before, the array had no flags).

    free_swap_cache() comes first of each; no model has a page in the swap cache.
    """
    await log("free", nr, tuple(refs(slot) for slot in pages))
    if era.folio_entries:
        await folios_put_refs([refs(slot) for slot in pages])
    else:
        await release_pages(pages)
