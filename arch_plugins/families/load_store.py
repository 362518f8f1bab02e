"""An entry is cleared by a load and a store, although a walker or a handler may set the dirty bit in between.

include/linux/pgtable.h:ptep_get_and_clear(), where the architecture has none of its own.
"""

from __future__ import annotations

from core.hookspecs import Architecture, hookimpl
from core.machine.pte import Entry, local_ptep_get_and_clear
from core.mm.mm import Mm


class LoadStore(Architecture):
    """The generic ptep_get_and_clear()."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        return await local_ptep_get_and_clear(addr, nr)
