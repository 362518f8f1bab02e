"""The processes that descend from this one, as /proc shows them.

A process that has been seen stays a descendant whoever its parent becomes, so the census is kept from one look to the
next.  That also makes a look cheap: only the processes that are new since the last one are read.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Census:
    """Who descends from this process; their ids are those that /proc shows."""

    def __init__(self) -> None:
        self._ours: set[int] = set()
        self._others: set[int] = set()

    def look(self) -> set[int]:
        """The descendants that exist now, without this process; empty where there is no /proc."""
        there, me = _processes(), _myself()
        self._ours &= there
        self._others &= there
        parents = {pid: _parent(pid) for pid in there - self._ours - self._others - {me}}
        for pid in sorted(parents):
            line = [pid]
            while line[-1] in parents:
                line.append(parents[line[-1]])
            (self._ours if line[-1] == me or line[-1] in self._ours else self._others).update(line[:-1])
        return set(self._ours)

    def forget(self) -> None:
        """Forget which processes were found to be descendants, and which not."""
        self._ours.clear()
        self._others.clear()


def memory_of(pids: set[int]) -> int:
    """Bytes that these processes have resident, what they share counted for each."""
    return sum(_resident(pid) for pid in pids)


def _processes() -> set[int]:
    try:
        return {int(name) for name in os.listdir(PROC) if name.isdigit()}
    except OSError:
        return set()


def _myself() -> int:
    """The id of this process as /proc shows it, which in a PID namespace is not what getpid() says."""
    try:
        return int(os.readlink(PROC / "self"))
    except (OSError, ValueError):
        return os.getpid()


def _parent(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        # the name of the program, in brackets, may contain anything
        return int((PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[1])
    return 0


def _resident(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int((PROC / str(pid) / "statm").read_bytes().split()[1]) * PAGE
    return 0
