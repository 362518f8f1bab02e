"""Cells for the accountant: the page table is a Layout, the contents of pages are not kept, the rest is as usual."""

from __future__ import annotations

from collections.abc import Hashable

from core.cost.affine import now
from core.cost.layout import HUGE, KINDS, Layout, Run
from core.machine.memory import INITIAL, Memory
from core.machine.op import Cell
from core.machine.pte import Pte, Swap
from core.mm.mm import HELD_BATCHES
from core.mm.pgtable import LEVELS

PER_PAGE = frozenset({"mapcount", "PG_dirty", "ref", "accessed", "cached"})
"""Cells of single pages.  Each page has one mapping and is met once, so they keep their initial values."""

PER_TABLE = frozenset({"ptl", *LEVELS})


class RunMemory(Memory):
    """The cells of one zap of a Layout, in ascending order of addresses.

    Entries below virtual page `zapped` have been cleared.  The one at `single` is handled by itself: a swap entry there
    is charged to another cgroup than its neighbours, so that the kernel does not take them together.  `spans` are the
    pages covered by an entry of each upper level.
    Upper entries all of whose pages lie in `leapt` are empty: the zap has leapt over them.  Once it is over, tables are
    there again, each until it is freed.

    While the zap goes `by_plan`, `skipping` says that it is about to go over entries that are empty by now, or none.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout, self.zapped, self.single = layout, 0, -1
        self.leapt = range(0)
        self.by_plan = self.skipping = False
        self.spans = (1, 1, 1)
        self._zapped_all = False
        self._others: frozenset[tuple[Cell, Hashable]] | None = None
        self._near_of: frozenset[tuple[Cell, Hashable]] | None = None
        self._near = frozenset[tuple[Cell, Hashable]]()

    def run_at(self, addr: int) -> Run:
        """The run that a page number falls into, which may be symbolic (core/cost/affine.py).

        `by_plan` the class of the entry there is known whatever the number (core/cost/table_plan.py).
        """
        return self.layout.run_at(now(addr) if self.by_plan else addr)

    def zap_is_over(self) -> None:
        """From now on upper entries are asked for by who frees tables. Huge pages have no table, and are gone."""
        self._zapped_all, self.leapt = True, range(0)
        for cell in [cell for cell in self if cell.array in LEVELS]:
            del self[cell]

    def others(self) -> frozenset[tuple[Cell, Hashable]]:
        """The cells that belong to no page and no table, with their values."""
        if self._others is None:
            self._others = frozenset(item for item in self.items() if item[0].array not in PER_TABLE)
        return self._others

    def near(self) -> frozenset[tuple[Cell, Hashable]]:
        """`others()` without the number of allocated batches, which matters only to a zap that fills the last one."""
        others = self.others()
        if self._near_of is not others:
            self._near_of = others
            self._near = frozenset([item for item in others if item[0].array != HELD_BATCHES])
        return self._near

    def become(self, others: frozenset[tuple[Cell, Hashable]]) -> None:
        """Set the cells that belong to no page and no table to `others`."""
        if others != self.others():
            for cell in [cell for cell in self if cell.array not in PER_TABLE]:
                del self[cell]
            self.update(others)
            self._others = others

    def __getitem__(self, cell: Cell) -> Hashable:
        if cell.array == "pte":
            return self._pte(cell.index)  # type: ignore[arg-type]
        if cell.array in LEVELS:
            return self._upper(cell)
        if cell.array in PER_PAGE:
            return INITIAL[cell.array]
        return super().__getitem__(cell)

    def __setitem__(self, cell: Cell, value: Hashable) -> None:
        if cell.array == "pte":
            self.zapped = max(self.zapped, cell.index + cell.nr)  # type: ignore[operator]
        elif cell.array == "ptl" and value is None:
            self.pop(cell, None)
        elif cell.array not in PER_PAGE:
            super().__setitem__(cell, value)
            if cell.array != "ptl":
                self._others = None

    def _upper(self, cell: Cell) -> int | Pte | None:
        """An upper-level entry: a huge page, a table where any entry below is not empty, or None."""
        if self._zapped_all and cell in self:
            return None
        index: int = cell.index  # type: ignore[assignment]
        span = self.spans[LEVELS.index(cell.array)]
        if self.leapt.start <= index * span and (index + 1) * span <= self.leapt.stop:
            return None
        inside = index * span < self.layout.end
        if cell.array == LEVELS[0] and inside and self.layout.run_at(index * span).kind == HUGE:
            return None if self._zapped_all else Pte(index * span, True, True)
        return index if self.layout.present_in(index * span, (index + 1) * span) else None

    def _pte(self, addr: int) -> Pte | Swap | None:
        if self.skipping or addr < self.zapped:
            return None
        kind = self.run_at(addr).kind
        present, _, dirty = KINDS[kind]
        if present:
            return Pte(addr, True, dirty)
        return Swap(addr, "another" if now(addr) == self.single else "") if kind == "swap" else None
