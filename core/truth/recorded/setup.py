"""An operation of a recorded program with the pages that it finds, in pages of any size.

Recordings are of x86, with pages of 4 KiB.  A row with larger ones meets the same addresses: its page is there if any
of the 4 KiB in it is, is the dirtiest of them, and goes with the last of them, so that each goes once.

Data types
    Operation   what a program asks of the kernel: a system call, a fault, fork or exit, and the pages it is about
    View        an operation and what it finds, in pages of one size
    Setup       an operation ready to run on any architecture
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.cost.layout import Layout
from core.mm.mm import Vma
from core.truth.recorded.huge_pages import Overlap, overlap
from core.truth.recorded.page_tables import Geometry, PageTables, Written
from core.truth.recorded.spaces import PROT_EXEC, PROT_READ, PROT_WRITE, Space

FREES_TABLES = frozenset({"munmap", "mmap over", "brk", "mremap", "move"})
UNMAPS = (FREES_TABLES | {"dontneed", "guard", "remove", "exit"}) - {"move"}
ADVICE = frozenset({"dontneed", "guard", "free", "cold"})
"""What madvise() does VMA by VMA."""

LOOKS_ONCE = frozenset({"cold", "pageout"})
"""What passes over pages that are mapped elsewhere too."""

IN_PLACE = frozenset({"mprotect", "free", "cold"})
COPIES_HUGE = "copy on write of the huge zero page"
COPIES_PART = "copy on write of a part of a huge page"
COPIES = frozenset({"copy on write", COPIES_PART})

MOVES = frozenset({"move", "move and keep", "exec"})
ANONYMOUS = ("anon_dirty", "zero")
ALIKE = COPIES | {"fork"}
"""What costs the same whatever the pages."""

BY_DIRT = ("zero", "file_clean", "file_dirty", "anon_dirty")
"""Kinds of pages: of the 4 KiB in a larger page the last of these tells its kind (a store has copied all of it)."""

BEYOND = 2**53
"""Pages: nothing is mapped from here on."""


class Operation(NamedTuple):
    """`name` is done to pages `start` to `end`: of a shrinking brk() or mremap() the tail. Of a move or an exec, `to`
    is where, of mprotect() `prot` what is allowed from then on."""

    name: str
    start: int
    end: int
    to: int = 0
    prot: int = 0


@dataclass(frozen=True)
class View:
    """An operation and what it finds, in pages of one size.

    vmas      what it is about, in order; where there is none, nothing is done
    bounds    floor and ceiling of free_pgtables()
    pages     those that are there, in order, with their `kinds` and whether the entry is `writable`
    prots     of mprotect(), for each page: what its mapping allowed before; `allowed`: may it be stored to afterwards
    layout    the same pages as runs, of an operation that unmaps
    huge      the huge pages among them; those that are only partly in the range are split first
    """

    start: int
    end: int
    to: int
    vmas: list[Vma]
    bounds: tuple[int, int]
    pages: list[int]
    kinds: list[str]
    writable: list[bool]
    prots: list[int]
    allowed: list[bool]
    layout: Layout
    huge: Overlap = Overlap()


@dataclass
class Setup:
    """`operation` in `space`, with pages of shared files that are `dirty` though this program has only read them, and
    without pages that are `absent` though fault-around may have mapped them.

    `written` is what the runs have written to upper entries, until settle().
    """

    operation: Operation
    space: Space
    dirty: frozenset[int] = frozenset()
    absent: frozenset[int] = frozenset()
    written: dict[Geometry, Written] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._views = {1: self._fine()}

    def view(self, geometry: Geometry) -> View:
        """What a row of this geometry finds."""
        scale = geometry.scale
        if scale not in self._views:
            self._views[scale] = self._coarse(scale)
        return self._views[scale]

    @property
    def fine(self) -> View:
        """What x86 finds."""
        return self._views[1]

    def tables(self, geometry: Geometry) -> PageTables:
        """The page tables that a row of this geometry finds."""
        return self.space.tables(geometry)

    @property
    def doubtful(self) -> list[int]:
        """Pages that count as clean, and are dirty if the shared file is tmpfs and somebody has written it."""
        pages = zip(self.fine.pages, self.fine.kinds, strict=True)
        return [page for page, kind in pages if kind == "file_clean" and self.space.may_be_dirty(page)]

    def settle(self) -> None:
        """The operation has run on every row: tables that it has made are there, those that it has freed are gone."""
        for geometry, written in self.written.items():
            tables = self.space.tables(geometry)
            if self.operation.name in MOVES:
                tables.move(self.operation.start, self.operation.end, self.operation.to)
            tables.read_back(written)

    def _fine(self) -> View:
        operation, space = self.operation, self.space
        name, start, end = operation.name, operation.start, operation.end
        areas = space.areas() if name == "exit" else [(start, end)]
        if name in FREES_TABLES | ADVICE:
            areas = space.areas(start, end) or areas
        if name == "mprotect":
            areas = [area for area in space.areas(start, end) if space.prot_at(area[0]) != operation.prot]
        if name == "exec":
            return self._arguments()
        pages = [] if name in ALIKE else [page for area in areas for page in space.resident(*area)]
        pages = [page for page in pages if page not in self.absent] if self.absent else pages
        if name in LOOKS_ONCE:
            pages = [page for page in pages if space.pages[page].mappers == 1]
        kinds = ["file_dirty" if page in self.dirty else space.pages[page].kind for page in pages]
        changed = pages if name == "mprotect" else []
        return View(
            start,
            end,
            operation.to,
            [Vma(*area) for area in areas],
            space.neighbours(start, end) if name in FREES_TABLES else (0, 0),
            pages,
            kinds,
            [space.writable(page) for page in pages],
            [_before(space.prot_at(page), operation.prot) for page in changed],
            [space.writable_after_mprotect(page, operation.prot) for page in changed],
            self._layout(pages, kinds),
            self._huge(),
        )

    def _huge(self) -> Overlap:
        """The huge pages that the operation meets, and whether it is about all of one."""
        name, start, end = self.operation.name, self.operation.start, self.operation.end
        meets = UNMAPS | IN_PLACE | MOVES | {COPIES_HUGE, COPIES_PART}
        return overlap(self.space, start, end) if name in meets else Overlap()

    @property
    def splits(self) -> frozenset[int]:
        """The huge pages that are small ones when the operation runs; that of a move is moved as its table would be."""
        whole, parts = self.fine.huge
        return whole | parts if self.operation.name in MOVES else parts

    def _arguments(self) -> View:
        """What exec moves: nothing else is mapped yet, and its neighbours are in the new place."""
        start, end, to = self.operation.start, self.operation.end, self.operation.to
        pages, number = list(range(start, end)), end - start
        kinds, bounds = ["anon_dirty"] * number, (to + number, 0)
        return View(start, end, to, [Vma(start, end)], bounds, pages, kinds, [True] * number, [], [], Layout(()))

    def _layout(self, pages: Sequence[int], kinds: Sequence[str]) -> Layout:
        return Layout(_runs(pages, kinds) if self.operation.name in UNMAPS else ())

    def _coarse(self, scale: int) -> View:
        fine = self.fine
        start, end = self._whole(scale)
        vmas: list[Vma] = []
        for vma in fine.vmas:
            first = max(start, vma.start // scale, vmas[-1].end if vmas else 0)
            last = min(end, -(-vma.end // scale))
            vmas += [Vma(first, last)] if first < last else []
        parts: dict[int, list[int]] = {}
        for number, page in enumerate(fine.pages):
            if start <= page // scale < end:
                parts.setdefault(page // scale, []).append(number)
        pages = sorted(parts)
        kinds = [max((fine.kinds[n] for n in parts[page]), key=BY_DIRT.index) for page in pages]
        changed = pages if fine.prots else []
        prots = [max(fine.prots[n] for n in parts[page]) for page in changed]
        allowed = [any(fine.allowed[n] for n in parts[page]) for page in changed]
        floor, ceiling = fine.bounds
        floor = min(-(-floor // scale), start)
        ceiling = max(ceiling // scale, end) if ceiling else 0
        writable = [any(fine.writable[n] for n in parts[page]) for page in pages]
        layout = self._layout(pages, kinds)
        return View(
            start, end, fine.to // scale, vmas, (floor, ceiling), pages, kinds, writable, prots, allowed, layout
        )

    def _whole(self, scale: int) -> tuple[int, int]:
        """The larger pages that the operation is about: those with no 4 KiB page there that is outside of it."""
        name, start, end = self.operation.name, self.operation.start, self.operation.end
        if name in ALIKE:
            return self._whole_fault(scale)
        first, last = start // scale, -(-end // scale)
        first += any(page in self.space.pages for page in range(first * scale, start))
        last -= any(page in self.space.pages for page in range(end, last * scale))
        return first, max(first, last)

    def _whole_fault(self, scale: int) -> tuple[int, int]:
        """A fault copies a larger page once: none is left for the 4 KiB in it that are stored to later."""
        page, space = self.operation.start, self.space
        first = page // scale
        inside = (other for other in range(first * scale, (first + 1) * scale) if other != page)
        copied = self.operation.name in COPIES and any(
            other in space.pages and space.pages[other].kind == "anon_dirty" and space.writable(other)
            for other in inside
        )
        return first, first if copied else first + 1


def _before(prot: int | None, after: int) -> int:
    """What a mapping allowed. One that is not known is taken to allow what it allows from now on, or everything."""
    return (after or PROT_READ | PROT_WRITE | PROT_EXEC) if prot is None else prot


def _runs(pages: Sequence[int], kinds: Sequence[str]) -> list[tuple[str, int]]:
    """Pages in ascending order as runs from page 0, and nothing behind them."""
    runs: list[tuple[str, int]] = []
    at = 0
    for page, kind in zip(pages, kinds, strict=True):
        if page > at:
            runs.append(("none", page - at))
        if page == at and runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1] + 1)
        else:
            runs.append((kind, 1))
        at = page + 1
    return [*runs, ("none", BEYOND - at)]
