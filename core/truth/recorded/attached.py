"""Mappings that no recorded call makes or removes: shmat(), shmdt().

Such a mapping shows in a fault that is served where nothing that is recorded can have mapped anything: where a call has
unmapped what was there, or below all that mmap() has chosen since exec, which maps its own first, from the top down.
It is taken for shared memory, whose pages are known one by one.  It goes with a flush that no recorded operation makes:
ipc/shm.c:ksys_shmdt() unmaps it, and its dirty pages are flushed under the page-table lock, from the first to the last.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.truth.recorded.spaces import Space

MMAP_FLOOR = 0x7E0000000
"""Pages from here on are mmap()'s: below it are the program itself, which exec puts at two thirds of all, and its heap.

arch/x86/mm/mmap.c:mmap_base(): at most 2^40 bytes, and the stack's limit, below the top.
"""

Gaps = list[tuple[int, int]]
"""Ranges of pages in ascending order, none of which meets the next: what is not mapped any more."""


def left_free(gaps: Gaps, start: int, end: int) -> Gaps:
    """`gaps` with the pages from `start` to `end`, which a call has unmapped."""
    first = min([start, *(a for a, b in gaps if a <= end and b >= start)])
    last = max([end, *(b for a, b in gaps if a <= end and b >= start)])
    return sorted([*(gap for gap in gaps if gap[0] > end or gap[1] < start), (first, last)])


def taken(gaps: Gaps, start: int, end: int) -> Gaps:
    """`gaps` without the pages from `start` to `end`, which a call has mapped."""
    parts = [part for a, b in gaps for part in ((a, min(b, start)), (max(a, end), b)) if part[0] < part[1]]
    return sorted(set(parts))


def is_free(gaps: Gaps, page: int) -> bool:
    """Has a call left nothing mapped at `page`?"""
    at = bisect_right(gaps, page, key=lambda gap: gap[0]) - 1
    return at >= 0 and page < gaps[at][1]


def detached(space: Space, strides: int, ceiling: int) -> tuple[int, int] | None:
    """The pages that a flush of `strides` under the lock is of, if they are attached, and were stored to."""
    for start, end in _runs(sorted(page for page in space.attached if page in space.pages)):
        dirty = [page for page in range(start, end) if space.pages[page].kind == "file_dirty"]
        extent = dirty[-1] + 1 - dirty[0] if dirty else 0
        if extent and strides == (extent if extent <= ceiling else -1):
            return start, end
    return None


def _runs(pages: list[int]) -> Gaps:
    runs: Gaps = []
    for page in pages:
        if runs and runs[-1][1] == page:
            runs[-1] = runs[-1][0], page + 1
        else:
            runs.append((page, page + 1))
    return runs
