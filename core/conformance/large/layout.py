"""The initial state of a large run: VMAs with thousands of pages, the CPUs that run the mm, and allocations that fail.

Data types
    PageRun     a number of pages, or huge pages, of one kind
    LargeVma    a VMA: the gap before it, and its runs of pages
    LargeLayout VMAs, CPUs, and the ordinals of the allocations that fail
    Mapped      the same as page-table entries, for the table sizes of one architecture

Virtual page `addr` maps the page of the same number.  Huge pages start at table boundaries; the space before them is
empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from core.machine.pte import Pte, Swap
from core.mm.mm import Vma

ZERO_PAGE = 1 << 50
"""The frame of the shared zero page."""


class EntryKind(NamedTuple):
    """The kind of an entry: `file` or anonymous, part of a large `folio`, `huge` if a pmd maps it.

    A clean entry is read-only, unless it is `writable`: then the first store makes it dirty.
    """

    present: bool = True
    file: bool = False
    dirty: bool = True
    folio: bool = False
    huge: bool = False
    writable: bool = False


KINDS = {
    "empty": EntryKind(present=False),
    "swap": EntryKind(present=False),
    "anon": EntryKind(),
    "file": EntryKind(file=True, dirty=False),
    "file-dirty": EntryKind(file=True),
    "file-writable": EntryKind(file=True, dirty=False, writable=True),
    "folio": EntryKind(folio=True),
    "folio-dirty": EntryKind(file=True, folio=True),
    "zero": EntryKind(dirty=False),
    "huge": EntryKind(huge=True),
    "huge-dirty": EntryKind(file=True, huge=True),
}


class PageRun(NamedTuple):
    """`number` pages of `kind`; huge pages where the kind is huge."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"


class LargeVma(NamedTuple):
    """A VMA that starts `gap` virtual pages after the end of the one before."""

    gap: int
    pieces: tuple[PageRun, ...]

    def __str__(self) -> str:
        behind = f"at +{self.gap}: " if self.gap else ""
        return behind + ", ".join(map(str, self.pieces))


@dataclass(frozen=True, slots=True)
class LargeLayout:
    """`cpus` CPUs run the mm, and CPU `here` makes the call; `fails` are the ordinals of allocations that fail, from
    1.
    """

    areas: tuple[LargeVma, ...]
    cpus: int = 2
    here: int = 0
    fails: frozenset[int] = frozenset()

    def __str__(self) -> str:
        said = [" | ".join(map(str, self.areas)), f"{self.cpus} CPUs" if self.cpus > 1 else "1 CPU"]
        if self.here:
            said.append(f"the call is on CPU{self.here}")
        if self.fails:
            said.append(f"failing allocations: {', '.join(map(str, sorted(self.fails)))}")
        return "; ".join(said)


@dataclass
class Mapped:
    """`ptes` by virtual page and `pmds` by number of the pmd; `files` are the pages of a file."""

    vmas: list[Vma] = field(default_factory=list)
    ptes: dict[int, Pte | Swap] = field(default_factory=dict)
    pmds: dict[int, Pte] = field(default_factory=dict)
    files: set[int] = field(default_factory=set)
    folios: dict[int, tuple[int, int]] = field(default_factory=dict)

    def folio(self, page: int) -> tuple[int, int]:
        """(first page, pages) of the folio that `page` belongs to."""
        return self.folios.get(page, (page, 1))

    def is_anon(self, page: int) -> bool:
        """PageAnon."""
        return page not in self.files


def mapped(layout: LargeLayout, span: int) -> Mapped:
    """The entries of `layout`, with `span` pages to a page table."""
    made, addr = Mapped(), 0
    for area in layout.areas:
        addr += area.gap
        start = addr
        for piece in area.pieces:
            addr = _put(made, piece, addr, span)
        made.vmas.append(Vma(start, addr))
    return made


def _put(made: Mapped, piece: PageRun, addr: int, span: int) -> int:
    """Add one piece from `addr`; returns its end."""
    kind = KINDS[piece.kind]
    each = span if kind.huge else 1
    addr += -addr % each
    end = addr + piece.number * each
    for page in range(addr, end, each) if piece.kind != "empty" else ():
        if kind.huge:
            made.pmds[page // span] = Pte(page, dirty=kind.dirty)
        elif piece.kind == "swap":
            made.ptes[page] = Swap(page)
        elif piece.kind == "zero":
            made.ptes[page] = Pte(ZERO_PAGE, write=False)
        else:
            made.ptes[page] = Pte(page, write=kind.dirty or kind.writable, dirty=kind.dirty)
        if kind.file:
            made.files.add(page)
        if kind.folio:
            made.folios[page] = (addr, piece.number)
    return end
