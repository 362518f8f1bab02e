"""Address spaces as a recording builds them up: what is mapped where and how, and which pages are there.

Data types
    Frame       a page: its kind, and how many spaces map it (fork shares anonymous ones)
    Space       an mm

Kinds of frames are 'anon_dirty', 'zero' (the shared zero page), 'file_clean' and 'file_dirty'; mappings are 'anon',
'file' (private), or 'shared'.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

PAGE = 12
FAULT_AROUND_PAGES = 16
PRESENT_FAULT, WRITE_FAULT = 1, 2
"""Bits of x86's page-fault error code: the entry was there; it was a store."""


@dataclass(eq=False, slots=True)
class Frame:
    """A page that some space maps."""

    kind: str
    mappers: int = 1


@dataclass(eq=False)
class Space:
    """`maps` are (start, end, kind), sorted; `readonly` pages are there, and may not be written without a fault.

    `cpus` are those that may have entries of the mm: every CPU it ran on, but for those that have left since.
    """

    maps: list[tuple[int, int, str]] = field(default_factory=list)
    pages: dict[int, Frame] = field(default_factory=dict)
    readonly: set[int] = field(default_factory=set)
    brk: int = 0
    cpus: set[int] = field(default_factory=set)

    def fork(self) -> Space:
        """fork(): anonymous pages are shared and write-protected on both sides.

        mm/memory.c:vma_needs_copy(): a mapping without anonymous pages is not copied, faults bring its pages back.
        """
        child = Space(list(self.maps), {}, set(), self.brk)
        copied = [mapping for mapping in self.maps if mapping[2] != "shared" and self._has_anonymous(*mapping[:2])]
        for page, frame in self.pages.items():
            mapping = self.mapping_at(page)
            if frame.kind == "anon_dirty" or mapping is None or mapping in copied:
                child.pages[page] = frame
                frame.mappers += 1
        child.readonly = {page for page, frame in child.pages.items() if frame.kind == "anon_dirty"}
        self.readonly |= child.readonly
        return child

    def _has_anonymous(self, start: int, end: int) -> bool:
        return any(self.pages[page].kind == "anon_dirty" for page in self.resident(start, end))

    def mapping_at(self, page: int) -> tuple[int, int, str] | None:
        """The mapping of a page, if it is known."""
        at = bisect_right(self.maps, (page, 2**64, "")) - 1
        return self.maps[at] if at >= 0 and page < self.maps[at][1] else None

    def unmap(self, start: int, end: int) -> None:
        """Forget what is mapped from page `start` to `end`, and its pages."""
        kept = []
        for first, last, kind in self.maps:
            kept += [(a, b, kind) for a, b in ((first, min(last, start)), (max(first, end), last)) if a < b]
        self.maps = sorted(kept)
        self.drop(start, end)

    def drop(self, start: int, end: int) -> None:
        """Forget the pages."""
        for page in self.resident(start, end):
            self.pages.pop(page).mappers -= 1
            self.readonly.discard(page)

    def map(self, start: int, end: int, kind: str) -> None:
        """A new mapping, in place of what is there."""
        self.unmap(start, end)
        self.maps = sorted([*self.maps, (start, end, kind)])

    def move(self, old: int, old_size: int, new: int, new_size: int) -> None:
        """mremap() to another place; sizes in pages."""
        kept = min(old_size, new_size)
        pages = {new + page - old: self.pages.pop(page) for page in self.resident(old, old + kept)}
        readonly = {new + page - old for page in self.readonly if old <= page < old + kept}
        mapping = self.mapping_at(old)
        self.unmap(old, old + old_size)
        self.map(new, new + new_size, "anon" if mapping is None else mapping[2])
        self.pages.update(pages)
        self.readonly = {page for page in self.readonly if not old <= page < old + kept} | readonly

    def resident(self, start: int, end: int) -> list[int]:
        """The pages there, in order."""
        if end - start < len(self.pages):
            return [page for page in range(start, end) if page in self.pages]
        return sorted(page for page in self.pages if start <= page < end)

    def writable(self, page: int) -> bool:
        """Does the entry of a page that is there allow stores?"""
        return self.pages[page].kind.endswith("dirty") and page not in self.readonly

    def copies_on_write(self, page: int, error: int) -> bool:
        """Does the fault replace the page of a present entry? mm/memory.c:do_wp_page()."""
        if error & (PRESENT_FAULT | WRITE_FAULT) != PRESENT_FAULT | WRITE_FAULT:
            return False
        mapping, frame = self.mapping_at(page), self.pages.get(page)
        if mapping is not None and mapping[2] == "shared":
            return False  # wp_page_shared()
        return frame is None or frame.kind != "anon_dirty" or frame.mappers > 1

    def fault(self, page: int, error: int) -> None:
        """A page fault was served."""
        mapping, frame, write = self.mapping_at(page), self.pages.get(page), error & WRITE_FAULT
        kind = mapping[2] if mapping is not None else "file"
        if kind == "shared":
            dirty = write or (frame is not None and frame.kind == "file_dirty")
            self._set(page, "file_dirty" if dirty else "file_clean")
        elif write:
            if frame is None or frame.kind != "anon_dirty" or frame.mappers > 1:
                self._set(page, "anon_dirty")
        elif frame is None:
            self._set(page, "zero" if kind == "anon" else "file_clean")
            if kind == "file" and mapping is not None:
                self._fault_around(page, mapping)
        if write:
            self.readonly.discard(page)

    def _set(self, page: int, kind: str) -> None:
        frame = self.pages.get(page)
        if frame is not None:
            frame.mappers -= 1
        self.pages[page] = Frame(kind)

    def _fault_around(self, page: int, mapping: tuple[int, int, str]) -> None:
        """mm/memory.c:do_fault_around(): the aligned 64 KiB around a read fault, as far as they are mapped."""
        first = page - page % FAULT_AROUND_PAGES
        for other in range(max(first, mapping[0]), min(first + FAULT_AROUND_PAGES, mapping[1])):
            if other not in self.pages:
                self.pages[other] = Frame("file_clean")

    def neighbours(self, start: int, end: int) -> tuple[int, int]:
        """(floor, ceiling): the end of what is mapped or there below, the start of what is above, 0 if nothing is."""
        below = [last for first, last, _ in self.maps if first < start]
        above = [first for first, last, _ in self.maps if last > end]
        pages = sorted(self.pages)
        at, beyond = bisect_left(pages, start), bisect_left(pages, end)
        below += [start if any(a < start < b for a, b, _ in self.maps) else 0]
        below += [pages[at - 1] + 1] if at else []
        above += [pages[beyond]] if beyond < len(pages) else []
        above = [max(a, end) for a in above]
        return min(max(below, default=0), start), min(above, default=0)

    def areas(self) -> list[tuple[int, int]]:
        """What exit unmaps: the mappings, and stretches of pages that are there outside them."""
        areas = [(start, end) for start, end, _ in self.maps]
        for page in sorted(page for page in self.pages if self.mapping_at(page) is None):
            if areas and areas[-1][1] == page and len(areas) > len(self.maps):
                areas[-1] = (areas[-1][0], page + 1)
            else:
                areas.append((page, page + 1))
        return sorted(areas)
