"""A job in a process of its own, so that whatever a plugin does there fails that job only.

A plugin may raise, hang, use up memory, print, kill its process, start others, or try to change what other jobs answer.
So a child runs jobs of one guest only (a third party's plugin, or scenario), or of shipped rows only; it is forked from
a warden (core.run.warden), which is a fresh interpreter for each guest and ends whatever the guest started; it is
limited in time and memory; and what it answers is data in a closed format (core.base.plain), checked against the job.

A warden is kept for the next jobs of the same guest, so that a job costs a fork, and not an interpreter.  Those of
shipped rows are forks of the command's own process, where they can be (core.run.forked).
"""

from __future__ import annotations

import atexit
import json
import os
import pickle
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from core.base import plain
from core.base.caches import OWN
from core.base.errortext import short
from core.base.printable import printable
from core.run import CELL_MEMORY, CELL_TIMEOUT, INTERRUPTED
from core.run.before import preload, preloaded, protect, protect_code, protected
from core.run.child import Job, answer, interrupted_here, kind_of
from core.run.forked import Fork, can_fork, fork
from core.run.trusted import ROOT, cache_of, outermost, trusted, without_user_site
from core.run.warden import AFTER_INTERRUPT, ANSWER, END, INTERRUPT, OUTPUT, READY, BatchHeader
from core.run.warden import main as serve

if TYPE_CHECKING:
    import subprocess

__all__ = [
    "CELL_MEMORY",
    "CELL_TIMEOUT",
    "INTERRUPTED",
    "Job",
    "answer",
    "begin",
    "interrupt",
    "interrupted",
    "isolated",
    "isolated_batch",
    "kind_of",
    "preload",
    "protect",
    "protect_code",
]

STARTING_TIMEOUT = 120.0
"""Seconds in which an interpreter has started and imported the suite, on a machine with a lot to do."""

WARDEN_LATE = 5.0
"""Seconds after a job's timeout in which the warden must have said so; then it is taken for dead."""

MOST_IDLE_GUESTS = 4
"""Wardens of guests that are kept for later jobs; each is an interpreter with the suite in memory."""

BOOT = (
    "import json, sys; first, last = json.loads(sys.argv.pop(1)); sys.path[:0] = first; "
    "sys.path += [p for p in last if p not in sys.path]; from core.run.warden import main; main(sys.argv[1:])"
)


class WardenLost(Exception):
    """The warden has ended, or does not answer."""


class Custody:
    """A warden that was started by this process, and the connection to it."""

    def __init__(self, guest: str, forked: bool = False) -> None:
        self.guest = guest
        self.how: str | None = None
        self._lock = threading.Lock()  # an interrupt comes from another thread
        self.alive = True
        ours, its = socket.socketpair()
        with its:
            path, self.cache = json.dumps(module_path()), cache_of(guest) if guest else ""
            of = json.dumps({"protected": outermost([*trusted(), *protected]), "own": self.cache} if guest else {})
            flags = ["-P", "-s"] if without_user_site() else ["-P"]
            command = [sys.executable, *flags, "-c", BOOT, path, of, *preloaded]
            own = {OWN: self.cache} if self.cache else {}
            its_own = environment() | own
            self.process: subprocess.Popen[bytes] | Fork
            if forked:
                self.process = fork(partial(serve, [of, *preloaded]), its.fileno(), its_own)
            else:
                import subprocess

                self.process = subprocess.Popen(command, stdin=its.fileno(), env=its_own, start_new_session=True)
        self.control = Connection(ours.detach())

    def said(self, timeout: float | None) -> bytes:
        """The next message. WardenLost if none comes in time."""
        try:
            if self.control.poll(timeout):
                return self.control.recv_bytes()
        except (EOFError, OSError):
            pass
        raise WardenLost

    def tell(self, *messages: bytes) -> None:
        """Send messages without any other between them. WardenLost if it is gone."""
        try:
            with self._lock:
                for message in messages:
                    self.control.send_bytes(message)
        except OSError:
            raise WardenLost from None

    def close(self) -> None:
        """End the warden, which ends its child."""
        self.alive = False
        with suppress(OSError):
            self.control.close()
        self.process.kill()
        self.process.wait()
        if self.cache:
            with suppress(OSError):  # something has been kept there
                os.rmdir(self.cache)


def module_path() -> tuple[list[str], list[str]]:
    """What a child looks for modules in: before and after Python's own directories.

    The current directory is left out, although `python -m` and pytest put it on sys.path: nobody has named a random.py
    that lies there.  What else is on this process's path comes last, so that it shadows nothing.
    """
    here = os.getcwd()
    return [str(ROOT)], [entry for entry in sys.path if os.path.isabs(entry) and os.path.realpath(entry) != here]


def environment() -> dict[str, str]:
    """The environment of a warden: ours, but PYTHONPATH without what is relative to the current directory."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = os.pathsep.join(entry for entry in given if os.path.isabs(entry))
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | ({"PYTHONPATH": path} if path else {})


def isolated(job: Job, timeout: float | None = CELL_TIMEOUT, memory: int = CELL_MEMORY) -> Any:
    """Run `job` in a child process; `job.failed(reason)` if the child hangs, dies or runs out of memory."""
    return isolated_batch((job,), timeout, memory)[0]


def isolated_batch(jobs: Sequence[Job], timeout: float | None = CELL_TIMEOUT, memory: int = CELL_MEMORY) -> list[Any]:
    """The results of `jobs`, which are all of one guest, or all of none, from as few child processes as possible.

    A job that its child does not survive fails; if others ran before it in the same child, it is first tried in one of
    its own.  The others go on in a new child.
    """
    found: list[Any] = []
    while len(found) < len(jobs):
        rest = tuple(jobs[len(found) :])
        answers, reason = _from_child(rest, timeout, memory)
        found += answers
        if reason == INTERRUPTED:
            return found + [job.failed(INTERRUPTED) for job in jobs[len(found) :]]
        if reason and answers and not reason.startswith("timed out"):
            found += isolated_batch(rest[len(answers) : len(answers) + 1], timeout, memory)
        elif reason:
            found.append(rest[len(answers)].failed(reason))
    return found


def _from_child(jobs: tuple[Job, ...], timeout: float | None, memory: int) -> tuple[list[Any], str]:
    """The answers from one child, and why there are no more of them, or ''."""
    if interrupted():
        return [], INTERRUPTED
    guest = jobs[0].guest
    try:
        custody = _take(guest)
    except OSError as error:
        return [], f"no process could be started: {error}"
    answers: list[Any] = []
    try:
        reason = _conversation(custody, jobs, answers, timeout, memory)
    except WardenLost:
        reason = "its process died, or does not answer, and the process that watched it too"
    except BaseException:
        _busy.discard(custody)
        custody.close()
        raise
    _give_back(custody, broken=reason.startswith("its process died, or"))
    return answers, INTERRUPTED if reason and interrupted() else reason


def _conversation(
    custody: Custody, jobs: tuple[Job, ...], answers: list[Any], timeout: float | None, memory: int
) -> str:
    """Let the warden run `jobs`, collect `answers`. Returns why there are no more. WardenLost."""
    if custody.how is None:
        custody.how = custody.said(STARTING_TIMEOUT).removeprefix(READY).decode("ascii", "replace")
        _ways.add((bool(custody.guest), custody.how))
    request = BatchHeader(len(jobs), timeout, memory)
    custody.tell(json.dumps(request).encode(), pickle.dumps(jobs))
    if interrupted():  # it was too early to be told
        custody.tell(INTERRUPT)
    while True:
        patience = AFTER_INTERRUPT if interrupted() else timeout
        message = custody.said(None if patience is None else patience + WARDEN_LATE)
        kind, said = message[:1], message[1:]
        if kind == END:
            return said.decode("utf-8", "replace")
        if kind == OUTPUT:
            _show(said)
        elif kind == ANSWER and len(answers) < len(jobs):
            answers.append(_read(jobs[len(answers)], said))


def _read(job: Job, line: bytes) -> Any:
    """The answer that a line says, if it can be one of `job`'s."""
    try:
        found = plain.load(kind_of(type(job)), line)
    except plain.PlainError as error:
        return job.failed(f"its answer is none: {short(str(error))}")
    wrong = getattr(job, "wrong", None)
    problem = wrong(found) if wrong is not None else ""
    return job.failed(f"its answer is none: {problem}") if problem else found


def _show(said: bytes) -> None:
    """What a guest has printed, on stderr, without anything that a terminal would obey."""
    text = said.decode("utf-8", "replace").split("\n")
    with suppress(OSError, ValueError):
        sys.stderr.write("\n".join(map(printable, text)))
        sys.stderr.flush()


# ---- the wardens of this process -----------------------------------------------------------------------------

_idle: list[Custody] = []
"""Wardens without a child, least recently used first."""

_busy: set[Custody] = set()
_lock = threading.Lock()

_ways: set[tuple[bool, str]] = set()
"""How the wardens of this process contain children, with whether they are guests."""


def containment() -> str:
    """How guests were contained since this process started, in words; '' if there were none."""
    return "; ".join(sorted(how for guest, how in _ways if guest))


def _take(guest: str) -> Custody:
    with _lock:
        for custody in _idle:
            if custody.guest == guest:
                _idle.remove(custody)
                _busy.add(custody)
                return custody
    custody = Custody(guest)
    with _lock:
        _busy.add(custody)
    return custody


def fork_wardens(number: int) -> None:
    """Start so many wardens of shipped code as forks of this process, if it is the command's and has no threads yet.

    Where it cannot be, or a process cannot be started, a job starts a warden when it needs one.
    """
    with suppress(OSError):
        while can_fork() and len(_idle) < number:
            _idle.append(Custody("", forked=True))


def _give_back(custody: Custody, broken: bool) -> None:
    with _lock:
        _busy.discard(custody)
        if not broken:
            _idle.append(custody)
        guests = [one for one in _idle if one.guest]
        surplus = guests[: max(0, len(guests) - MOST_IDLE_GUESTS)]
        for one in surplus:
            _idle.remove(one)
    for one in [*surplus, *([custody] if broken else [])]:
        one.close()


def close() -> None:
    """End all wardens of this process; the next job starts new ones."""
    with _lock:
        there = [*_idle, *_busy]
        _idle.clear()
        _busy.clear()
    for custody in there:
        custody.close()


def _forget() -> None:
    """In a fork of this process: the wardens are the parent's."""
    _idle.clear()
    _busy.clear()


atexit.register(close)
os.register_at_fork(after_in_child=_forget)


# ---- interrupts ----------------------------------------------------------------------------------------------


def interrupted() -> bool:
    """Has the run been interrupted?  Answers for the calling process."""
    return interrupted_here.is_set()


def begin() -> None:
    """Forget that an earlier run was interrupted."""
    interrupted_here.clear()


def interrupt() -> None:
    """Interrupt all children: each returns what it has found so far."""
    interrupted_here.set()
    with _lock:
        there = list(_busy)
    for custody in there:
        with suppress(WardenLost):
            custody.tell(INTERRUPT)
