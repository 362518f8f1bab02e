"""Whose flush is whose, where two buffers were merged by the microsecond."""

from __future__ import annotations

from pathlib import Path

from core.truth.recorded.differences import CONCURRENT, OTHER
from core.truth.recorded.flush_attribution import attribute
from core.truth.recorded.recordings import read_events
from core.truth.recorded.replay import Gaps, replay
from tests.truth.recorded.made_up import MAPPED, RECORDING, WRITTEN, at, replayed, write

START = (
    at(0, "mmap>", "0 0x4000 3 0x22 0xffffffff 0"),
    at(1, "mmap<", "0x700000000000"),
    *(at(2 + n, "pf", f"70000000{n}000 6") for n in range(4)),
)
TO_NONE = (at(37, "mprotect>", "0x700000000000 0x2000 0"), at(42, "mprotect<", "0"))
AWAY = (at(42, "madvise>", "0x700000000000 0x2000 4"), at(49, "madvise<", "0"))


def test_a_flush_between_two_calls_of_one_microsecond_is_that_ones_which_owes_it(tmp_path: Path) -> None:
    between, later = at(42, "F", "2 0"), at(48, "F", "2 0")
    protect, dontneed = replayed(tmp_path, *START, *TO_NONE, AWAY[0], between, later, AWAY[1])
    assert (protect.measured, dontneed.measured) == (((2, False),), ((2, False),))
    assert protect.exact
    assert dontneed.exact
    earlier = at(40, "F", "2 0")
    protect, dontneed = replayed(tmp_path, *START, TO_NONE[0], earlier, TO_NONE[1], AWAY[0], between, AWAY[1])
    assert protect.exact
    assert dontneed.exact


def test_three_operations_of_one_microsecond_take_what_they_owe_in_order(tmp_path: Path) -> None:
    """mprotect flushes two pages, munmap of the other two both of them; all within one microsecond."""
    lines = [at(42, *line.split("\t")[3:]) for line in TO_NONE]
    unmap = (at(42, "munmap>", "0x700000002000 0x2000"), at(42, "munmap<", "0"))
    calls = replayed(tmp_path, *START, *lines, *unmap, at(42, "brk>", "0"), at(42, "F", "2 0"), at(42, "F", "2 0"))
    assert [(call.name, call.exact) for call in calls] == [("mprotect", True), ("munmap", True)]


def test_the_f_of_an_i_is_its_flush_wherever_it_stands(tmp_path: Path) -> None:
    other = (at(9, "new", "2 100"), "10\t1\t2\tpf\t700000003000 4")
    lines = (TO_NONE[0], at(41, "I", "2 0"), TO_NONE[1], AWAY[0], at(42, "F", "2 0"), at(47, "I", "2 0"))
    protect, dontneed = replayed(tmp_path, *START, *other, *lines, at(48, "F", "2 0"), AWAY[1])
    assert [(call.measured, call.asked) for call in (protect, dontneed)] == [(((2, False),), (1, 1))] * 2


def test_an_f_after_the_operation_is_not_the_i_s(tmp_path: Path) -> None:
    """The first flush traced no F: another one had done its work already. The second had nobody to ask."""
    other = (at(9, "new", "2 100"), "10\t1\t2\tpf\t700000003000 4")
    lines = (TO_NONE[0], at(41, "I", "2 0"), TO_NONE[1], at(43, "madvise>", "0x700000000000 0x2000 4"))
    protect, dontneed = replayed(tmp_path, *START, *other, *lines, at(48, "F", "2 0"), AWAY[1])
    assert (protect.measured, protect.asked[0]) == ((), 1)
    assert (dontneed.measured, dontneed.asked[0]) == (((2, False),), 0)


def test_a_locked_flush_is_no_call_s_that_owes_none_under_the_lock(tmp_path: Path) -> None:
    """A copy on write, and in the same microsecond munmap() begins: the locked flush is the fault's."""
    fork = (at(20, "F", "-1 0"), at(21, "new", "2 0"))
    lines = (at(30, "pf", "700000000000 7"), at(33, "munmap>", "0x700000001000 0x1000"))
    flushes = (at(33, "F", "1 1"), at(34, "F", "1 0"), at(35, "munmap<", "0"))
    _, copy, munmap = replayed(tmp_path, *START, *fork, *lines, *flushes)
    assert (copy.measured, munmap.measured) == (((1, True),), ((1, False),))


def test_fork_s_flush_may_stand_behind_the_child(tmp_path: Path) -> None:
    (fork,) = replayed(tmp_path, *START, at(21, "new", "2 0"), at(21, "F", "-1 0"))
    assert fork.exact


def test_every_flush_is_somebody_s_or_counted() -> None:
    """Of the project's recording: those of its lines are those of operations, of ftruncate(), and of nobody."""
    gaps = Gaps()
    taken = list(replay(RECORDING, {}, gaps))
    events = list(read_events(RECORDING))
    done = sum(event.code == "F" for event in events)
    sent = sum(event.code == "I" for event in events)
    assert sum(len(call.measured) for call in taken if call.name != "exit") + gaps.truncated + gaps.unowned == done
    assert sum(call.asked[0] for call in taken) == sent


def test_a_flush_of_a_call_that_failed_is_counted(tmp_path: Path) -> None:
    gaps = Gaps()
    lines = (*MAPPED, *WRITTEN, "mprotect> 0x700000000000 0x9000 0", "F 3 0", "mprotect< 0xfffffffffffffff4")
    assert list(replay(write(tmp_path / "r.gz", *lines), {}, gaps)) == []
    assert gaps.unowned == 1


def test_what_another_thread_flushes_meanwhile_makes_a_flush_everything_or_nothing(tmp_path: Path) -> None:
    """flush_tlb_func(): tlb_gen is not the next one, or has been reached already."""
    start = (*MAPPED, *WRITTEN, "new 2 100", "1 2 pf 700000000000 4")
    other = ("1 2 mprotect> 0x700000000000 0x1000 1", "1 2 I 1 0", "1 2 F 1 0", "1 2 mprotect< 0")
    for done, kind in (("-1", CONCURRENT), ("0", CONCURRENT), ("2", OTHER)):
        lines = ("munmap> 0x700000000000 0x3000", *other, "I 3 0", f"F {done} 0", "munmap< 0")
        *_, munmap = replay(write(tmp_path / "r.gz", *start, *lines), {})
        assert munmap.kind == kind
    alone = ("munmap> 0x700000000000 0x3000", "I 3 0", "F -1 0", "munmap< 0")
    *_, munmap = replay(write(tmp_path / "r.gz", *start, *alone), {})
    assert munmap.kind == OTHER


def test_answers_are_those_of_the_flush_before_them(tmp_path: Path) -> None:
    lines = ("munmap> 0x700000000000 0x1000", "I -1 0", "F 1 0", "1 1 R wrong", "munmap< 0", "1 1 R lazy")
    events = list(read_events(write(tmp_path / "r.gz", *MAPPED, *lines)))
    (flushes,) = attribute(events).flushes.values()
    assert [flush.answers for flush in flushes] == [[(1, "wrong"), (1, "lazy")]]
