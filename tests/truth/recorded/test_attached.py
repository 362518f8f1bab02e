"""shmat() and shmdt() are not recorded: a mapping that shows in a fault, and goes with a flush that is nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.truth.recorded.attached import Gaps, is_free, left_free, taken
from core.truth.recorded.replay import Gaps as Lacks
from core.truth.recorded.replay import replay
from tests.truth.recorded.made_up import MAPPED, write

UNMAPPED = (*MAPPED, "munmap> 0x700000000000 0x3000", "munmap< 0")
"""Three pages, of which nothing was there, are not mapped any more."""


def lacking(tmp_path: Path, *lines: str) -> tuple[int, int]:
    """Flushes of a mapping that is not recorded, and of nothing."""
    gaps = Lacks()
    list(replay(write(tmp_path / "r.gz", *lines), {}, gaps))
    return gaps.detached, gaps.unowned


def test_what_was_stored_to_where_nothing_is_mapped_goes_with_its_flush(tmp_path: Path) -> None:
    stored = ("pf 700000000000 6", "pf 700000001000 6", "brk> 0", "brk< 0x1000")
    assert lacking(tmp_path, *UNMAPPED, *stored, "F 2 1", "brk> 0", "brk< 0x1000") == (1, 0)
    assert lacking(tmp_path, *UNMAPPED, *stored, "F 2 1", "F 2 1", "brk> 0", "brk< 0x1000") == (1, 1), "it went once"
    assert lacking(tmp_path, *UNMAPPED, *stored, "F 1 1", "brk> 0", "brk< 0x1000") == (0, 1), "two pages are dirty"
    assert lacking(tmp_path, *UNMAPPED, *stored, "F 2 0", "brk> 0", "brk< 0x1000") == (0, 1), "not under the lock"


@pytest.mark.parametrize(
    "lines",
    [
        ("pf 700000000000 6",),
        (*MAPPED, "pf 700000000000 6"),
        (*UNMAPPED, "pf 700000000000 4"),
        (*UNMAPPED, "pf 700000008000 6"),
        (*UNMAPPED, *MAPPED, "pf 700000000000 6"),
        (*UNMAPPED, "pf 700000000000 6", "munmap> 0x700000000000 0x3000", "F 1 1", "F 0 0", "munmap< 0"),
        (*UNMAPPED, "exec x", "pf 700000000000 6"),
    ],
    ids=["exec's", "mapped", "read alone", "elsewhere", "mapped again", "unmapped", "a new mm"],
)
def test_other_flushes_are_nobody_s(lines: tuple[str, ...], tmp_path: Path) -> None:
    assert lacking(tmp_path, *lines, "brk> 0", "brk< 0x1000", "F 1 1", "brk> 0", "brk< 0x1000")[0] == 0


def test_exec_maps_nothing_below_what_mmap_chooses(tmp_path: Path) -> None:
    stored = ("brk> 0", "brk< 0x1000", "F 1 1", "brk> 0", "brk< 0x1000")
    high = ("mmap> 0 0x3000 3 0x22 0xffffffff 0", "mmap< 0x7f0000008000")
    assert lacking(tmp_path, *high, "pf 7f0000001000 6", *stored) == (1, 0)
    assert lacking(tmp_path, *high, "pf 7f000000c000 6", *stored) == (0, 1), "above it exec may have mapped something"
    assert lacking(tmp_path, *high, "pf 555500000000 6", *stored) == (0, 1), "the program itself"


def test_a_child_has_what_its_parent_has_attached(tmp_path: Path) -> None:
    """fork() copies no page of shared memory: the child stores to it itself."""
    start = (*UNMAPPED, "pf 700000000000 6", "new 2 0", "1 2 pf 700000000000 6")
    assert lacking(tmp_path, *start, "1 2 brk> 0", "1 2 brk< 0x1000", "1 2 F 1 1", "1 2 brk> 0", "1 2 brk< 0") == (1, 0)


def test_gaps_are_what_calls_have_left() -> None:
    gaps: Gaps = left_free(left_free([], 10, 20), 30, 40)
    assert gaps == [(10, 20), (30, 40)]
    assert left_free(gaps, 20, 30) == [(10, 40)]
    assert left_free(gaps, 15, 35) == [(10, 40)]
    assert left_free(gaps, 0, 5) == [(0, 5), (10, 20), (30, 40)]
    assert taken(gaps, 12, 32) == [(10, 12), (32, 40)]
    assert taken(gaps, 0, 50) == []
    assert [page for page in (9, 10, 19, 20, 30, 40) if is_free(gaps, page)] == [10, 19, 30]
