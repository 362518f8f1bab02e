"""Address spaces as a recording builds them up: what is mapped where and how, and which pages are there.

System calls change the mappings (core.truth.recorded.system_calls), page faults tell which entries are there
(core.truth.recorded.faults).

Data types
    Folio       a page: its kind, how many spaces map it, and whether it is one space's alone for sure
    Area        a mapping
    Space       an mm

Kinds of folios are 'anon_dirty', 'zero' (the shared zero page), 'file_clean' and 'file_dirty'; mappings are 'anon',
'file' (private), or 'shared'.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from core.truth.recorded import attached, huge_pages
from core.truth.recorded.cpumask import Cpumask
from core.truth.recorded.page_tables import PAGE, Geometry, PageTables

PTRS_PER_PTE = 512
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4

TOP = 2**56 >> PAGE
"""No user address is higher, with five levels of tables (in pages)."""

STACK_TOP = 0x7FFFFFFFF
"""Where exec puts the pages of the arguments at first (in pages): arch/x86's STACK_TOP_MAX, with four levels of tables
or for who does not ask for more; the page behind it is left out."""

STACK_FLOOR = STACK_TOP - (((1 << 22) - 1) + (8 << 8) + 256)
"""No mapping but those of exec, the stack and the vdso, begins above (in pages): arch/x86/mm/mmap.c:mmap_base() leaves
stack_maxrandom_size(), the stack's limit (8 MiB unless changed) and stack_guard_gap below TASK_SIZE."""


@dataclass(eq=False, slots=True)
class Folio:
    """A page that some space maps. `exclusive` is PageAnonExclusive()."""

    kind: str
    mappers: int = 1
    exclusive: bool = True


Cache = dict[int, bool]
"""The page cache of a shared anonymous mapping (shmem): by index, whether the page is dirty."""


class Area(NamedTuple):
    """Pages `start` to `end`, mapped with PROT_* bits `prot`. Of shared anonymous memory `cache` has the pages, and
    `start - offset` is what address index 0 has. `copied`: fork() copies its pages. `huge`: MADV_HUGEPAGE."""

    start: int
    end: int
    kind: str
    prot: int = PROT_READ | PROT_WRITE
    cache: Cache | None = None
    offset: int = 0
    copied: bool = True
    huge: bool = False


@dataclass(eq=False)
class Space:
    """`maps` are sorted; `readonly` pages are there, and may not be written without a fault.

    Page tables are kept for each geometry that something has asked for, from the first operation on (before it, nothing
    has been taken away).

    `huge` has the huge pages, by block of 2 MiB (core.truth.recorded.huge_pages).

    Of mappings that exec made, `edges` are pages at which one is known to begin, and `around` has the pages that are
    taken to be there because of a fault near them, with the page of that fault.
    """

    maps: list[Area] = field(default_factory=list)
    pages: dict[int, Folio] = field(default_factory=dict)
    readonly: set[int] = field(default_factory=set)
    brk: int = 0
    mask: Cpumask = field(default_factory=Cpumask)
    page_tables: dict[Geometry, PageTables] = field(default_factory=dict)
    huge: dict[int, int | None] = field(default_factory=dict)
    edges: set[int] = field(default_factory=set)
    around: dict[int, int] = field(default_factory=dict)
    gaps: attached.Gaps = field(default_factory=list)
    attached: set[int] = field(default_factory=set)
    lowest: int = 0

    def tables(self, geometry: Geometry) -> PageTables:
        """The page tables of an architecture of this geometry."""
        found = self.page_tables.get(geometry)
        if found is None:
            found = self.page_tables[geometry] = PageTables(geometry)
            for page in self.pages:
                found.touch_huge(page) if page // PTRS_PER_PTE in self.huge else found.touch(page)
        return found

    def has_table(self, page: int) -> bool:
        """Does x86 have a page table for it, if only an empty one?"""
        known = (tables for geometry, tables in self.page_tables.items() if geometry.huge)
        return any(page // PTRS_PER_PTE in tables.entries[0] for tables in known)

    def fork(self) -> Space:
        """fork(): anonymous pages are shared and write-protected on both sides.

        mm/memory.c:vma_needs_copy(): a mapping without anonymous pages is not copied, faults bring its pages back.
        """
        child = Space(list(self.maps), brk=self.brk)
        copied = {
            area.start
            for area in self.maps
            if area.copied and area.kind != "shared" and self._has_anonymous(area.start, area.end)
        }
        for page, folio in self.pages.items():
            area = self.area_at(page)
            if area is None or area.start in copied:
                child.pages[page] = folio
                folio.mappers += 1
                folio.exclusive = False
        child.readonly = {page for page, folio in child.pages.items() if folio.kind == "anon_dirty"}
        self.readonly |= child.readonly
        areas = [area[:2] for area in self.maps if area.start in copied]
        for geometry, tables in self.page_tables.items():
            child.page_tables[geometry] = tables.copy(areas)
        child.huge = {block: page for block, page in self.huge.items() if block * PTRS_PER_PTE in child.pages}
        child.touch(*(page for page in child.pages if page // PTRS_PER_PTE not in child.huge))
        for block in child.huge:
            child.touch_huge(block * PTRS_PER_PTE)
        child.edges, child.lowest = set(self.edges), self.lowest
        child.gaps, child.attached = list(self.gaps), set(self.attached)
        child.around = {page: fault for page, fault in self.around.items() if page in child.pages}
        return child

    def touch(self, *pages: int) -> None:
        """The page tables on the way to pages are there."""
        for tables in self.page_tables.values():
            for page in pages:
                tables.touch(page)

    def touch_huge(self, first: int) -> None:
        """A huge page is mapped from page `first` on: on rows that have huge pages nothing below its pmd is there."""
        for tables in self.page_tables.values():
            tables.touch_huge(first)

    def mark(self, start: int, end: int) -> None:
        """Entries that are no pages are set, so their tables are there: mm/madvise.c:guard_install_set_pte()."""
        self.touch(*range(start, end))

    def _has_anonymous(self, start: int, end: int) -> bool:
        return any(self.pages[page].kind == "anon_dirty" for page in self.resident(start, end))

    def area_at(self, page: int) -> Area | None:
        """The mapping of a page, if it is known."""
        at = bisect_right(self.maps, page, key=lambda area: area.start) - 1
        return self.maps[at] if at >= 0 and page < self.maps[at].end else None

    def unmap(self, start: int, end: int) -> None:
        """Forget what is mapped from page `start` to `end`, and its pages."""
        self.maps = sorted(self._outside(start, end), key=lambda area: area.start)
        self.gaps = attached.left_free(self.gaps, start, end)
        self.attached = {page for page in self.attached if not start <= page < end}
        self.drop(start, end)

    def _outside(self, start: int, end: int) -> Iterator[Area]:
        for area in self.maps:
            for a, b in ((area.start, min(area.end, start)), (max(area.start, end), area.end)):
                if a < b:
                    yield area._replace(start=a, end=b)

    def drop(self, start: int, end: int) -> None:
        """Forget the pages."""
        whole, parts = huge_pages.overlap(self, start, end)
        for block in whole:
            del self.huge[block]
        if parts:
            huge_pages.split(self, start, end)
        for page in self.resident(start, end):
            self.forget(page)

    def punch(self, start: int, end: int) -> None:
        """MADV_REMOVE: the pages leave the mappings and the page cache. mm/shmem.c:shmem_fallocate()."""
        for page in self.resident(start, end):
            area = self.area_at(page)
            if area is not None and area.cache is not None:
                area.cache.pop(page - area.offset, None)
        self.drop(start, end)

    def forget(self, page: int) -> None:
        """Its entry is empty."""
        self.pages.pop(page).mappers -= 1
        self.readonly.discard(page)
        self.around.pop(page, None)

    def map(self, area: Area) -> None:
        """A new mapping, in place of what is there."""
        if area.start < area.end:
            self.unmap(area.start, area.end)
            self.maps = sorted([*self.maps, area], key=lambda area: area.start)
            self.gaps = attached.taken(self.gaps, area.start, area.end)
            self.lowest = min(self.lowest or area.start, area.start)

    def attach(self, page: int) -> None:
        """A page is there that no recorded call has mapped: shmat()."""
        self.map(Area(page, page + 1, "shared", cache={}, offset=page))
        self.attached.add(page)

    def protect(self, start: int, end: int, prot: int) -> None:
        """mprotect(): mappings are split where it begins and ends, entries change as writable_after_mprotect() says."""
        for page in self.resident(start, end):
            if self.writable_after_mprotect(page, prot):
                self.readonly.discard(page)
            else:
                self.readonly.add(page)
        inside = [
            area._replace(start=max(area.start, start), end=min(area.end, end), prot=prot)
            for area in self.maps
            if area.start < end and area.end > start
        ]
        self.maps = sorted([*self._outside(start, end), *inside], key=lambda area: area.start)

    def advise(self, start: int, end: int, **what: bool) -> None:
        """MADV_DONTFORK and MADV_WIPEONFORK (`copied`), MADV_HUGEPAGE (`huge`), and their opposites.

        mm/madvise.c:madvise_vma_behavior().
        """
        inside = [
            area._replace(start=max(area.start, start), end=min(area.end, end), **what)  # type: ignore[arg-type]
            for area in self.maps
            if area.start < end and area.end > start
        ]
        self.maps = sorted([*self._outside(start, end), *inside], key=lambda area: area.start)

    def move(self, old: int, old_size: int, new: int, new_size: int, *, keep: bool = False) -> None:
        """mremap() to another place; sizes in pages. `keep`: the old mapping stays, without its pages."""
        kept, shift = min(old_size, new_size), new - old
        huge_pages.split(self, old, old + kept)
        pages = {page + shift: self.pages.pop(page) for page in self.resident(old, old + kept)}
        readonly = {page + shift for page in self.readonly if old <= page < old + kept}
        for page in pages:
            self.around.pop(page - shift, None)  # what has been moved was there
        area = self.area_at(old) or Area(old, old, "anon")
        self.readonly -= {page - shift for page in readonly}
        if not keep:
            self.unmap(old, old + old_size)
        self.map(area._replace(start=new, end=new + new_size, offset=area.offset + shift))
        self.pages.update(pages)
        self.touch(*pages)
        self.readonly |= readonly

    def resident(self, start: int, end: int) -> list[int]:
        """The pages there, in order."""
        if end - start < len(self.pages):
            return [page for page in range(start, end) if page in self.pages]
        return sorted(page for page in self.pages if start <= page < end)

    # ---- entries ---------------------------------------------------------------------------------------------

    def writable(self, page: int) -> bool:
        """Does the entry of a page that is there allow stores?

        A shared mapping of shmem is not told of the first store (vma_wants_writenotify()), so its entries are born so.
        """
        area = self.area_at(page)
        born = area is not None and area.cache is not None and bool(area.prot & PROT_WRITE)
        return page not in self.readonly and (born or self.pages[page].kind.endswith("dirty"))

    def may_be_dirty(self, page: int) -> bool:
        """Is it not known what file the page of a shared mapping is of, and so who has written it?"""
        area = self.area_at(page)
        return area is not None and area.kind == "shared" and area.cache is None

    def prot_at(self, page: int) -> int | None:
        """What the mapping of a page allows, as in mprotect(); None if it is not known."""
        area = self.area_at(page)
        return None if area is None else area.prot

    def writable_after_mprotect(self, page: int, prot: int) -> bool:
        """Does the entry of a page that is there allow stores from then on? mm/mprotect.c:can_change_pte_writable()."""
        area, folio = self.area_at(page), self.pages[page]
        if area is not None and area.prot == prot:
            return self.writable(page)  # mprotect_fixup() has nothing to do
        if folio.kind == "anon_dirty":
            can = folio.exclusive
        else:
            shared = area is not None and area.kind == "shared"
            can = shared and (folio.kind == "file_dirty" or (area is not None and area.cache is not None))
        return bool(prot & PROT_WRITE) and can

    def set_page(self, page: int, kind: str) -> None:
        """A new folio of `kind` is mapped there."""
        folio = self.pages.get(page)
        if folio is not None:
            folio.mappers -= 1
        self.pages[page] = Folio(kind)

    # ---- neighbourhood ---------------------------------------------------------------------------------------

    def neighbours(self, start: int, end: int) -> tuple[int, int]:
        """(floor, ceiling): the end of what is mapped or there below, the start of what is above, 0 if nothing is."""
        below = [area.end for area in self.maps if area.start < start]
        above = [area.start for area in self.maps if area.end > end]
        pages = sorted(self.pages)
        at, beyond = bisect_left(pages, start), bisect_left(pages, end)
        below += [pages[at - 1] + 1] if at else []
        above += [pages[beyond]] if beyond < len(pages) else []
        return min(max(below, default=0), start), min((max(a, end) for a in above), default=0)

    def areas(self, start: int = 0, end: int = TOP) -> list[tuple[int, int]]:
        """What an unmapping finds: the mappings, and stretches of pages that are there outside them.

        Anonymous mappings side by side are one, if they are alike (mm/vma.c:vma_merge_new_range()).
        """
        areas: list[tuple[int, int]] = []
        before: Area | None = None
        for area in self.maps:
            if area.start < end and area.end > start:
                first, last = max(area.start, start), min(area.end, end)
                if before is not None and before.end == first and _alike(before, area):
                    first = areas.pop()[0]
                areas.append((first, last))
                before = area
        known = len(areas)
        for page in self.resident(start, end):
            if self.area_at(page) is not None:
                continue
            if areas and areas[-1][1] == page and len(areas) > known:
                areas[-1] = (areas[-1][0], page + 1)
            else:
                areas.append((page, page + 1))
        return sorted(areas)


def _alike(one: Area, other: Area) -> bool:
    """Would the kernel make one VMA of two anonymous mappings?"""
    return one.kind == other.kind == "anon" and (one.prot, one[-2:]) == (other.prot, other[-2:])
