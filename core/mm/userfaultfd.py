"""mm/userfaultfd.c: write protection controlled by user space."""

from __future__ import annotations

from core.machine.pte import Entry, Present
from core.mm.mm import Mm, Vma
from core.mm.mmap_lock import mmap_read_lock, mmap_read_unlock
from core.mm.mprotect import accessible, change_vma


def uffd_wp(pte: Present) -> Entry:
    """MM_CP_UFFD_WP."""
    return accessible(pte)._replace(write=False, uffd_wp=True)


def uffd_wp_resolve(pte: Present) -> Entry:
    """MM_CP_UFFD_WP_RESOLVE: the write bit is left to the page fault, which handles copy-on-write."""
    return accessible(pte)._replace(uffd_wp=False)


async def mwriteprotect_range(mm: Mm, vma: Vma, enable_wp: bool) -> None:
    """UFFDIO_WRITEPROTECT of a VMA, or of a part of one: under mmap_lock for reading. uffd_wp_range()."""
    await mmap_read_lock(mm)
    await change_vma(mm, vma, uffd_wp if enable_wp else uffd_wp_resolve)
    await mmap_read_unlock(mm)
