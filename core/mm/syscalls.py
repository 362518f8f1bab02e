"""The system calls that core/mm has, for every reader that runs one; each is in the file where Linux has it.

`CALLS` are those that the files of ground truth name, all called in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from core.machine.op import Op
from core.mm.exec import exec_mmap
from core.mm.exit import exit_mm
from core.mm.fork import dup_mmap
from core.mm.madvise import (
    madvise_cold,
    madvise_dontneed,
    madvise_free,
    madvise_pageout,
    process_madvise_cold,
    process_madvise_dontneed,
    process_madvise_free,
)
from core.mm.mm import Mm, Vma
from core.mm.mmap import exit_mmap, mmap_over, munmap
from core.mm.mprotect import mprotect, wrprotect
from core.mm.mremap import mremap
from core.mm.truncate import truncate_pagecache
from core.mm.vma_exec import setup_arg_pages

__all__ = [
    "CALLS",
    "Mapping",
    "dup_mmap",
    "exec_mmap",
    "exit_mm",
    "exit_mmap",
    "madvise_cold",
    "madvise_dontneed",
    "madvise_free",
    "madvise_pageout",
    "mmap_over",
    "mprotect",
    "mremap",
    "munmap",
    "process_madvise_cold",
    "process_madvise_dontneed",
    "process_madvise_free",
    "setup_arg_pages",
    "truncate_pagecache",
]


@dataclass(frozen=True, slots=True)
class Mapping:
    """The mapping of a call: the VMA, those below it that belong to it, and the neighbours' bounds (0: none)."""

    vma: Vma
    below: tuple[Vma, ...] = ()
    floor: int = 0
    ceiling: int = 0

    @property
    def vmas(self) -> tuple[Vma, ...]:
        """All VMAs of the mapping, in ascending order."""
        return (*self.below, self.vma)


async def _munmap(mm: Mm, at: Mapping) -> None:
    await munmap(mm, at.vmas, at.floor, at.ceiling)


async def _mmap_over(mm: Mm, at: Mapping) -> None:
    await mmap_over(mm, at.vmas, at.vma, at.floor, at.ceiling)


async def _dontneed(mm: Mm, at: Mapping) -> None:
    await madvise_dontneed(mm, at.vma, at.vma.start, at.vma.end)


async def _free(mm: Mm, at: Mapping) -> None:
    await madvise_free(mm, at.vma, at.vma.start, at.vma.end)


async def _ftruncate(mm: Mm, at: Mapping) -> None:
    """What is in the page cache is not told; taking a page out of it flushes nothing."""
    await truncate_pagecache(mm, [at.vma], [])


async def _mprotect_readonly(mm: Mm, at: Mapping) -> None:
    await mprotect(mm, [at.vma], wrprotect)


async def _fork(mm: Mm, at: Mapping) -> None:
    """The flush is the same whatever is copied, which is not laid out."""
    await dup_mmap(mm, [], {})


async def _exit(mm: Mm, at: Mapping) -> None:
    """VMAs above the mapping are not known; nothing of theirs makes a flush of its own."""
    await exit_mmap(mm, at.vmas)


CALLS: dict[str, Callable[[Mm, Mapping], Coroutine[Op, Any, None]]] = {
    "munmap": _munmap,
    "mapfixed": _mmap_over,
    "mremap": _munmap,  # one that shrinks
    "dontneed": _dontneed,
    "free": _free,
    "ftruncate": _ftruncate,
    "mprotect": _mprotect_readonly,
    "mprotect_ro": _mprotect_readonly,
    "fork": _fork,
    "exit": _exit,
}
"""By the names in the files."""
