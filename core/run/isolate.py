"""A job in a process of its own, so that whatever a plugin does there fails that job only.

A plugin may raise, hang, use up memory, print, or kill its process.  So the child has a time limit and a memory limit,
and what it prints goes to stderr, because stdout is for results.  Children are forked from a server that has already
imported the suite, so starting one takes milliseconds.  A daemonic process (a worker of a Dask cluster) may not start
children with multiprocessing; there a job is run by a command.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Protocol

from core.base.errortext import describe

CELL_TIMEOUT = 300.0
"""Seconds that one job may take."""

CELL_MEMORY = 8 << 30
"""Bytes of address space that one job may use, if the machine has that much."""

INTERRUPTED = "interrupted"


class Job(Protocol):
    """What can be run in a child process; both methods return the same kind of result."""

    def run(self) -> Any:
        """Do the job, in any process, and return its result."""

    def failed(self, reason: str) -> Any:
        """The result if the job raised, hung or its process died."""


def isolated(job: Job, timeout: float | None = CELL_TIMEOUT, memory: int = CELL_MEMORY) -> Any:
    """Run `job` in a child process; `job.failed(reason)` if the child hangs, dies or runs out of memory."""
    if interrupted():
        return job.failed(INTERRUPTED)
    if multiprocessing.current_process().daemon:
        return _as_command(job, timeout, memory)
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(sender, job, memory), daemon=True)
    child.start()
    sender.close()
    _children.add(child.pid)
    try:
        if not receiver.poll(timeout):
            child.kill()
            return job.failed(f"timed out after {timeout:g} s")
        return receiver.recv()
    except EOFError:
        child.join()
        died = f"its process died with exit status {child.exitcode}"
        return job.failed(INTERRUPTED if interrupted() else died)
    except BaseException:
        child.kill()
        raise
    finally:
        _children.discard(child.pid)
        child.join()
        receiver.close()


_preloaded: list[str] = []
"""Modules that are imported in a child when it starts."""


def preload(*modules: str) -> None:
    """Let children start with `modules` imported; has no effect once a child has been started."""
    _preloaded.extend(modules)


_children: set[int] = set()
"""Process ids of the running children of this process."""

_interrupted = threading.Event()
"""In the parent: start no more children.  In a child: start no further job."""


def interrupted() -> bool:
    """Has the run been interrupted?  Answers for the calling process."""
    return _interrupted.is_set()


def begin() -> None:
    """Forget that an earlier run was interrupted."""
    _interrupted.clear()


def interrupt() -> None:
    """Interrupt all children: each returns what it has found so far."""
    _interrupted.set()
    for child in list(_children):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGUSR1)


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_preloaded)
    return context


def _as_command(job: Job, timeout: float | None, memory: int) -> Any:
    command = [sys.executable, "-m", "core.run.isolate", str(memory)]
    try:
        done = subprocess.run(command, input=pickle.dumps(job), stdout=subprocess.PIPE, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return job.failed(f"timed out after {timeout:g} s")
    if done.returncode:
        return job.failed(f"its process died with exit status {done.returncode}")
    return pickle.loads(done.stdout)


def answer(job: Job) -> Any:
    """Run `job` in this process; `job.failed(reason)` if it raises anything."""
    if interrupted():
        return job.failed(INTERRUPTED)
    try:
        return job.run()
    except KeyboardInterrupt:  # raised by the job itself, unless the run was interrupted
        return job.failed(INTERRUPTED if interrupted() else "raised KeyboardInterrupt")
    except MemoryError:
        return job.failed("ran out of memory")
    except BaseException as error:
        return job.failed(f"raised {describe(error)}")


def _limited(job: Job, memory: int) -> Any:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    return answer(job)


def _keep_stdout() -> int:
    """Redirect stdout to stderr; returns a descriptor of the original stdout."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return kept


GARBAGE = 50_000
"""New containers between two collections of garbage in a child.  A search keeps most of what it makes."""


def _in_child(sender: Connection, job: Job, memory: int) -> None:
    gc.set_threshold(GARBAGE)
    with suppress(OSError):  # stdout or stderr is closed: nothing to redirect
        _keep_stdout()
    signal.signal(signal.SIGUSR1, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal signals the whole group; the parent decides
    sender.send(_limited(job, memory))
    sender.close()


def _stop(number: int, frame: Any) -> None:
    _interrupted.set()
    raise KeyboardInterrupt


if __name__ == "__main__":
    with os.fdopen(_keep_stdout(), "wb") as out:
        out.write(pickle.dumps(_limited(pickle.load(sys.stdin.buffer), int(sys.argv[1]))))
