"""Signals that end a run: Ctrl-C, SIGTERM and SIGHUP all raise KeyboardInterrupt, once.

The first interrupts the work, so that what has been found is reported.  From then on, and while reports are written, a
signal is only noted: a second one must not lose what the first one wanted to be saved.  That takes a bounded time
(core.run.warden.AFTER_INTERRUPT), and SIGKILL is left.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

_deaf = threading.Event()


@contextmanager
def ending_signals() -> Iterator[None]:
    """Context in which the signals raise KeyboardInterrupt; one that is ignored (nohup) stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _deaf.clear()
    before = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _raise)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def hold() -> None:
    """From now on the signals interrupt nothing: what has been found is being saved."""
    _deaf.set()


def _raise(number: int, frame: object) -> None:
    if not _deaf.is_set():
        _deaf.set()
        raise KeyboardInterrupt
