"""Page-table contents as runs: what is mapped where, without an object for each page.

Data types
    KINDS             what an entry can be: none, swap, or the kind of its page and the size of its folio
    Stretch           a repeated pattern of (kind, entries); Stretch(0, ((FILE_DIRTY, 1), (FILE_CLEAN, 7)), 256)
    Layout(stretches) consecutive stretches from virtual page 0 on; virtual page `addr` maps page `addr`

A run of a `folio_...` kind is one large folio of that many pages.  A run of HUGE is mapped by entries of the pmd table,
so it starts and ends at table boundaries.  A run of `zero` maps the shared zero page.  A run of any other kind is that
many small pages.  Two adjacent entries are *equal* if the zap and every architecture treat them alike: both are empty,
both are swap entries, or both map small pages, and both or neither are dirty file pages.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

HUGE = "huge_anon"

KINDS = {
    "none": (False, False, False),
    "swap": (False, False, False),
    "anon_clean": (True, True, False),
    "anon_dirty": (True, True, True),
    "file_clean": (True, False, False),
    "file_dirty": (True, False, True),
    "folio_anon_clean": (True, True, False),
    "folio_anon_dirty": (True, True, True),
    "folio_file_clean": (True, False, False),
    "folio_file_dirty": (True, False, True),
    "zero": (True, True, False),
    HUGE: (True, True, True),
}
"""(present?, anonymous?, dirty?) by name."""


class Run(NamedTuple):
    """Entries `start` to `end` (exclusive), all of `kind`; `folio` is (first page, pages) if they map a large folio."""

    start: int
    end: int
    kind: str
    folio: tuple[int, int] | None


@dataclass(frozen=True)
class Stretch:
    """`pattern` repeated `repeat` times from page number `start` on. ValueError for an unknown kind or an empty run."""

    start: int
    pattern: tuple[tuple[str, int], ...]
    repeat: int

    def __post_init__(self) -> None:
        for kind, count in self.pattern:
            if kind not in KINDS:
                raise ValueError(f"unknown kind of page {kind!r}; expected one of {', '.join(KINDS)}")
            if count < 1:
                raise ValueError(f"{kind}: expected a positive number of pages, got {count}")
        if self.repeat < 1 or not self.pattern:
            raise ValueError("a stretch has a pattern and repeats it at least once")
        ends = tuple(accumulate(count for _, count in self.pattern))
        object.__setattr__(self, "ends", ends)
        uniform = len(self.pattern) == 1 and not self.pattern[0][0].startswith("folio_")
        object.__setattr__(self, "period", 1 if uniform else ends[-1])
        object.__setattr__(self, "end", self.start + ends[-1] * self.repeat)
        object.__setattr__(self, "uniform", uniform)

    ends: tuple[int, ...] = ()
    period: int = 1
    end: int = 0
    uniform: bool = False

    def run_at(self, addr: int) -> Run:
        """The run that `addr` falls into."""
        if self.uniform:
            return Run(self.start, self.end, self.pattern[0][0], None)
        length = self.ends[-1]
        base = addr - (addr - self.start) % length
        at = bisect_right(self.ends, addr - base)
        kind, count = self.pattern[at]
        end = base + self.ends[at]
        return Run(end - count, end, kind, (end - count, count) if kind.startswith("folio_") else None)

    def runs_from(self, addr: int) -> Iterator[tuple[int, str]]:
        """(end, kind) of the run that `addr` falls into, and of all later runs of the stretch."""
        length, ends, pattern = self.ends[-1], self.ends, self.pattern
        base = addr - (addr - self.start) % length
        i = bisect_right(ends, addr - base)
        while base < self.end:
            while i < len(ends):
                yield base + ends[i], pattern[i][0]
                i += 1
            base, i = base + length, 0


class Layout:
    """Consecutive stretches from virtual page 0 on. `runs` are (kind, entries) or (repeat, [(kind, entries), ...])."""

    def __init__(self, runs: Iterable[tuple[str, int] | tuple[int, Sequence[tuple[str, int]]]]) -> None:
        self.stretches: list[Stretch] = []
        addr = 0
        for first, second in runs:
            pattern, repeat = (((first, second),), 1) if isinstance(first, str) else (tuple(second), first)  # type: ignore[arg-type]
            stretch = Stretch(addr, pattern, repeat)  # type: ignore[arg-type]
            self.stretches.append(stretch)
            addr = stretch.end
        self.end = addr
        self._starts = [s.start for s in self.stretches]
        alone = all(s.uniform for s in self.stretches)  # then each of them is a run
        self._ends = [s.end for s in self.stretches] if alone else None
        self._kinds = [s.pattern[0][0] for s in self.stretches] if alone else []
        self._last = Run(0, 0, "none", None)
        self._stretch = self.stretches[0] if self.stretches else Stretch(0, (("none", 1),), 1)

    def stretch_at(self, addr: int) -> Stretch:
        """The stretch that `addr` falls into."""
        stretch = self._stretch
        if not stretch.start <= addr < stretch.end:
            stretch = self._stretch = self.stretches[bisect_right(self._starts, addr) - 1]
        return stretch

    def run_at(self, addr: int) -> Run:
        """The run that `addr` falls into."""
        run = self._last
        if not run.start <= addr < run.end:
            run = self._last = self.stretch_at(addr).run_at(addr)
        return run

    def runs_from(self, addr: int) -> Iterator[tuple[int, str]]:
        """(end, kind) of the run that `addr` falls into, and of all later runs."""
        at = bisect_right(self._starts, addr) - 1
        while at < len(self.stretches):
            stretch = self.stretches[at]
            if stretch.uniform:
                yield stretch.end, stretch.pattern[0][0]
            else:
                yield from stretch.runs_from(max(addr, stretch.start))
            at += 1

    def runs_in(self, start: int, end: int) -> Iterable[tuple[int, str]]:
        """(end, kind) of the runs from `start` to `end`, as far as the layout reaches; the last one ends there."""
        if self._ends is None or end > self.end:
            return self._runs_in(start, end)
        first, last = bisect_right(self._starts, start) - 1, bisect_left(self._ends, end)
        return [*zip(self._ends[first:last], self._kinds[first:last], strict=True), (end, self._kinds[last])]

    def _runs_in(self, start: int, end: int) -> Iterator[tuple[int, str]]:
        for upto, kind in self.runs_from(start):
            if upto >= end:
                yield end, kind
                return
            yield upto, kind

    def kinds(self) -> set[str]:
        """Of all its entries."""
        return set(self._kinds) or {kind for stretch in self.stretches for kind, _ in stretch.pattern}

    def present_in(self, start: int, end: int) -> bool:
        """Is any entry from `start` to `end` (exclusive) not empty?"""
        addr = start
        while addr < min(end, self.end):
            run = self.run_at(addr)
            if run.kind != "none":
                return True
            addr = run.end
        return False
