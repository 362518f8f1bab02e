"""Words about flushes: those of a range, those that reclaim puts off, and what is asked of a gather.

What a flush does is the hook's of the architecture; a gather is the model's text (`mmu_gather` has the tree's).
"""

from __future__ import annotations

from arch_plugins.from_c._mm_hands import MmHands, call, known, page_of
from core.mm.batched_unmap import add_batched, read_batched, set_flushed, should_defer_flush, store_batched
from core.mm.huge_memory import tlb_flush_pmd_range
from core.mm.mm import cond_resched, mm_tlb_flush_pending, need_resched
from core.mm.mmu_gather import (
    tlb_change_page_size,
    tlb_flush_mmu,
    tlb_flush_mmu_tlbonly,
    tlb_flush_pte_range,
    tlb_flush_rmaps,
)
from core.tree.vocabulary import Rule, Word, just, truth

BATCHED = tuple(pending | flushed << 16 for pending in range(4) for flushed in range(pending + 1))
"""What mm->tlb_flush_batched may be: pending and flushed; no model has more than three."""


def batched(value: int) -> tuple[int, int]:
    """(pending, flushed)."""
    return value & 0xFFFF, value >> 16


async def _read_batched(of: MmHands, word: Word) -> int:
    """No look at it where nothing is ever pending."""
    pending, flushed = await read_batched() if of.mm.reclaims else (0, 0)
    return pending | flushed << 16


async def _add_pending(of: MmHands, word: Word) -> None:
    await of.mm.hook.arch_tlbbatch_add_pending(mm=of.mm, batch=of.ubc, start=of.addr, end=of.addr + of.nr)
    of.ubc.read_only &= not of.entry.write


async def _read_ubc(of: MmHands, word: Word) -> int:
    return int(getattr(of.ubc, word.place.removeprefix("ubc.")))


async def _write_ubc(of: MmHands, word: Word) -> int:
    setattr(of.ubc, word.place.removeprefix("ubc."), bool(word.a))
    of.ubc.read_only |= not of.ubc.flush_required
    return 0


async def _flush_range(of: MmHands, word: Word) -> None:
    await of.mm.hook.flush_tlb_range(mm=of.mm, start=of.base + word.a, end=of.base + word.b, stride=1)


async def _flush_pmd_range(of: MmHands, word: Word) -> None:
    await of.mm.hook.flush_pmd_tlb_range(mm=of.mm, start=of.base + word.a, end=of.base + word.b)


async def _remove_huge_page(of: MmHands, word: Word) -> None:
    """tlb_remove_page_size() of include/asm-generic/tlb.h."""
    if await of.mm.hook.tlb_remove_page(tlb=of.gather, page=page_of(of.entry), nr=1, delay_rmap=False):
        await tlb_flush_mmu(of.gather)


RULES: tuple[Rule, ...] = (
    call("need_resched", lambda of, word: need_resched(of.mm), truth),
    call("cond_resched", lambda of, word: cond_resched()),
    call("arch_enter_lazy_mmu_mode", lambda of, word: of.mm.hook.arch_enter_lazy_mmu_mode(mm=of.mm)),
    call("arch_leave_lazy_mmu_mode", lambda of, word: of.mm.hook.arch_leave_lazy_mmu_mode(mm=of.mm)),
    Rule("atomic_read", "mm.tlb_flush_batched", _read_batched, just(*BATCHED)),
    call("atomic_add", lambda of, word: add_batched(of.mm), place="mm.tlb_flush_batched"),
    call("atomic_cmpxchg", lambda of, word: set_flushed(of.mm, batched(word.a)), place="mm.tlb_flush_batched"),
    call("atomic_set", lambda of, word: store_batched(batched(word.a)), place="mm.tlb_flush_batched"),
    call("arch_flush_tlb_batched_pending", lambda of, word: of.mm.hook.arch_flush_tlb_batched_pending(mm=of.mm)),
    call("flush_tlb_mm", lambda of, word: of.mm.hook.flush_tlb_mm(mm=of.mm)),
    call("should_defer_flush", lambda of, word: should_defer_flush(of.mm), truth),
    call("arch_tlbbatch_add_pending", _add_pending),
    call("arch_tlbbatch_flush", lambda of, word: of.mm.hook.arch_tlbbatch_flush(mm=of.mm, batch=of.ubc)),
    Rule("read|READ_ONCE", "ubc.*", _read_ubc, truth),
    Rule("write|WRITE_ONCE", "ubc.*", _write_ubc),
    call("mm_tlb_flush_pending", lambda of, word: mm_tlb_flush_pending(), truth),
    call("tlb_change_page_size", lambda of, word: tlb_change_page_size(of.gather, word.a)),
    call("tlb_start_vma", lambda of, word: of.mm.hook.tlb_start_vma(tlb=of.gather, vma=of.vma)),  # type: ignore[arg-type]
    call("tlb_end_vma", lambda of, word: of.mm.hook.tlb_end_vma(tlb=of.gather, vma=of.vma)),  # type: ignore[arg-type]
    known("tlb_delay_rmap", lambda of, word: of.mm.hook.tlb_delay_rmap(tlb=of.gather), truth),
    known("tlb_remove_tlb_entries", lambda of, word: tlb_flush_pte_range(of.gather, of.base + word.a, word.b)),
    call(
        "tlb_remove_page",
        lambda of, word: of.mm.hook.tlb_remove_page(
            tlb=of.gather, page=page_of(of.entry), nr=word.a, delay_rmap=bool(word.b)
        ),
        truth,
    ),
    call("tlb_flush_mmu_tlbonly", lambda of, word: tlb_flush_mmu_tlbonly(of.gather)),
    call("tlb_flush_rmaps", lambda of, word: tlb_flush_rmaps(of.gather, of.table)),
    call("tlb_flush_mmu", lambda of, word: tlb_flush_mmu(of.gather)),
    known("tlb_flush_pmd_range", lambda of, word: tlb_flush_pmd_range(of.gather, of.base + word.a, word.b)),
    call("tlb_remove_page_size", _remove_huge_page),
    call("flush_tlb_range", _flush_range),
    call("flush_pmd_tlb_range", _flush_pmd_range),
    call("flush_tlb_page", lambda of, word: of.mm.hook.flush_tlb_page(mm=of.mm, addr=of.base + word.a)),
)
