"""The warden: a process between this one and the children, which starts a child, watches it, and ends it.

A warden is a fresh interpreter that imports the suite and then runs nobody's code: whatever runs a plugin is a child
forked from it, one at a time.  It serves one guest (one row with a third party's plugin), or all shipped rows; of these
it may be a fork of the command's process instead (core.run.forked).  So what
a child does to itself is gone with it; what it leaves behind is a descendant of the warden.

How a child ends.  As soon as it has answered, died, taken too long or started too many processes, it is killed, its
process group with it, and for a guest everything else that descends from the warden.  In a PID namespace the warden is
the first process, cannot be killed from inside, and kill(-1) reaches all at once; elsewhere the warden adopts orphans
and looks them up in /proc until there are none.  Nobody waits for threads, atexit or __del__, and a child that is
stopped, or does not listen to signals, is killed like any other.  If the warden ends, the kernel ends the child; if the
process that started the warden ends, the warden sees its connection closed and ends.

What is said.  Over its standard input, a socket, the warden is sent for each batch of jobs a header and the jobs
(pickled: they come from the process that trusts itself), and sends back messages that begin with a letter of `Message`.
Answers are lines of text that the child writes into a pipe: the warden counts lines and reads none.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import NamedTuple, NoReturn

from core.run import INTERRUPTED, contain
from core.run.child import work
from core.run.descendants import Census, memory_of

READY, ANSWER, OUTPUT, END = b"R", b"A", b"O", b"E"
"""What a message to the process that started the warden begins with: how children are contained; a line with an answer;
what the child has printed; why no more answers come, '' if all have come."""

INTERRUPT = b"interrupt"
"""The only thing that the warden may be told while a child runs."""

LONGEST_ANSWER = 64 << 20
"""Bytes of one answer."""

MOST_OUTPUT = 64 << 10
"""Bytes of output of one child that are shown."""

LOOK_EVERY = 0.05
"""Seconds from one look at a guest's processes to the next."""

AFTER_INTERRUPT = 5.0
"""Seconds in which an interrupted child must say how far it came."""


class BatchHeader(NamedTuple):
    """The header of a batch: how many jobs, seconds for each (None: no limit), bytes of address space for each."""

    jobs: int
    timeout: float | None
    memory: int


class Running(NamedTuple):
    """A child: its process id, a descriptor that becomes readable when it ends (-1: none), and its pipes."""

    pid: int
    ended: int
    answers: int
    output: int


class Warden:
    """Serves requests from `control`. Children run foreign code if they are contained `by` something."""

    def __init__(self, control: Connection, by: contain.Containment | None) -> None:
        self.control, self.by = control, by
        self.census = Census()

    @property
    def guest(self) -> bool:
        """Do children run foreign code?"""
        return self.by is not None

    def serve(self) -> None:
        """Serve until the connection is closed."""
        with suppress(EOFError, OSError):
            self.control.send_bytes(READY + ("" if self.by is None else str(self.by)).encode())
            while True:
                header = self.control.recv_bytes()
                if header == INTERRUPT:  # too late: the batch has just ended
                    continue
                request, jobs = BatchHeader(*json.loads(header)), self.control.recv_bytes()
                self._batch(request, jobs)

    def _batch(self, request: BatchHeader, jobs: bytes) -> None:
        child = self._start(request, jobs)
        watch = Watch(self, child, request)
        try:
            reason = watch.until_end()
        finally:
            self._end(child)
        watch.pass_on_last_line()
        self.control.send_bytes(END + reason.encode())

    def _start(self, request: BatchHeader, jobs: bytes) -> Running:
        answers, written = os.pipe()
        output, printed = os.pipe() if self.guest else (-1, -1)
        warden = os.getpid()
        pid = os.fork()
        if pid == 0:
            for own in (answers, output, self.control.fileno()):
                with suppress(OSError):
                    os.close(own)
            contain.die_with_parent(warden)
            work(jobs, written, printed, request.memory, self.by)
        for its in (written, printed):
            if its >= 0:
                os.close(its)
        return Running(pid, _descriptor_of(pid), answers, output)

    def _end(self, child: Running) -> None:
        """Kill what is left of the child and of everything that it has started."""
        with suppress(ProcessLookupError, PermissionError):  # it may not have made its group yet, or have left it
            os.killpg(child.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        if self.guest:
            self._sweep()
        with suppress(ChildProcessError):
            os.waitpid(child.pid, 0)
        for descriptor in (child.ended, child.answers, child.output):
            if descriptor >= 0:
                os.close(descriptor)

    def _sweep(self) -> None:
        alone = self.by is not None and self.by.namespace
        while True:
            if alone:
                with suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            else:
                for pid in self.census.look():
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
            try:
                while os.waitpid(-1, 0 if alone else os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                self.census.forget()
                return
            time.sleep(0.001)


class Watch:
    """Watches one child until it need not go on."""

    def __init__(self, warden: Warden, child: Running, request: BatchHeader) -> None:
        self.warden, self.child, self.request = warden, child, request
        self.missing = request.jobs
        self.text = bytearray()
        self.printed = 0
        self.unfinished = b""
        self.deadline = self._deadline(request.timeout)
        self.timed_out = f"timed out after {request.timeout:g} s" if request.timeout is not None else ""
        self.next_look = time.monotonic()

    def until_end(self) -> str:
        """Pass on what the child says. Returns why not all of its answers have come, or ''."""
        ways = [self.warden.control.fileno(), self.child.answers]
        ways += [way for way in (self.child.ended, self.child.output) if way >= 0]
        while self.missing:
            ready = select.select(ways, [], [], self._patience())[0]
            if self.warden.control.fileno() in ready:
                self._told()
            if self.child.output in ready and not self._passes_on_output():
                ways.remove(self.child.output)
            if self.child.answers in ready and not self._passes_on_answers():
                ways.remove(self.child.answers)
            if len(self.text) > LONGEST_ANSWER:
                return f"its answer is longer than {LONGEST_ANSWER} bytes"
            reason = self._must_end()
            if reason:
                return reason
        while self.child.output in ways and select.select([self.child.output], [], [], 0)[0]:
            if not self._passes_on_output():
                break
        return ""

    def _deadline(self, seconds: float | None) -> float | None:
        return None if seconds is None else time.monotonic() + seconds

    def _patience(self) -> float | None:
        """Seconds to wait for news."""
        times = [] if self.deadline is None else [max(0.0, self.deadline - time.monotonic())]
        if self.warden.guest or self.child.ended < 0:
            times.append(LOOK_EVERY)
        return min(times) if times else None

    def _told(self) -> None:
        if self.warden.control.recv_bytes() == INTERRUPT:  # EOFError: nobody is there any more
            with suppress(ProcessLookupError):
                os.kill(self.child.pid, signal.SIGUSR1)
            soon = time.monotonic() + AFTER_INTERRUPT
            self.deadline = soon if self.deadline is None else min(self.deadline, soon)
            self.timed_out = INTERRUPTED

    def _passes_on_output(self) -> bool:
        """In whole lines, since those of other children go to the same terminal. False at the end of the pipe."""
        told = os.read(self.child.output, 1 << 16)
        shown = told[: max(0, MOST_OUTPUT - self.printed)]
        self.printed += len(told)
        lines, newline, self.unfinished = (self.unfinished + shown).rpartition(b"\n")
        if newline:
            self.warden.control.send_bytes(OUTPUT + lines + newline)
        return bool(told)

    def pass_on_last_line(self) -> None:
        """What the child printed without a newline behind it, once no more comes."""
        if self.unfinished:
            self.warden.control.send_bytes(OUTPUT + self.unfinished + b"\n")

    def _passes_on_answers(self) -> bool:
        """False at the end of the pipe."""
        told = os.read(self.child.answers, 1 << 20)
        self.text += told
        while self.missing and (end := self.text.find(b"\n")) >= 0:
            self.warden.control.send_bytes(ANSWER + bytes(self.text[:end]))
            del self.text[: end + 1]
            self.missing -= 1
            if self.timed_out != INTERRUPTED:
                self.deadline = self._deadline(self.request.timeout)
        return bool(told)

    def _must_end(self) -> str:
        """Why the child must not go on, although answers are missing; '' if it may."""
        if not self.missing:
            return ""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return self.timed_out
        with suppress(ChildProcessError):
            pid, status = os.waitpid(self.child.pid, os.WNOHANG)
            if pid and not self._answered_at_last():
                return f"its process died with exit status {os.waitstatus_to_exitcode(status)}"
        return self._too_many() if self.warden.guest else ""

    def _answered_at_last(self) -> bool:
        """Read what the child wrote before it ended; have all answers come?"""
        while self.missing and select.select([self.child.answers], [], [], 0)[0]:
            if not self._passes_on_answers():
                break
        return not self.missing

    def _too_many(self) -> str:
        """Does a guest use more than it may?  The rlimits count each process for itself, and root's not at all."""
        if time.monotonic() < self.next_look:
            return ""
        self.next_look = time.monotonic() + LOOK_EVERY
        there = self.warden.census.look()
        if len(there) > contain.PROCESSES:
            return f"started more than {contain.PROCESSES} processes"
        if len(there) > 1 and memory_of(there) > self.request.memory:
            return "ran out of memory, with the processes that it started"
        return ""


def _descriptor_of(pid: int) -> int:
    """A descriptor that becomes readable when the process ends; -1 where there is none."""
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
    except OSError:
        return -1


def main(arguments: list[str]) -> NoReturn:
    """Serve on standard input.

    The arguments are, in JSON, for a guest what it must not write and the directory in that which it may, else an empty
    object; and the modules to import before the first child.
    """
    guest, *modules = json.loads(arguments[0]), *arguments[1:]
    control = Connection(os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started the warden decides
    by = _contained(control, guest["protected"], guest["own"]) if guest else None
    for module in modules:
        import_module(module)
    Warden(control, by).serve()
    os._exit(0)


def _contained(control: Connection, protected: list[str], own: str) -> contain.Containment:
    """Enter what contains the children of this process; it may go on as another one."""
    namespace = contain.own_namespaces()
    read_only = namespace and contain.read_only(protected, own)
    namespace = namespace and _first_of_namespace(control)
    if not namespace:
        contain.adopt_orphans()
    return contain.found(namespace, read_only, protected, own)


def _first_of_namespace(control: Connection) -> bool:
    """Go on as the first process of the new PID namespace; the one that called waits for it.  False: there is none."""
    try:
        pid = os.fork()
    except OSError:  # a limit on the depth or number of namespaces
        return False
    if pid:
        control.close()
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)
    contain.die_with_parent(0)  # from inside, the parent has no number
    return True
