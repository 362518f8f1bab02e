"""Who is in mm_cpumask: what is certain, and what flushes and answers tell."""

from __future__ import annotations

from pathlib import Path

from core.truth.recorded.cpumask import Cpumask
from core.truth.recorded.differences import LEFT, UNNAMED_CPU, UNSEEN
from core.truth.recorded.replay import Gaps, replay
from tests.truth.recorded.made_up import ARCHS, write

ROOM = ("mmap> 0 0x8000 3 0x22 0xffffffff 0", "mmap< 0x700000000000", *(f"pf 70000000{n}000 6" for n in range(8)))
OTHER_THREAD = ("new 2 3d0f00", "1 2 pf 700000007000 4")


def unmap(page: int, *flushes: str, cpu: int = 0) -> tuple[str, ...]:
    """munmap() of one page."""
    lines = (f"munmap> 0x70000000{page}000 0x1000", *flushes, "munmap< 0")
    return tuple(f"{cpu} 1 {line}" if not line[0].isdigit() else line for line in lines)


ASKED = ("I 1 0", "F 1 0", "1 1 R wrong")


def test_a_thread_that_waits_for_mmap_lock_joins_the_mask_when_it_is_dropped(tmp_path: Path) -> None:
    gaps = Gaps()
    waits = "1 2 munmap> 0x700000007000 0x1000"
    lines = (*ROOM, *OTHER_THREAD, waits, *unmap(0, *ASKED), *unmap(1, *ASKED), *unmap(2, *ASKED))
    calls = list(replay(write(tmp_path / "r.gz", *lines), {}, gaps))
    assert [(call.asked, call.exact) for call in calls] == [((1, 1), True)] * 3
    assert [call.joined for call in calls] == [0, 1, 1]
    assert gaps.joined == 2


def test_without_a_waiter_it_is_a_difference(tmp_path: Path) -> None:
    lines = (*ROOM, *OTHER_THREAD, *unmap(0, *ASKED), *unmap(1, *ASKED))
    first, second = replay(write(tmp_path / "r.gz", *lines), {})
    assert first.exact
    assert (second.asked, second.kind) == ((1, 0), UNSEEN)  # its answer names the CPU


def test_a_waiter_that_has_not_run_is_not_asked(tmp_path: Path) -> None:
    """The flush found nobody: so the waiter's CPU is not in the mask, until the lock is dropped once more."""
    waits = "1 2 munmap> 0x700000007000 0x1000"
    lines = (*ROOM, *OTHER_THREAD, waits, *unmap(0, *ASKED), *unmap(1, "F 1 0"), *unmap(2, *ASKED))
    calls = list(replay(write(tmp_path / "r.gz", *lines), {}))
    assert [(call.asked, call.exact) for call in calls] == [((1, 1), True), ((0, 0), True), ((1, 1), True)]


def test_a_cpu_that_nothing_names_is_told_once(tmp_path: Path) -> None:
    sent = ("I 1 0", "F 1 0")
    calls = list(replay(write(tmp_path / "r.gz", *ROOM, *unmap(0, *sent), *unmap(1, *sent)), {}))
    assert [(call.asked, call.kind) for call in calls] == [((1, 0), UNNAMED_CPU), ((1, 1), None)]


def test_a_flush_that_finds_nobody_empties_the_mask(tmp_path: Path) -> None:
    lines = (*ROOM, *OTHER_THREAD, *unmap(0, "F 1 0"), *unmap(1, "F 1 0"))
    calls = list(replay(write(tmp_path / "r.gz", *lines), {}))
    assert [(call.asked, call.kind) for call in calls] == [((0, 1), LEFT), ((0, 0), None)]


def test_a_flush_that_is_not_recorded_says_nothing_of_the_mask(tmp_path: Path) -> None:
    lines = (*ROOM, *OTHER_THREAD, *unmap(0), *unmap(1, "I 1 0", "F 1 0"))
    first, second = replay(write(tmp_path / "r.gz", *lines), {})
    assert not first.exact
    assert second.exact


def test_rows_ask_the_cpus_that_the_recording_shows(tmp_path: Path) -> None:
    lines = (*ROOM, *unmap(0, "F 1 0"), *unmap(1, *ASKED))
    alone, asking = replay(write(tmp_path / "r.gz", *lines), ARCHS)
    assert (alone.counts["6.12"]["ipis"], asking.counts["6.12"]["ipis"]) == (0, 1)


def test_a_flush_of_freed_tables_asks_all_and_those_that_run_something_else_leave() -> None:
    mask = Cpumask({0, 1, 2})
    asked = mask.ask(0, [True, False, False], recorded=3, here={1}, threads={1})
    assert asked.flushes == (0, 1, 2)
    assert (asked.least, asked.most) == (2, 2 + 1 + 1)
    asked = mask.ask(0, [True, False], recorded=1, here=set(), threads=set())
    assert asked.flushes == (0,)


def test_what_may_be_in_the_mask_is_decided_by_how_many_flushes_asked() -> None:
    for recorded, flushes in ((0, ()), (1, (0,)), (2, (0, 1)), (5, (0, 1))):
        mask = Cpumask({0}, {3})
        asked = mask.ask(0, [False, False], recorded, set(), set())
        assert asked.flushes == flushes
        assert mask.others(0, asked, []) == (1 if recorded else 0)
        mask.correct(0, asked, recorded, 2 - min(recorded, 2), [])
        assert mask.cpus == ({0, 3} if recorded else {0})
        assert not mask.maybe
