"""A golden case's address space: its VMAs, page-table entries, page kinds and tables as cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.facts import Facts
from core.machine.memory import Memory, WholeRuns
from core.machine.op import Cpu, Tid
from core.machine.pte import Pte, Swap, pte_cell
from core.machine.task import Task
from core.mm.era import Era
from core.mm.mm import PENDING, Choices, Mm, Vma
from core.mm.pgtable import upper_entry
from core.plugins.arch import Arch

ME = Task("unmapper", Tid(1), Cpu(0))

KINDS = {
    "anon_clean": (True, False),
    "anon_dirty": (True, True),
    "file_clean": (False, False),
    "file_dirty": (False, True),
}
"""A present page's kind: (anonymous?, dirty?)."""

FOLIO_KINDS = {
    "folio_file_clean": (False, "none"),
    "folio_file_dirty": (False, "all"),
    "folio_file_head_dirty": (False, "head"),
    "folio_file_tail_dirty": (False, "tail"),
    "folio_anon_clean": (True, "none"),
    "folio_anon_dirty": (True, "all"),
}
"""A run that is one large folio: (anonymous?, which of its entries are dirty)."""


@dataclass
class AddressSpace:
    """The initial state of a case. `anon[page]` says what kind each page is."""

    vmas: list[Vma]
    cells: Memory
    anon: list[bool]
    folios: dict[int, tuple[int, int]] = field(default_factory=dict)
    init_on_free: bool = False
    spares_tables: bool = False

    def mm(self, arch: Arch, era: Era) -> Mm:
        """The mm of the only task; every choice of the machine is open, and made by the case's script."""
        return Mm(
            arch.facts,
            era,
            arch.hook,
            ME,
            is_anon=self.anon.__getitem__,
            tables=True,
            folio=lambda page: self.folios.get(page, (page, 1)),
            init_on_free=self.init_on_free,
            spares_tables=self.spares_tables,
            choices=Choices(alloc_fails=True, resched=True),
        )


def lay_out(case: dict[str, Any], facts: Facts) -> AddressSpace:
    """Build the address space of `case`. ValueError for an unknown kind of page."""
    space = AddressSpace([], WholeRuns(), [], init_on_free=case["init_on_free"], spares_tables=not case["free_tables"])
    touched: set[int] = set()
    swaps = 0
    for spec in case["vmas"]:
        addr = spec["start"]
        end = addr + sum(count for _, count in spec["runs"])
        space.vmas.append(Vma(addr, end, spec.get("mixedmap", False)))
        if case["populate_all"]:
            touched.update(range(addr // facts.ptes_per_table, -(-end // facts.ptes_per_table)))
        for kind, count in spec["runs"]:
            if kind == "swap":
                for i in range(count):
                    space.cells[pte_cell(addr + i)] = Swap(swaps + i)
                swaps += count
            elif kind in KINDS:
                _map(space, addr, count, *KINDS[kind])
            elif kind in FOLIO_KINDS:
                _map_folio(space, addr, count, *FOLIO_KINDS[kind])
            elif kind != "none":
                raise ValueError(f"unknown kind of page {kind!r}")
            if kind != "none" and count:
                touched.update(range(addr // facts.ptes_per_table, (addr + count - 1) // facts.ptes_per_table + 1))
            addr += count
    _create_tables(space.cells, sorted(touched), facts.upper_entries)
    space.cells[PENDING] = int(case["nested"])
    return space


def _map(space: AddressSpace, addr: int, count: int, anon: bool, dirty: bool) -> None:
    first = len(space.anon)
    for i in range(count):
        space.cells[pte_cell(addr + i)] = Pte(first + i, True, dirty)
    space.anon.extend([anon] * count)


def _map_folio(space: AddressSpace, addr: int, count: int, anon: bool, dirty: str) -> None:
    first = len(space.anon)
    _map(space, addr, count, anon, dirty == "all")
    for i in range(count):
        space.folios[first + i] = (first, count)
    if count and dirty in ("head", "tail"):
        at = 0 if dirty == "head" else count - 1
        space.cells[pte_cell(addr + at)] = Pte(first + at, True, True)


def _create_tables(cells: Memory, touched: list[int], upper_entries: int) -> None:
    """Number the tables of each level from 0 in ascending order of address and hook them up."""
    for level in range(3):
        for number, index in enumerate(touched):
            cells[upper_entry(level, index)] = number
        touched = sorted({index // upper_entries for index in touched})
