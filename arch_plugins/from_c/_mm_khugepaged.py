"""Words of mm/khugepaged.c: locks of an mm, the area of a file that is looked for, and pages that are isolated."""

from __future__ import annotations

from arch_plugins.from_c._mm_hands import MmHands, call
from core.machine.rcu import call_rcu
from core.mm.mmap_lock import mmap_write_lock, mmap_write_trylock, mmap_write_unlock, vma_start_write
from core.mm.page import get_page
from core.mm.rmap import in_file
from core.mm.swap import Table, free_table_page
from core.tree.vocabulary import Rule, Word, just, truth


async def _look_for_vma(of: MmHands, word: Word) -> bool:
    assert of.vma is not None
    return not of.vma.shared or bool(await in_file(of.vma))


async def _start_write(of: MmHands, word: Word) -> None:
    assert of.vma is not None
    await vma_start_write(of.mm, of.vma)


async def _isolate(of: MmHands, word: Word) -> int:
    await get_page(of.page)
    return 1


async def _free_later(of: MmHands, word: Word) -> None:
    assert of.aside is not None
    table = Table("pte", of.aside)
    await (call_rcu(table, of.mm.readers) if of.mm.readers else free_table_page(table))


RULES: tuple[Rule, ...] = (
    call("mmap_write_lock", lambda of, word: mmap_write_lock(of.mm)),
    call("mmap_write_trylock", lambda of, word: mmap_write_trylock(of.mm), truth),
    call("mmap_write_unlock", lambda of, word: mmap_write_unlock(of.mm)),
    call("vma_start_write", _start_write),
    call("vma_interval_tree_foreach", _look_for_vma, truth),
    Rule("take_off_lru", "", _isolate, just(1)),
    call("pte_free_defer", _free_later),
)
