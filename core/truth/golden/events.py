"""The event stream of a golden trace: raw lines with their hash, the folded form, and the summary counts.

Barrier events stand alone in exact order.  Between two barriers, events that count items fold into runs: an item
extends the latest run of its kind if its number is the next one, otherwise it opens a run behind those already open.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from core.mm.mmu_gather import ALL_ONES, MmuGather
from core.mm.swap import Table

COUNTED = {"clear", "clear_swap", "pte_flush", "set_dirty", "rmap", "free_now", "table_free"}


class EventStream:
    """Collects events as they happen.

    `arrays` says that a page freed at once is freed through an array of its own, and so counts as a call
    (s390's __tlb_remove_folio_pages() since v6.9).
    """

    def __init__(self, gather: bool, arrays: bool = False) -> None:
        self._arrays = arrays
        self.lines = 0
        self.queued: list[tuple[Table, ...]] = []
        self._hash = hashlib.sha256()
        self._events: list[list[Any]] = []
        self._open: dict[Any, list[Any]] = {}
        self._gather = gather
        self._tlb: MmuGather | None = None
        self._held = 0
        self._hold: dict[str, int] = {}
        self.counts = dict.fromkeys(
            (
                "flushes",
                "pte_flushes",
                "pages_freed",
                "tables_freed",
                "max_held_entries",
                "batch_pages_allocated",
                "batch_alloc_failures",
                "table_batches_allocated",
                "table_batch_alloc_failures",
                "early_rmaps",
                "delayed_rmaps",
                "max_delayed_rmaps_at_once",
                "lock_holds",
                "max_ptes_cleared_per_hold",
                "free_calls",
                "set_dirty_calls",
            ),
            0,
        )

    def watch(self, tlb: MmuGather) -> None:
        """Set the gather whose contents are counted at each event."""
        self._tlb = tlb

    def emit(self, kind: str, *args: Any) -> None:
        """One event, with the arguments of core/mm's log()."""
        self._count(kind, args)
        if kind in COUNTED:
            self._items(kind, args)
            return
        self._open.clear()
        event = [kind, *self._barrier(kind, args)]
        self._raw(event)
        self._events.append(event)

    def run_rcu_callbacks(self) -> None:
        """The grace period has passed: free the queued batches of tables in order."""
        for batch in self.queued:
            for table in batch:
                self.emit("table_free", table.level, table.index)
            self.emit("table_batch_free")
        self.queued.clear()

    def compressed(self) -> list[list[Any]]:
        """The folded form, as in the file."""
        return self._events

    def digest(self) -> str:
        """sha256 of the raw form."""
        return self._hash.hexdigest()

    def summary(self) -> dict[str, int]:
        """The counts, named as in the file."""
        return self.counts

    def _raw(self, event: list[Any]) -> None:
        self.lines += 1
        self._hash.update(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    def _items(self, kind: str, args: tuple[Any, ...]) -> None:
        """A run counts as its items, one by one."""
        if kind == "table_free":
            self._item(kind, args)
            return
        first, nr, *rest = args
        for i in range(nr):
            self._item(kind, (first + i, 1, *rest))

    def _item(self, kind: str, args: tuple[Any, ...]) -> None:
        if kind == "table_free":
            level, first = args
            key, event = (kind, level), [kind, level, first, 1]
        elif kind == "rmap":
            first, _, when = args
            key, event = (kind, when), [kind, first, 1, when]
        else:
            first, _ = args
            key, event = (kind, ""), [kind, first, 1]
        self._raw(event)
        at = 3 if kind == "table_free" else 2
        run = self._open.get(key)
        if run is not None and run[at - 1] + run[at] == first:
            run[at] += 1
            return
        self._open[key] = event
        self._events.append(event)

    def _barrier(self, kind: str, args: tuple[Any, ...]) -> list[Any]:
        if kind == "flush":
            start, end, flags = args
            return [_signed(start), _signed(end), ",".join(flags)]
        if kind == "free":
            entries, pages = args
            return [entries, _fold(pages)]
        return list(args)

    def _count(self, kind: str, args: tuple[Any, ...]) -> None:
        counts = self.counts
        if kind in ("clear", "clear_swap"):
            self._hold["cleared"] = self._hold.get("cleared", 0) + args[1]
            counts["max_ptes_cleared_per_hold"] = max(counts["max_ptes_cleared_per_hold"], self._hold["cleared"])
        elif kind == "rmap":
            counts[f"{args[2]}_rmaps"] += 1
            if args[2] == "delayed":
                self._hold["delayed"] = self._hold.get("delayed", 0) + 1
                most = max(counts["max_delayed_rmaps_at_once"], self._hold["delayed"])
                counts["max_delayed_rmaps_at_once"] = most
        elif kind == "lock":
            counts["lock_holds"] += 1
            self._hold.clear()
        elif kind == "free":
            counts["free_calls"] += 1
            for page, nr in args[1]:
                counts["tables_freed" if isinstance(page, Table) else "pages_freed"] += nr
        elif kind in ("batch_alloc", "table_batch_alloc"):
            made, failed = (
                ("batch_pages_allocated", "batch_alloc_failures")
                if kind == "batch_alloc"
                else ("table_batches_allocated", "table_batch_alloc_failures")
            )
            counts[made if args[0] else failed] += 1
        else:
            counts["free_calls"] += kind == "free_now" and self._arrays
            name = {
                "flush": "flushes",
                "pte_flush": "pte_flushes",
                "free_now": "pages_freed",
                "table_free": "tables_freed",
                "set_dirty": "set_dirty_calls",
            }.get(kind)
            if name is not None:
                counts[name] += args[1] if kind == "free_now" else 1
        self._count_held()

    def _count_held(self) -> None:
        if self._tlb is not None and self._gather:
            held = sum(batch.nr for batch in self._tlb.batches)
            self.counts["max_held_entries"] = max(self.counts["max_held_entries"], held)


def _signed(addr: int) -> int:
    return -1 if addr == ALL_ONES else addr


def _fold(pages: tuple[tuple[int | Table, int], ...]) -> list[list[Any]]:
    """Consecutive pages, or tables of a level, as [first, n] or [level, first, n]."""
    runs: list[list[Any]] = []
    for page, nr in pages:
        head: list[Any] = [page.level] if isinstance(page, Table) else []
        first = page.index if isinstance(page, Table) else page
        last = runs[-1] if runs else None
        if last is not None and last[:-2] == head and last[-2] + last[-1] == first:
            last[-1] += nr
        else:
            runs.append([*head, first, nr])
    return runs
