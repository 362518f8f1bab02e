"""mm/userfaultfd.c: write protection by user space."""

from __future__ import annotations

from core.machine.lock import mmap_read_lock, mmap_read_unlock
from core.machine.pte import Entry, Pte
from core.mm.mm import Mm
from core.mm.mprotect import change_protection


def uffd_wp(pte: Pte) -> Entry:
    """MM_CP_UFFD_WP."""
    return pte._replace(write=False, uffd_wp=True)


def uffd_wp_resolve(pte: Pte) -> Entry:
    """MM_CP_UFFD_WP_RESOLVE: the write bit is left to the page fault, which knows about copy-on-write."""
    return pte._replace(uffd_wp=False)


async def mwriteprotect_range(mm: Mm, start: int, end: int, enable_wp: bool) -> None:
    """UFFDIO_WRITEPROTECT: under mmap_lock for reading."""
    await mmap_read_lock(mm.task)
    await change_protection(mm, start, end, uffd_wp if enable_wp else uffd_wp_resolve)
    await mmap_read_unlock(mm.task)
