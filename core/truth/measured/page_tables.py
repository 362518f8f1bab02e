"""A measured cell's address space: page-table contents as the kernel reported them, as cells of the machine.

Data types
    Cell (a dict)     one line of the file
    MeasuredSpace     what an operation finds: VMAs below, the mapping, entries, tables, folios and page kinds

What `ptes` does not say is decided as the kernel decides it when it makes the entry:

* which entries of a written run are dirty: the ones the workload wrote (`state`), for sparse8 the whole run, because
  nothing was read before and the write fault maps all of the folio (mm/memory.c:finish_fault(), set_pte_range());
* whether an entry that was only read is writable: in a shared mapping of tmpfs yes, since nobody wants to be told of
  the first write, in one of ext4 no (vma_wants_writenotify());
* such a writable entry is born dirty if its folio is (set_pte_range(), after v6.12).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.facts import Facts
from core.machine.memory import Memory, WholeRuns
from core.machine.op import Cpu, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.task import Task
from core.mm.era import Era
from core.mm.mm import Choices, Mm, Vma
from core.mm.pgtable import upper_entry
from core.plugins.arch import Arch

Row = dict[str, Any]

ME = Task("measured", Tid(1), Cpu(0))

TYPES = "-fdDazHmMZ"
"""The types of entries in the files."""

HUGE, SPECIAL, ANON = frozenset("HmMZ"), frozenset("zZ"), frozenset("aHzZ")

SHMEM = frozenset({"tmpfs", "shanon"})
"""Kinds of mappings whose pages are counted as shared memory."""


@dataclass
class MeasuredSpace:
    """`types[addr]` is the type of entry at an address, `kind[page]` that of the entry that maps a page, and
    `folios[page]` the page's folio where that is large."""

    vma: Vma
    below: list[Vma] = field(default_factory=list)
    cells: Memory = field(default_factory=WholeRuns)
    kind: list[str] = field(default_factory=list)
    types: dict[int, str] = field(default_factory=dict)
    folios: dict[int, tuple[int, int]] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    huge: set[int] = field(default_factory=set)

    def mm(self, arch: Arch, era: Era, cpus: frozenset[Cpu]) -> Mm:
        """The mm of the task that calls the kernel; `cpus` is mm_cpumask."""
        return Mm(
            arch.facts,
            era,
            arch.hook,
            ME,
            is_anon=lambda page: self.kind[page] in ANON,
            special=lambda page: self.kind[page] in SPECIAL,
            folio=lambda page: self.folios.get(page, (page, 1)),
            tables=True,
            cpus=cpus,
            choices=Choices(),
        )


def lay_out(row: Row, facts: Facts) -> MeasuredSpace:
    """The space of a cell. ValueError for an unknown type of entry."""
    start = row["start_vpn"]
    space = MeasuredSpace(Vma(start, start + row["pages"]))
    written = written_pages(row["state"])
    _fill(space, facts, start, row["ptes"], row["kind"], written, whole_runs=row["state"].startswith("sparse"))
    below = row.get("ptes_below") or []
    pages = sum(repeat * sum(n for _, n in runs) for repeat, runs in below)
    if pages:
        at = start - pages - start % facts.ptes_per_table
        at -= at % facts.ptes_per_table
        space.below.append(Vma(at, at + pages))
        _fill(space, facts, at, below, "ext4s", lambda i: True, whole_runs=True)
    _create_tables(space, facts)
    return space


def written_pages(state: str) -> Callable[[int], bool]:
    """Did the workload write its i-th page?  By the name of the state."""
    if state[0] in "cD" and state[1:].isdigit():
        limit = int(state[1:])
        return (lambda i: i >= limit) if state[0] == "c" else (lambda i: i < limit)
    every: dict[str, Callable[[int], bool]] = {
        "untouched": lambda i: False,
        "read": lambda i: False,
        "dirty": lambda i: True,
        "alt": lambda i: i % 2 == 0,
        "every8": lambda i: i % 8 == 0,
        "sparse8": lambda i: i % 8 == 0,
        "first1": lambda i: i == 0,
        "odd_tables": lambda i: i // 512 % 2 == 1,
    }
    return every.get(state, lambda i: True)  # last1 and what is not known: the types of the runs say it


def _fill(
    space: MeasuredSpace,
    facts: Facts,
    addr: int,
    ptes: list[Any],
    kind: str,
    written: Callable[[int], bool],
    whole_runs: bool,
) -> None:
    start = addr
    for repeat, runs in ptes:
        for _ in range(repeat):
            for entry, nr in runs:
                if len(entry) != 1 or entry not in TYPES:
                    raise ValueError(f"unknown type of entry {entry!r}; expected one of {' '.join(TYPES)}")
                if entry in HUGE:
                    _map_huge(space, facts, addr, nr, entry)
                elif entry != "-":
                    dirty = [entry in "aD" and (whole_runs or written(addr + i - start)) for i in range(nr)]
                    _map(space, facts, addr, entry, kind, dirty)
                addr += nr


def _map(space: MeasuredSpace, facts: Facts, addr: int, entry: str, kind: str, dirty: list[bool]) -> None:
    first, nr = len(space.kind), len(dirty)
    writable = kind in SHMEM and entry in "fdD"
    for i in range(nr):
        is_dirty = dirty[i] or (writable and entry == "d") or entry == "a"
        space.cells[pte_cell(addr + i)] = Pte(first + i, writable or is_dirty, is_dirty)
        space.types[addr + i] = entry
        if nr > 1:
            space.folios[first + i] = (first, nr)
    space.kind.extend(entry * nr)
    space.touched.update(range(addr // facts.ptes_per_table, (addr + nr - 1) // facts.ptes_per_table + 1))


def _map_huge(space: MeasuredSpace, facts: Facts, addr: int, nr: int, entry: str) -> None:
    first, index = len(space.kind), addr // facts.ptes_per_table
    if addr % facts.ptes_per_table or nr != facts.ptes_per_table:
        raise ValueError(f"a huge entry of {nr} pages at page {addr}; expected {facts.ptes_per_table}, aligned")
    dirty = entry in "HM"
    space.cells[upper_entry(0, index)] = Pte(first, dirty, dirty)
    space.kind.extend(entry * nr)
    space.types[addr] = entry
    space.huge.add(index)


def _create_tables(space: MeasuredSpace, facts: Facts) -> None:
    """Number the tables of each level in ascending order and hook them up."""
    for number, index in enumerate(sorted(space.touched)):
        space.cells[upper_entry(0, index)] = number
    touched = space.touched | space.huge
    for level in (1, 2):
        touched = {index // facts.upper_entries for index in touched}
        for number, index in enumerate(sorted(touched)):
            space.cells[upper_entry(level, index)] = number
