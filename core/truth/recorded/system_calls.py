"""What a recorded system call does: the operation it comes to, and how the mappings change.

Where the kernel chooses an address, nothing was mapped there before; MAP_POPULATE and MADV_POPULATE_* fault the pages
in without a fault that is recorded (mm/gup.c:populate_vma_page_range(), faultin_page_range()).
"""

from __future__ import annotations

from core.truth.recorded import huge_pages
from core.truth.recorded.faults import PRESENT_FAULT, WRITE_FAULT, serve
from core.truth.recorded.page_tables import PAGE
from core.truth.recorded.recordings import Event
from core.truth.recorded.setup import Operation
from core.truth.recorded.spaces import PROT_WRITE, TOP, Area, Space

MAP_SHARED, MAP_FIXED, MAP_ANONYMOUS, MAP_LOCKED, MAP_POPULATE, MAP_NONBLOCK = 0x01, 0x10, 0x20, 0x2000, 0x8000, 0x10000
MREMAP_FIXED, MREMAP_DONTUNMAP = 2, 4
MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_HUGEPAGE, MADV_NOHUGEPAGE = (
    4, 8, 9, 10, 11, 14, 15
)  # fmt: skip
MADV_WIPEONFORK, MADV_KEEPONFORK = 18, 19
MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_DONTNEED_LOCKED, MADV_COLLAPSE = range(20, 26)
MADV_GUARD_INSTALL = 102

ADVICE = {
    MADV_DONTNEED: "dontneed",
    MADV_DONTNEED_LOCKED: "dontneed",
    MADV_FREE: "free",
    MADV_REMOVE: "remove",
    MADV_COLD: "cold",
    MADV_PAGEOUT: "pageout",
    MADV_COLLAPSE: "collapse",
    MADV_GUARD_INSTALL: "guard",
}
"""Advice that changes entries, by the operation's name."""

DROPS = frozenset({MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_GUARD_INSTALL})
MARKS = {
    MADV_DONTFORK: {"copied": False},
    MADV_WIPEONFORK: {"copied": False},
    MADV_DOFORK: {"copied": True},
    MADV_KEEPONFORK: {"copied": True},
    MADV_HUGEPAGE: {"huge": True},
    MADV_NOHUGEPAGE: {"huge": False},
}
"""Advice that marks mappings: fork() copies their pages (not VM_DONTCOPY, VM_WIPEONFORK), pages are huge (VM_HUGEPAGE).
"""

PROT = 7
"""PROT_READ, PROT_WRITE and PROT_EXEC; other bits (PROT_SEM, PROT_GROWSDOWN) do not show in an entry."""

FAILED = 2**64 - 4095
"""A return value from here on is an error's: IS_ERR_VALUE()."""

ENOMEM = 12

TOP_BYTE = TOP << PAGE
MOST_POPULATED = 1 << 20
"""Pages (4 GiB): no recorded program has had more faulted in at once; a damaged line may say so."""


def beyond(event: Event, result: int) -> bool:
    """Is it about addresses that no process has?"""
    code, args = event.code, event.numbers
    if code == "brk>":
        return result > TOP_BYTE
    if code in ("mmap>", "mremap>") and result + args[2 if code == "mremap>" else 1] > TOP_BYTE:
        return True
    return code != "mmap>" and args[0] + args[1] > TOP_BYTE


def chosen(event: Event, result: int, space: Space) -> tuple[int, int]:
    """The pages that a call has mapped where the kernel found nothing mapped (get_unmapped_area())."""
    code, args, first = event.code, event.numbers, result >> PAGE
    if code == "mmap>" and not args[3] & MAP_FIXED:
        return first, first + pages_of(args[1])
    if code == "mremap>" and result != args[0] and not _fixed(args):
        return first, first + pages_of(args[2])
    if code == "brk>" and space.brk:
        return space.brk, pages_of(result)
    return 0, 0


def is_done(event: Event, result: int) -> bool:
    """Has the call done what it was asked for?  madvise() goes on behind a hole, and fails at the end."""
    holes = event.code == "madvise>" and event.numbers[2] in ADVICE
    return 0 <= result < FAILED or (holes and result in (-ENOMEM, 2**64 - ENOMEM))


def operations_of(event: Event, result: int, space: Space) -> list[Operation]:
    """What a call has done, by its entry and `result`, in order; nothing if it has unmapped and changed nothing.

    What all but the last of several are about is not mapped any more when the next begins.
    """
    code, args = event.code, event.numbers
    first = args[0] >> PAGE
    if code == "munmap>":
        return [Operation("munmap", first, first + pages_of(args[1]))]
    if code == "madvise>" and args[2] in ADVICE:
        return [Operation(ADVICE[args[2]], first, first + pages_of(args[1]))]
    if code == "mmap>":
        start = result >> PAGE
        end = start + pages_of(args[1])
        return [Operation("mmap over", start, end)] if space.areas(start, end) else []
    if code == "mprotect>":
        return [Operation("mprotect", first, first + pages_of(args[1]), prot=args[2] & PROT)]
    if code == "brk>" and space.brk and args[0] and pages_of(result) < space.brk:
        return [Operation("brk", pages_of(result), space.brk)]
    if code == "mremap>":
        return _mremap(args, result >> PAGE, space)
    return []


def _mremap(args: tuple[int, ...], to: int, space: Space) -> list[Operation]:
    """mm/mremap.c:mremap_to() unmaps what is at the new place, then the tail that goes, and moves the rest."""
    start, old, new = args[0] >> PAGE, pages_of(args[1]), pages_of(args[2])
    tail = [Operation("mremap", start + new, start + old)] if new < old else []
    if to == start:
        return tail
    there = [Operation("munmap", to, to + new)] if _fixed(args) and space.areas(to, to + new) else []
    return [*there, *tail, Operation("move and keep" if _keeps(args) else "move", start, start + min(old, new), to)]


def _fixed(args: tuple[int, ...]) -> bool:
    """Has mremap() been told where to go?"""
    return len(args) > 3 and bool(args[3] & MREMAP_FIXED)


def pages_of(size: int) -> int:
    """PAGE_ALIGN(size) in pages."""
    return (size + (1 << PAGE) - 1) >> PAGE


def apply(space: Space, event: Event, result: int) -> None:
    """What the call did to the space."""
    code, args = event.code, event.numbers
    first = args[0] >> PAGE
    if code == "brk>":
        new = pages_of(result)
        if space.brk and new > space.brk:
            space.map(Area(space.brk, new, "anon"))
        elif space.brk and new < space.brk:
            space.unmap(new, space.brk)
        space.brk = new
    elif code == "munmap>":
        space.unmap(first, first + pages_of(args[1]))
    elif code == "madvise>" and args[2] in DROPS:
        space.drop(first, first + pages_of(args[1]))
        if args[2] == MADV_GUARD_INSTALL:
            space.mark(first, first + min(pages_of(args[1]), MOST_POPULATED))
    elif code == "madvise>" and args[2] == MADV_REMOVE:
        space.punch(first, first + pages_of(args[1]))
    elif code == "madvise>" and args[2] in MARKS:
        space.advise(first, first + pages_of(args[1]), **MARKS[args[2]])
    elif code == "madvise>" and args[2] == MADV_COLLAPSE:
        huge_pages.collapse(space, first, first + pages_of(args[1]))
    elif code == "madvise>" and args[2] in (MADV_POPULATE_READ, MADV_POPULATE_WRITE):
        _populate(space, first, first + pages_of(args[1]), args[2] == MADV_POPULATE_WRITE)
    elif code == "mprotect>":
        space.protect(first, first + pages_of(args[1]), args[2] & PROT)
    elif code == "mmap>":
        _mmap(space, result >> PAGE, pages_of(args[1]), args[2], args[3])
    elif code == "mremap>":
        space.move(first, pages_of(args[1]), result >> PAGE, pages_of(args[2]), keep=_keeps(args))


def _keeps(args: tuple[int, ...]) -> bool:
    """Does mremap() leave the old mapping where it is, empty?"""
    return len(args) > 3 and bool(args[3] & MREMAP_DONTUNMAP)


def _mmap(space: Space, start: int, pages: int, prot: int, flags: int) -> None:
    shared, anonymous = flags & MAP_SHARED, flags & MAP_ANONYMOUS
    kind = "shared" if shared else "anon" if anonymous else "file"
    space.map(Area(start, start + pages, kind, prot & PROT, {} if shared and anonymous else None, start))
    if flags & MAP_LOCKED or flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE:
        _populate(space, start, start + pages, bool(prot & PROT_WRITE) and not shared)


def _populate(space: Space, start: int, end: int, write: bool) -> None:
    for page in range(start, min(end, start + MOST_POPULATED)):
        there = page in space.pages
        if not there or (write and not space.writable(page)):
            serve(space, page, (WRITE_FAULT if write else 0) | (PRESENT_FAULT if there else 0))
