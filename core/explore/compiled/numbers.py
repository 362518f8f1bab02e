"""Many 64-bit integers in memory of their own, which grows in place.

The system moves the pages of a mapping that grows, without copying, and what is new is 0 already.  Large pages are
asked for, because a table that is looked into everywhere needs few translations then.
"""

from __future__ import annotations

import mmap

from core.explore.numeric import numpy

np = numpy()

BYTES = 8


class Numbers:
    """`size` numbers at `address`."""

    def __init__(self, size: int) -> None:
        self._memory = mmap.mmap(-1, BYTES * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._moved(size)

    def grow(self, size: int) -> None:
        """Room for more: the address may be another."""
        self._memory.resize(BYTES * size)
        self._moved(size)

    def read(self, first: int, count: int) -> list[int]:
        """Some of the numbers."""
        found: list[int] = np.frombuffer(self._memory, np.int64, count, BYTES * first).tolist()
        return found

    def clear(self) -> None:
        """All are 0 again."""
        np.frombuffer(self._memory, np.int64)[:] = 0

    def _moved(self, size: int) -> None:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._memory.madvise(mmap.MADV_HUGEPAGE)
        self.size = size
        self.address = int(np.frombuffer(self._memory, np.int64, 1).ctypes.data)
