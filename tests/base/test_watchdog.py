"""The limit on the time that something takes in this process."""

from __future__ import annotations

import signal
import threading

import pytest

from core.base.watchdog import TooLate, clock_stopped, watchdog


class Late(TooLate):
    """One that a caller may tell from others."""


def test_what_takes_too_long_is_given_up_with_the_message_and_the_error_asked_for() -> None:
    with pytest.raises(Late, match="too slow"), watchdog("too slow", 0.01, Late):
        signal.pause()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_the_outer_of_two_counts_and_what_was_there_before_is_there_again() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TooLate, match="outer"), watchdog("outer", 0.01), watchdog("inner", 0.001):
        signal.pause()
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_thread_that_cannot_have_an_alarm_goes_on_without_one() -> None:
    ended: list[bool] = []

    def body() -> None:
        with watchdog("never", 0.001), clock_stopped():
            ended.append(signal.getitimer(signal.ITIMER_REAL)[0] == 0)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert ended == [True]


def test_a_stopped_clock_goes_on_where_it_stood() -> None:
    with watchdog("late", 1000.0):
        with clock_stopped():
            assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000.0
