"""Large arrays of 64-bit integers that grow in place.

The kernel moves the pages of a mapping that grows (mremap()), without copying, and new pages are zero.  Huge pages are
requested, because a hash table that is accessed at random would otherwise miss the TLB at nearly every lookup, and
because the kernel clears one of them faster than 512 small ones.  It gives them to a mapping that begins and ends at
such a page, and moves them whole only from one to another (`mm/mremap.c:move_huge_pmd()`).
"""

from __future__ import annotations

import mmap
from typing import Any

from core.explore.numeric import numpy

np = numpy()

BYTES = 8

HUGE = (2 << 20) // BYTES
"""Numbers in a huge page of most architectures."""


def whole_pages(size: int) -> int:
    """`size` numbers or a few more: where it is more than a huge page, whole ones."""
    return size if size < HUGE else -(-size // HUGE) * HUGE


class Numbers:
    """`size` 64-bit integers at `address`, initially 0."""

    def __init__(self, size: int) -> None:
        self._memory = mmap.mmap(-1, BYTES * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._moved(size)

    def grow(self, size: int) -> None:
        """Grow to `size` numbers; the address may change."""
        self._memory.resize(BYTES * size)
        self._moved(size)

    def read(self, first: int, count: int) -> list[int]:
        """`count` numbers from index `first` on."""
        found: list[int] = self.numbers(first, count).tolist()
        return found

    def numbers(self, first: int, count: int) -> Any:
        """The same as an array of its own: the memory can grow."""
        return np.frombuffer(self._memory, np.int64, count, BYTES * first).copy()

    def rows(self, which: Any, width: int) -> list[list[int]]:
        """Those rows of `width` numbers each."""
        numbers = np.frombuffer(self._memory, np.int64, self.size // width * width)
        found: list[list[int]] = numbers.reshape(-1, width)[which].tolist()
        return found

    def clear(self) -> None:
        """Set all numbers to 0."""
        np.frombuffer(self._memory, np.int64)[:] = 0

    def _moved(self, size: int) -> None:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._memory.madvise(mmap.MADV_HUGEPAGE)
        self.size = size
        self.address = int(np.frombuffer(self._memory, np.int64, 1).ctypes.data)
