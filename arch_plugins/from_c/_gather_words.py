"""What mmu_gather.c asks for, as calls of the model's own text: a pending flush, memory for batches, what it frees.

At the end of each function C says what the gather has become: its range and bits (`gather`), then its tables, batches
and slots one by one, of which `contents` makes the gather again.
"""

from __future__ import annotations

from arch_plugins.from_c._gather_hands import DELAYED, PAGES, PFN, GatherHands, page_of, run_of, slots_of, table_at
from arch_plugins.generic import give_back
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.mm.mm import (
    alloc_page,
    cond_resched,
    dec_tlb_flush_pending,
    free_batch,
    inc_tlb_flush_pending,
    log,
    mm_tlb_flush_nested,
)
from core.mm.mmu_gather import Batch, MmuGather, flush_flags, tlb_remove_table_free
from core.mm.rmap import folio_remove_rmap_ptes
from core.mm.swap import Slot, first_page, free_table
from core.mm.swap_state import free_pages_and_swap_cache
from core.tree.gather import BITS, adopt
from core.tree.vocabulary import EVERYWHERE, Rule, Vocabulary, Word, hidden, just, truth


async def _change_pending(of: GatherHands, word: Word) -> int:
    if of.working:
        await (dec_tlb_flush_pending(of.mm) if word.a >> 63 or word.a == 0xFFFFFFFF else inc_tlb_flush_pending(of.mm))
    return 0


async def _begins(of: GatherHands, word: Word) -> int:
    of.working = True
    return 0


async def _nested(of: GatherHands, word: Word) -> int:
    return 2 if await mm_tlb_flush_nested() else 1


async def _gather(of: GatherHands, word: Word) -> int:
    tlb = of.tlb
    tlb.start, tlb.end = page_of(word.a), page_of(word.b)
    for at, name in enumerate(BITS):
        setattr(tlb, name, bool(word.c >> at & 1))
    tlb.delayed_rmap, tlb.vma_pfn = bool(word.c & DELAYED), bool(word.c & PFN)
    return 0


async def _more(of: GatherHands, word: Word) -> int:
    """What C has added behind the table's freeing, which may have flushed the gather."""
    adopt(of.tlb, word, 0, 0)
    return 0


async def _tlb_flush(of: GatherHands, word: Word) -> int:
    kind = await of.mm.hook.tlb_flush(tlb=of.tlb)
    if kind is not None:
        await log("flush", of.tlb.start, of.tlb.end, flush_flags(of.tlb, kind))
    return 0


async def _alloc_page(of: GatherHands, word: Word) -> int:
    return int(await alloc_page(of.mm, of.what))


async def _free_batch(of: GatherHands, word: Word) -> int:
    await free_batch(of.mm, "batch_free")
    return 0


async def _free_later(of: GatherHands, word: Word) -> int:
    """__pte_free_tlb() of the architecture."""
    assert of.freeing is not None
    await give_back(of.tlb, of.freeing)
    return 0


async def _call_rcu(of: GatherHands, word: Word) -> int:
    """Of the tables that were said before."""
    tables, of.tables = of.tables, []
    await tlb_remove_table_free(of.tlb, tables)
    return 0


async def _sync_one(of: GatherHands, word: Word) -> int:
    await of.mm.hook.tlb_remove_table_sync_one(mm=of.mm)
    return 0


async def _free_table(of: GatherHands, word: Word) -> int:
    await free_table(table_at(word.a))
    return 0


async def _remove_rmap(of: GatherHands, word: Word) -> int:
    await folio_remove_rmap_ptes(of.mm, of.addr, first_page(Slot(word.a - PAGES, 1)), word.b, "delayed")
    return 0


async def _free_slot(of: GatherHands, word: Word) -> int:
    of.freed.append(word.a)
    return 0


def _forget(tlb: MmuGather, nr: int) -> None:
    """The first `nr` slots are not held any more, for who counts what is; C says what is left at its end."""
    for batch in tlb.batches:
        gone = min(batch.nr, nr)
        batch.nr, nr = batch.nr - gone, nr - gone


async def _free_pages(of: GatherHands, word: Word) -> int:
    words, of.freed = of.freed, []
    try:
        slots = slots_of(words)
    except ValueError:
        return await _violation(word, "folio-apart")
    if of.in_runs:
        _forget(of.tlb, word.a)
    await free_pages_and_swap_cache(of.mm, slots, word.a)
    return 0


async def _cond_resched(of: GatherHands, word: Word) -> int:
    await cond_resched()
    return 0


async def _say_table(of: GatherHands, word: Word) -> int:
    of.tables += map(table_at, run_of(word))
    return 0


async def _say_batch(of: GatherHands, word: Word) -> int:
    of.batches.append(Batch(word.b, word.a))
    of.words.append([])
    return 0


async def _say_slot(of: GatherHands, word: Word) -> int:
    of.words[-1] += run_of(word)
    return 0


async def _violation(word: Word, name: str) -> int:
    await Op(str(word), (), (), lambda: [Outcome(None, (), name)], order=Order.PLAIN)
    return 0


def _overflows(of: GatherHands) -> bool:
    """Has C written behind the end of a batch, or of the array of tables?"""
    pages = any(len(words) > batch.max for batch, words in zip(of.batches, of.words, strict=True))
    return pages or len(of.tables) > of.mm.facts.table_batch_entries


async def _contents(of: GatherHands, word: Word) -> int:
    if _overflows(of):
        await _violation(word, "batch-limit")
    tlb, of.working = of.tlb, False
    tlb.active = word.a
    tlb.tables, of.tables = (of.tables if word.b else None), []
    for batch, words in zip(of.batches, of.words, strict=True):
        batch.slots = slots_of(words)
    tlb.batches, of.batches, of.words = of.batches, [], []
    return 0


VOCABULARY = Vocabulary(
    (
        Rule("atomic_add", "mm.tlb_flush_pending", _change_pending),
        Rule("gathered", "", _begins),
        Rule("atomic_read", "mm.tlb_flush_pending", _nested, just(1, 2)),
        Rule("gather", "", _gather),
        Rule("more", "", _more),
        Rule("tlb_flush", "", _tlb_flush),
        Rule("alloc_page", "", _alloc_page, truth),
        Rule("free_batch", "", _free_batch),
        Rule("free_table_later", "", _free_later),
        Rule("call_rcu", "", _call_rcu),
        Rule("sync_one", "", _sync_one),
        Rule("tlb_remove_table", "", _free_table),
        Rule("remove_rmap", "", _remove_rmap),
        Rule("free_slot", "", _free_slot),
        Rule("free_pages_and_swap_cache", "", _free_pages),
        Rule("cond_resched", "", _cond_resched),
        Rule("table", "", _say_table),
        Rule("batch", "", _say_batch),
        Rule("slot", "", _say_slot),
        Rule("contents", "", _contents),
        hidden("free_table_batch", why="the array of tables is no table"),
        *EVERYWHERE,
    )
)
