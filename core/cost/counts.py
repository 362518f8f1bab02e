"""Counts of what an operation does, from the events of core/mm, runs and all.

Every number that adds up is in `sums`, every largest number in `maxima`: to count a period k times over is to add k
times what it added; what was largest in it stays so.
"""

from __future__ import annotations

from typing import Any

from core.mm.mmu_gather import MmuGather
from core.mm.swap import Table

SUMS = (
    "flushes",
    "ipis",
    "pte_flushes",
    "lock_holds",
    "batch_pages",
    "batch_failures",
    "free_calls",
    "pages_freed",
    "tables_freed",
    "table_batches",
    "early_rmaps",
    "delayed_rmaps",
    "set_dirty",
    "ptes_cleared",
    "flushed_pages",
    "full_flushes",
    "small_flushes",
    "small_pages",
)
CEILING = 33
"""x86's tlb_single_page_flush_ceiling: a flush of more pages than this is priced as one of everything."""

MAXIMA = ("max_held", "max_delayed", "max_ptes_per_hold", "max_ptes_unbroken")


class Counts:
    """Listens to one operation; `tlb` is the gather whose size is watched."""

    def __init__(self) -> None:
        self.sums = dict.fromkeys(SUMS, 0)
        self.maxima = dict.fromkeys(MAXIMA, 0)
        self.tlb: MmuGather | None = None
        self.unbroken = self.cleared = self.delayed = 0

    def watch(self, tlb: MmuGather) -> None:
        """Watch how much `tlb` holds."""
        self.tlb = tlb

    def result(self) -> dict[str, int]:
        """All of them by name."""
        return {**self.sums, **self.maxima}

    def emit(self, event: tuple[Any, ...]) -> None:
        """One event of core/mm."""
        kind = event[0]
        handler = getattr(self, f"_on_{kind}", None)
        if handler is not None:
            handler(*event[1:])

    def _most(self, name: str, value: int) -> None:
        if value > self.maxima[name]:
            self.maxima[name] = value

    def _held(self, besides: int = 0) -> None:
        if self.tlb is not None and self.tlb.mm.facts.gather:
            self._most("max_held", besides + sum(batch.nr for batch in self.tlb.batches))

    def _on_lock(self) -> None:
        self.sums["lock_holds"] += 1
        self.cleared = self.delayed = 0

    def _on_unlock(self) -> None:
        self._held()

    def _on_clear(self, _addr: int, nr: int) -> None:
        self.sums["ptes_cleared"] += nr
        self.cleared += nr
        self.unbroken += nr
        self._most("max_ptes_per_hold", self.cleared)
        self._most("max_ptes_unbroken", self.unbroken)

    _on_clear_swap = _on_clear

    def _on_cond_resched(self) -> None:
        self.unbroken = 0

    def _on_pte_flush(self, _addr: int, nr: int) -> None:
        self.sums["pte_flushes"] += nr

    def _on_set_dirty(self, _page: int, nr: int) -> None:
        self.sums["set_dirty"] += nr

    def _on_rmap(self, _page: int, nr: int, when: str) -> None:
        self.sums[f"{when}_rmaps"] += nr
        if when == "delayed":
            self.delayed += nr
            self._most("max_delayed", self.delayed)

    def _on_free_now(self, _page: int, nr: int, *_: Any) -> None:
        self.sums["pages_freed"] += nr

    def _on_free(self, entries: int, pages: Any) -> None:
        self.sums["free_calls"] += 1
        for page, nr in pages:
            self.sums["tables_freed" if isinstance(page, Table) else "pages_freed"] += nr
        self._held(entries)

    def _on_table_free(self, *_: Any) -> None:
        self.sums["tables_freed"] += 1

    def _on_call_rcu(self, tables: Any) -> None:
        self.sums["tables_freed"] += len(tables)

    def _on_flush(self, start: int, end: int, flags: tuple[str, ...]) -> None:
        self._held()
        if flags[0] == "lazy_noop":
            return  # s390 was called, and found nothing to flush
        self.sums["flushes"] += 1
        if flags[0] == "range":
            self.sums["flushed_pages"] += end - start
            if end - start <= CEILING:
                self.sums["small_flushes"] += 1
                self.sums["small_pages"] += end - start
        else:
            self.sums["full_flushes"] += 1

    def _on_ipi(self, nr: int) -> None:
        self.sums["ipis"] += nr

    def asked(self, what: str, granted: bool) -> None:
        """An allocation, and how it went."""
        if what == "batch":
            self.sums["batch_pages" if granted else "batch_failures"] += 1
        elif what == "table_batch" and granted:
            self.sums["table_batches"] += 1
