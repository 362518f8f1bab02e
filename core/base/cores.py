"""The cores of a run that are idle: what a long search may use besides those that it was given.

A core is a file, and who uses it holds its lock (flock(2)).  The kernel lets go of a lock when its process ends,
however that ends, so nothing has to be counted or given back.  The run holds the cores of all jobs that are at work or
can begin, and lets go of them as fewer jobs are left: no search takes a core that another cell is about to need.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows: no core is ever idle there
    fcntl = None  # type: ignore[assignment]


def usable() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class IdleCores:
    """Where a search finds the cores of its run, `number` of them, which may be in use."""

    place: str
    number: int

    def take(self, most: int) -> list[int]:
        """Take at most so many idle cores: open files, to be closed when they are not needed any more."""
        taken = list[int]()
        for core in range(self.number):
            if len(taken) == most:
                break
            held = _held(Path(self.place) / str(core))
            if held is not None:
                taken.append(held)
        return taken


class CoresOfRun:
    """The cores of a run in which at most `at_once` jobs are at work at once, `each` of them with so many cores."""

    def __init__(self, number: int, at_once: int, each: int) -> None:
        from tempfile import TemporaryDirectory  # takes milliseconds to import

        self._at_once, self._each = at_once, each
        self._place = TemporaryDirectory(prefix="shootdown-cores-")
        self.idle = IdleCores(self._place.name, number)
        for core in range(number):
            (Path(self._place.name) / str(core)).touch()
        self._held = self.idle.take(number)
        self._left, self._lock = 0, threading.Lock()

    def begin(self, tasks: int) -> None:
        """`tasks` are left to be done; each job that is at work does one after another."""
        with self._lock:
            self._left = tasks
            self._let_go()

    def done(self) -> None:
        """One task is done."""
        with self._lock:
            self._left -= 1
            self._let_go()

    def close(self) -> None:
        """The run has ended."""
        with self._lock:
            self._left = 0
            self._let_go()
        self._place.cleanup()

    def _let_go(self) -> None:
        while len(self._held) > self._each * min(self._left, self._at_once):
            os.close(self._held.pop())


def cores_of_run(number: int, at_once: int, each: int) -> CoresOfRun | None:
    """The cores of a run; None where no temporary files can be made: then no core is known to be idle."""
    try:
        return CoresOfRun(number, at_once, each)
    except OSError:
        return None


def _held(core: Path) -> int | None:
    """The open file of a core that was idle; None if it is not, or there is none."""
    try:
        file = os.open(core, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (OSError, AttributeError):
        os.close(file)
        return None
    return file
