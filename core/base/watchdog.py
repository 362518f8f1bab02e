"""A limit on the time that something takes in this process: by SIGALRM, which interrupts whatever runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class TooLate(Exception):
    """Something took longer than it may."""


@contextmanager
def watchdog(message: str, seconds: float, error: type[TooLate] = TooLate) -> Iterator[None]:
    """Raise `error` with `message` if the body takes longer than `seconds`.

    No effect outside the main thread, where SIGALRM cannot be handled, or inside another watchdog.
    """

    def give_up(signum: int, frame: object) -> None:
        raise error(message)

    if not alarm_is_free():
        yield
        return
    with alarms(give_up, seconds):
        yield


def alarm_is_free() -> bool:
    """Can this thread set an alarm, and is none set?"""
    return threading.current_thread() is threading.main_thread() and not signal.getitimer(signal.ITIMER_REAL)[0]


@contextmanager
def clock_stopped() -> Iterator[None]:
    """The body's time is not the program's that runs: the body has a limit of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        if left:
            signal.setitimer(signal.ITIMER_REAL, left, interval)


@contextmanager
def alarms(handle: Callable[[int, object], None], seconds: float, again: bool = False) -> Iterator[None]:
    """Call `handle` after `seconds` in the body, and every so many seconds if `again`."""
    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds if again else 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
