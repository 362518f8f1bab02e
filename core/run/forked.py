"""A warden that is a fork of this process and no interpreter of its own: for shipped code, in the command's process.

A fresh interpreter imports the suite once more, which takes as long as a small search.  The command line's own process
has it in memory, and has never run code of a third party (core.table.row): a fork of it is as good, as long as it keeps
nothing of the command: no open file (a socket of another warden would keep that alive, an idle core would stay taken),
no handler of a signal, no stream that is wrapped.  And as long as no other thread runs, which may hold a lock for ever.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NoReturn

from core.run.before import is_the_commands_own

DESCRIPTORS = 1 << 20
"""More than a process has open."""


class Fork:
    """A child process, with what of subprocess.Popen the keeper of a warden needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = False

    def kill(self) -> None:
        """End it, whatever it does."""
        if not self._ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Wait until it has ended."""
        if not self._ended:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self._ended = True


def can_fork() -> bool:
    """Is this the command line's own process, with no thread but this one?"""
    return is_the_commands_own() and threading.active_count() == 1 and hasattr(os, "fork")


def fork(serve: Callable[[], object], stdin: int, environment: Mapping[str, str]) -> Fork:
    """A child that calls `serve` in a session of its own, with `stdin` as standard input. OSError if none starts."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()  # or else the child has the text too
    pid = os.fork()
    if pid == 0:
        _be_warden(serve, stdin, environment)
    return Fork(pid)


def _be_warden(serve: Callable[[], object], stdin: int, environment: Mapping[str, str]) -> NoReturn:
    try:
        os.setsid()
        os.dup2(stdin, 0)
        os.closerange(3, DESCRIPTORS)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if callable(signal.getsignal(number)):  # one that is ignored stays so
                signal.signal(number, signal.SIG_DFL)
        assert sys.__stdout__ is not None
        assert sys.__stderr__ is not None
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        os.environ.clear()
        os.environ.update(environment)
        serve()
    finally:
        os._exit(1)
