"""An operation as recorded and as predicted, and how it can be that they are not the same.

Data types
    Reclaimable  what MADV_PAGEOUT finds
    Kind        a kind of difference: whether what the kernel does explains it, and how
    Replayed    one operation and what came of it
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.truth.recorded.flush_attribution import Recorded
from core.truth.recorded.runner import CEILING, Flush

Flushes = tuple[tuple[int, bool], ...]
"""Strides of each flush, -1 for everything, and whether it is made under the page-table lock."""


class Reclaimable(NamedTuple):
    """How many pages MADV_PAGEOUT finds: all, those it may write, and the tables and huge pages that they are in."""

    pages: int
    written: int
    tables: int
    huge: int


class Kind(NamedTuple):
    """`explained`: what happened follows from the kernel's source and from something that a recording does not say."""

    name: str
    explained: bool
    why: str


RESCHEDULED = Kind(
    "need_resched",
    True,
    "zap_pte_range() left its loop at need_resched(), and flushed before it unlocked; the pieces add up",
)
TMPFS = Kind(
    "tmpfs",
    True,
    "with pages of the shared file dirty that are only read here, as on tmpfs after other stores, it is as recorded",
)
AROUND = Kind(
    "fault-around",
    True,
    "how far mappings that exec made go is not recorded: without what fault-around is taken to have mapped in them, "
    "it is as recorded",
)
AGED = Kind(
    "MADV_COLD",
    True,
    "which pages have been used since the last MADV_COLD, and which are in another CPU's LRU batch, is not recorded: "
    "MADV_COLD flushes from the first to the last entry that it makes old",
)
PAGED_OUT = Kind(
    "MADV_PAGEOUT",
    True,
    "which pages reclaim takes is not recorded: swap space, who owns the file, who else maps it. Each page that it "
    "takes is flushed under the lock if no other CPU has the mm; otherwise everything is flushed before each page that "
    "is written, and at the end of each table's pages",
)
CONCURRENT = Kind(
    "concurrent flush",
    True,
    "another thread flushed meanwhile: flush_tlb_func() does everything, or nothing, if tlb_gen is not the next",
)
UNSEEN = Kind(
    "unseen CPU", True, "a CPU that answered was in mm_cpumask, and no event shows that the program ran there"
)
UNNAMED_CPU = Kind("unnamed CPU", False, "some CPU was in mm_cpumask that no event and no answer names")
LEFT = Kind("CPU left", False, "no other CPU was in mm_cpumask any more, and no answer shows why")
OTHER = Kind("other", False, "not explained")
UNOWNED = Kind("unowned flush", False, "flushes that no recorded operation makes")
DETACHED = Kind(
    "unrecorded mapping",
    True,
    "flushes of a mapping that no recorded call has made or removed (shmat(), shmdt()): a fault was served where "
    "nothing was mapped, and the flush is of as many pages under the lock as were stored to there",
)
EXEC = Kind(
    "exec",
    True,
    "how many pages of arguments exec moves is not recorded: with as many as its first flush covers, it is as recorded",
)
TRUNCATED = Kind(
    "ftruncate", True, "flushes of ftruncate(): which file it is of, and so what it unmaps where, is not recorded"
)


@dataclass(frozen=True)
class Replayed:
    """One operation at a line of the recording.

    pages, anonymous      pages there, and whether all were anonymous
    measured, predicted   x86's flushes; of exit those sent
    asked                 how often others were asked, recorded and predicted; `joined` of the predicted rest on the
                          recording itself: a CPU was in the mask if a waiter for mmap_lock had run there
    answers               how many CPUs answered, and how many would at least and at most
    kind                  how they differ, None if they do not
    counts                by row
    """

    line: int
    name: str
    pages: int
    anonymous: bool
    measured: Flushes
    predicted: Flushes
    asked: tuple[int, int]
    joined: int
    answers: tuple[int, int, int]
    kind: Kind | None
    counts: Mapping[str, Mapping[str, int]]

    @property
    def exact(self) -> bool:
        """Is all that is recorded predicted?"""
        return self.kind is None

    @property
    def difference(self) -> str:
        """What is recorded and what is predicted, and how that can be; '' if they are the same."""
        if self.kind is None:
            return ""
        text = f"{self.name} of {self.pages} pages: {_said(self.measured)} recorded, {_said(self.predicted)} predicted"
        if self.asked[0] != self.asked[1]:
            text += f"; sent {self.asked[0]} times, predicted {self.asked[1]}"
        return f"{text} ({self.kind.name})"


def _said(flushes: Flushes) -> str:
    """Flushes in words: strides or 'all', and a star if under the page-table lock."""
    return " ".join(("all" if strides < 0 else str(strides)) + "*" * locked for strides, locked in flushes) or "none"


def by_advice(name: str, measured: Flushes, predicted: Sequence[Flush], most: Reclaimable) -> Kind | None:
    """Advice that leaves to the state of the pages what it flushes: the kind, if the flushes can be its own."""
    if name == "pageout":
        return PAGED_OUT if can_page_out(measured, most) else None
    if name == "cold" and len(measured) <= len(predicted) == 1 and not any(locked for _, locked in measured):
        return AGED if all(0 < strides <= predicted[0].extent for strides, _ in measured) else None
    return None


def can_page_out(measured: Flushes, most: Reclaimable) -> bool:
    """Can these be the flushes of MADV_PAGEOUT? mm/vmscan.c:shrink_folio_list(), mm/rmap.c:try_to_unmap_one().

    Of a page under the lock (ptep_clear_flush()), of everything (try_to_unmap_flush_dirty() for each page that is
    written: anonymous ones and those of shmem, as this is not kswapd; try_to_unmap_flush() for each table), and of
    everything under the lock, as a huge page is split.
    """
    allowed = {(1, True): most.pages, (-1, False): most.written + most.tables, (-1, True): most.huge}
    return all(number <= allowed.get(flush, 0) for flush, number in Counter(measured).items())


def cut_in_pieces(measured: Flushes, flushes: Sequence[Flush], pages: int) -> bool:
    """Are the flushes under the lock pieces of those predicted, of a range with so many pages?

    Where dirty pages of a file were seen, they are flushed before each unlock.  A flush of everything is of more
    strides than the ceiling.
    """
    pieces, whole = [strides for strides, locked in measured if locked], [flush for flush in flushes if flush.locked]
    rest = [strides for strides, locked in measured if not locked]
    if len(pieces) <= len(whole) or not whole or rest != [flush.strides for flush in flushes if not flush.locked]:
        return False
    most = sum(flush.extent for flush in whole)
    least = sum(CEILING + 1 if strides < 0 else strides for strides in pieces)
    return min(pieces) != 0 and least <= most and (min(pieces) < 0 or least >= min(pages, most))


def by_other_generations(recorded: Sequence[Recorded], flushes: Sequence[Flush]) -> bool:
    """Are all flushes those predicted, but that some do everything, or nothing, or nothing that is traced?"""
    return len(recorded) == len(flushes) and all(
        seen.locked == flush.locked and seen.done in (flush.strides, -1, 0, None)
        for seen, flush in zip(recorded, flushes, strict=True)
    )


def kind_of_mask(recorded: int, predicted: int, named: bool) -> Kind | None:
    """How the mask differs, by how often others were asked; `named`: an answer names a CPU that was not known."""
    if recorded == predicted:
        return None
    if recorded < predicted:
        return LEFT
    return UNSEEN if named else UNNAMED_CPU
