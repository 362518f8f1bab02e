"""mm/memcontrol.c: moving the charge of a page from one cgroup to another."""

from __future__ import annotations

from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.machine.pte import pte_present
from core.mm.mm import Mm, pte_unlock
from core.mm.page import folio_mapped, trylock_page, unlock_page
from core.mm.pgtable import pte_offset_map_lock
from core.mm.rmap import memcg_cell, mod_file_mapped


def set_memcg(page: int, memcg: str) -> Op:
    """folio->memcg_data = to."""
    return Op(
        f"charge page{page} to {memcg}", (), (memcg_cell(page),), lambda: [Outcome(None, (memcg,))], order=Order.PLAIN
    )


async def move_charge(mm: Mm, addr: int, page: int, source: str, target: str) -> None:
    """mem_cgroup_move_charge_pte_range() on one entry; the page-table lock keeps the mapping in the reverse map.

    A table that has gone is passed over, and so is a page whose folio lock somebody else has.

    A file page is found through the page cache even if the entry is empty (mc_handle_file_pte()).  If the page is
    mapped, its NR_FILE_MAPPED is moved too, which is right only if no mapping leaves the reverse map meanwhile.
    """
    table = await pte_offset_map_lock(mm, addr)
    if table is None:
        return
    pte = await mm.hook.ptep_get(mm=mm, addr=addr)
    if (pte is None or pte_present(pte)) and await trylock_page(mm, page):
        if await folio_mapped(page):
            await mod_file_mapped(source, -1)
            await mod_file_mapped(target, +1)
        await set_memcg(page, target)
        await unlock_page(mm, page)
    await pte_unlock(mm, table)
