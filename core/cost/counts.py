"""Counts of what an operation does, from the events of core/mm, for single entries and for runs.

Numbers that add up are in `sums`, largest numbers in `maxima`.  To count a period k times over is to add k times what
it added to `sums`; `maxima` stay.  TLB instructions executed by the unmapping CPU are among the sums as 'insn:NAME';
those of other CPUs run at the same time and are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.cost.affine import Linear, now
from core.machine.op import Cpu
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
    "flush_insns",
    "sync_ipis",
    "ipis_running",
    "ipis_lazy",
    "ipis_away",
    "ipis_isolated",
)
HERE = Cpu(0)
"""The CPU that executes the operation."""

CEILING = 33
"""x86's tlb_single_page_flush_ceiling: a flush of more pages than this is priced as a full flush."""

INSN = "insn:"

MAXIMA = ("max_held", "max_delayed", "max_ptes_per_hold", "max_ptes_unbroken", "max_flushes_per_hold")


def instructions_in(counts: Mapping[str, int]) -> dict[str, int]:
    """The TLB instructions among counts, by their names."""
    return {name.removeprefix(INSN): nr for name, nr in counts.items() if name.startswith(INSN)}


class Counts:
    """Counts one operation; `tlb` is its gather. A flush of up to `ceiling` pages is small.

    `here` is the CPU that executes it, and `others` how many CPUs there are besides.
    """

    def __init__(self, ceiling: int = CEILING) -> None:
        self.small = {ceiling: ("small_flushes", "small_pages")}
        self.sums = dict.fromkeys(SUMS, 0)
        self.maxima = dict.fromkeys(MAXIMA, 0)
        self.linear: list[tuple[str, Linear]] = []
        self.plain = dict.fromkeys(MAXIMA, 0)
        self.tlb: MmuGather | None = None
        self.unbroken = self.cleared = self.delayed = self.flushed = 0
        self.locked = False
        self.here, self.others = HERE, 0

    def tell_apart(self, ceiling: int) -> tuple[str, str]:
        """Count small flushes for another ceiling too; returns the names of the counts (flushes, pages)."""
        names = self.small.setdefault(ceiling, (f"small_flushes {ceiling}", f"small_pages {ceiling}"))
        self.sums |= dict.fromkeys(names, 0)
        return names

    def result(self) -> dict[str, int]:
        """All counts by name."""
        self.settle()
        return {**self.sums, **self.maxima}

    def settle(self) -> None:
        """Replace symbolic numbers by their present values."""
        for name, number in self.sums.items():
            self.sums[name] = now(number)
        self.unbroken, self.cleared, self.delayed = now(self.unbroken), now(self.cleared), now(self.delayed)

    def emit(self, event: tuple[Any, ...]) -> None:
        """Count one event of core/mm; events of other kinds are ignored."""
        handler = _HANDLERS.get(event[0])
        if handler is not None:
            handler(self, *event[1:])

    def most(self, name: str, value: Any) -> None:
        """Note a candidate for a maximum.

        A symbolic one is also kept in `linear`, because taking the maximum must not record a condition.  `plain` has
        the largest of the others: zaps that learn from this one have not met them.
        """
        if isinstance(value, Linear):
            self.linear.append((name, value))
            value = value.value
        elif value > self.plain[name]:
            self.plain[name] = value
        if value > self.maxima[name]:
            self.maxima[name] = value

    def _held(self, besides: int = 0) -> None:
        if self.tlb is not None and self.tlb.mm.facts.gather:
            self.most("max_held", besides + sum(batch.nr for batch in self.tlb.batches))

    def _on_gather(self, tlb: MmuGather) -> None:
        self.tlb = tlb

    def _on_lock(self) -> None:
        self.sums["lock_holds"] += 1
        self.cleared = self.delayed = self.flushed = 0
        self.locked = True

    def _on_unlock(self) -> None:
        self._held()
        self.locked = False

    def _on_clear(self, _addr: int, nr: int) -> None:
        self.sums["ptes_cleared"] += nr
        self.clear_more(nr, nr)

    def clear_more(self, held: int, unbroken: int) -> None:
        """Count entries cleared: `held` more under this hold of the lock, `unbroken` since the last cond_resched()."""
        self.cleared += held
        self.unbroken += unbroken
        self.most("max_ptes_per_hold", self.cleared)
        self.most("max_ptes_unbroken", self.unbroken)

    _on_clear_swap = _on_clear

    def _on_clear_pmd(self, addr: int, _nr: int) -> None:
        self._on_clear(addr, 1)

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
            self.most("max_delayed", self.delayed)

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
            return  # s390: the hook was called and had nothing to flush
        self.sums["flushes"] += 1
        if self.locked:
            self.flushed += 1
            self.most("max_flushes_per_hold", self.flushed)
        if flags[0] == "range":
            self.sums["flushed_pages"] += end - start
            strides = (end - start) // self._stride(flags)
            for ceiling, (flushes, pages) in self.small.items():
                if strides <= ceiling:
                    self.sums[flushes] += 1
                    self.sums[pages] += strides
        elif flags[0] != "batch":  # reclaim's flush of many ranges is neither
            self.sums["full_flushes"] += 1

    def _on_clean_flush(self, start: int, end: int, flags: tuple[str, ...]) -> None:
        """A flush by ptep_clear_flush(): it was under the page-table lock, which has been released since."""
        self._on_flush(start, end, flags)
        self.most("max_flushes_per_hold", 1)

    def _stride(self, flags: tuple[str, ...]) -> int:
        """Pages per cleared entry, as tlb_get_unmap_size() computes it."""
        if self.tlb is None or "ptes" in flags:
            return 1
        level = next((i for i, name in enumerate(("pmds", "puds", "p4ds")) if name in flags), None)
        return 1 if level is None else self.tlb.mm.span[level]

    def _on_ipi(self, nr: int) -> None:
        """Of CPUs that all run the process."""
        self.sums["ipis"] += nr
        self.sums["ipis_running"] += nr

    def _on_ipi_sync(self) -> None:
        self.sums["sync_ipis"] += self.others
        self.sums["ipis_running"] += self.others

    def _on_insn(self, cpu: Cpu, name: str, nr: int, *of: object) -> None:
        if cpu == self.here:
            self.sums[INSN + name] = self.sums.get(INSN + name, 0) + nr
            if of:  # what has no operand invalidates nothing
                self.sums["flush_insns"] += nr

    def asked(self, what: str, granted: bool) -> None:
        """Count an allocation of `what`, and whether it was granted."""
        if what == "batch":
            self.sums["batch_pages" if granted else "batch_failures"] += 1
        elif what == "table_batch" and granted:
            self.sums["table_batches"] += 1


_HANDLERS = {name[4:]: function for name, function in vars(Counts).items() if name.startswith("_on_")}
"""The handlers of Counts by the event's kind."""
