"""Threads under one mmap_lock: the stretches against a clock that ticks, and against what can be worked out by hand."""

from __future__ import annotations

import pytest

from core.truth.published.convoy import Convoy, Flushes, fault_time
from core.truth.published.page_fault3 import measured_by_profile, page_fault3_regression, pages_per_flush
from core.truth.published.x86 import invlpgb

FREE = Flushes(every=8, here=0, sender=0, taker=0)
DEAR = Flushes(every=8, here=400, sender=400, taker=500)


def ticking(
    threads: int, pages: int, fault: float, zap: float, flushes: Flushes, ticks: int, tick: float
) -> tuple[float, float]:
    """The same threads by the clock: pages a second, CPUs asked per flush."""
    left = [pages * (thread + 1) / threads for thread in range(threads)]
    state = ["faulting"] * threads
    queue: list[int] = []
    entries = unmapped = asked = 0.0
    for _ in range(ticks):
        unmapping = [thread for thread in range(threads) if state[thread] == "unmapping"]
        if not unmapping and queue:
            unmapping = [queue.pop(0)]
            state[unmapping[0]], entries = "unmapping", float(pages)
        awake = [thread for thread in range(threads) if state[thread] == "faulting" and not queue]
        lost = 0.0
        if unmapping:
            per_page = zap + (flushes.here + len(awake) * flushes.sender) / flushes.every
            done = min(entries, tick / per_page)
            entries, unmapped = entries - done, unmapped + done
            asked += len(awake) * done / flushes.every
            lost = done / flushes.every * flushes.taker
            if entries <= 0:
                state[unmapping[0]], left[unmapping[0]] = "faulting", float(pages)
        for thread in awake:
            left[thread] -= max(0.0, tick - lost) / fault
            if left[thread] <= 0:
                state[thread] = "waiting"
                queue.append(thread)
    return 1e9 * unmapped / (ticks * tick), asked * flushes.every / unmapped


@pytest.mark.parametrize("zap", [20, 85, 600])
@pytest.mark.parametrize("threads", [1, 2, 5, 16])
def test_stretches_are_what_a_clock_says(threads, zap) -> None:
    by_clock, asked = ticking(threads, 512, 2900, zap, DEAR, 60_000, 1500)
    found = Convoy(threads, 512, 2900, zap, DEAR).run(40)
    assert found.rate == pytest.approx(by_clock, rel=0.03)
    assert found.asked == pytest.approx(asked, rel=0.06, abs=0.05)


def test_one_thread_does_one_thing_after_another() -> None:
    found = Convoy(1, 512, 2900, 85, DEAR).run(10)
    assert found.rate == pytest.approx(1e9 / (2900 + 85 + 400 / 8), rel=0.01)
    assert found.asked == 0


def test_unmapping_that_costs_nothing_holds_up_nobody() -> None:
    assert Convoy(16, 512, 2900, 1e-6, FREE).run(10).rate == pytest.approx(16e9 / 2900, rel=0.01)


def test_one_unmaps_at_a_time() -> None:
    """However many threads: no more than one munmap() gets done, and a second that waits stops the faults."""
    assert Convoy(64, 512, 10, 100, FREE).run(10).rate <= 1e9 / 100


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 5, 8, 16])
def test_the_pace_is_the_threads_or_that_of_munmap(threads) -> None:
    """The bounds of a closed queue with one server, which threads that are all alike reach."""
    found = Convoy(threads, 512, 300, 100, FREE).run(40).rate
    assert found == pytest.approx(min(threads * 1e9 / (300 + 100), 1e9 / 100), rel=0.01)


def test_interrupts_stop_where_threads_sleep() -> None:
    """A munmap() that is slow enough keeps nearly all asleep, so its flushes ask few of the 15 other CPUs."""
    rare, often = (Convoy(16, 4096, 2900, 85, Flushes(every, 400, 400, 500)).run(20) for every in (512, 8))
    assert rare.asked > 10
    assert often.asked < 5


def test_the_time_of_a_fault_gives_the_rate_it_is_from() -> None:
    before = Flushes(512, *[400.0, 400.0, 500.0])
    fault, zap = fault_time(16, 4096, 5e6, 0.028, before)
    assert Convoy(16, 4096, fault, zap, before).run(20).rate == pytest.approx(5e6, rel=0.001)
    assert before.unmapping(zap, 15) / (fault + before.unmapping(zap, 15)) == pytest.approx(0.028, rel=0.01)


def test_the_regression_is_one_and_the_repair_repairs_it() -> None:
    found = list(page_fault3_regression())
    left = [e for e in found if e.name.startswith("5df397dec7c4: page_fault3")]
    assert len(left) == 3
    for e in left:
        assert e.predicted[1] < 70
        assert "every 8 pages, not every 512" in e.what
    (repaired,) = (e for e in found if "c47454823bd4" in e.name)
    assert repaired.predicted == pytest.approx((100, 100))
    assert pages_per_flush() == {"6.1": 512, "5df397dec7": 8, "6.2-fix": 512}


def test_a_flush_that_costs_nothing_regresses_nothing() -> None:
    """The loss comes from the flushes alone: the same threads with free ones are as fast every 8 pages as every 512."""
    rare, often = (Convoy(16, 4096, 2900, 85, Flushes(every, 0, 0, 0)).run(20) for every in (512, 8))
    assert rare.rate == pytest.approx(often.rate)


def test_a_shootdown_by_profile_is_not_the_number_it_is_set_against() -> None:
    low, high = measured_by_profile()
    assert 1000 < low < high < 10_000
    (shootdown,) = (e for e in invlpgb() if e.name == "IPIs to 16 cores")
    assert shootdown.predicted == (low, high)
