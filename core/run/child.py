"""What a child of the warden does: it runs jobs one after another, and writes each answer as a line of plain data.

The jobs are unpickled before any of their code runs.  Answers are written by their declared types (core.base.plain):
what the annotation of `run` says that it returns.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import TextIOWrapper
from typing import Any, NoReturn, Protocol, get_type_hints

from core.base import plain
from core.base.errortext import describe
from core.run import GARBAGE, INTERRUPTED, contain

interrupted_here = threading.Event()
"""In the process that started children: start no more.  In a child: start no further job."""


class Job(Protocol):
    """What can be run in a child process; both methods return the same kind of result.

    The annotation of what `run` returns says how the result is written and read: it must be a type of core.base.plain.
    A job may have a method `wrong(answer)` that says why an answer cannot be this job's, '' if it can, and an attribute
    `kin`: neighbours of which it is equal, and not None, share a process where they can.
    """

    @property
    def guest(self) -> str:
        """The third party whose code the job runs; '' if all of it is the project's."""

    def run(self) -> Any:
        """Do the job, in any process, and return its result."""

    def failed(self, reason: str) -> Any:
        """The result if the job raised, hung or its process died."""


@cache
def kind_of(job: type) -> Any:
    """The type of what jobs of this class answer."""
    run: Callable[..., Any] = job.run  # type: ignore[attr-defined]
    return get_type_hints(run)["return"]


def answer(job: Job) -> Any:
    """Run `job` in this process; `job.failed(reason)` if it raises anything."""
    global _running
    if interrupted_here.is_set():
        return job.failed(INTERRUPTED)
    try:
        _running = True
        return job.run()
    except KeyboardInterrupt:  # raised by the job itself, unless the run was interrupted
        return job.failed(INTERRUPTED if interrupted_here.is_set() else "raised KeyboardInterrupt")
    except MemoryError:
        return job.failed("ran out of memory")
    except BaseException as error:
        return job.failed(f"raised {describe(error)}")
    finally:
        _running = False


_running = False
"""Is a job running, so that an interrupt must end it?"""


def work(jobs: bytes, answers: int, printed: int, memory: int, by: contain.Containment | None) -> NoReturn:
    """Run the pickled `jobs` in this process, which has just been forked, write the answers, and end.

    `answers` is a descriptor; `printed` one that takes the place of stdout and stderr, or -1: then stdout, which is for
    results, becomes stderr.  A guest is contained `by` something.
    """
    try:
        os.setsid()
        gc.freeze()  # what the warden has made stays: looking through it would only copy its pages
        gc.set_threshold(GARBAGE)
        with suppress(OSError):  # stderr is closed: nothing to redirect
            os.dup2(2 if printed < 0 else printed, 1)
        if printed >= 0:
            os.dup2(printed, 2)
            os.close(printed)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(line_buffering=True)  # nobody flushes when the child is killed
        signal.signal(signal.SIGUSR1, _stop)
        todo: tuple[Job, ...] = pickle.loads(jobs)
        if by is not None:
            contain.restrict(memory, by)
        else:
            contain.limit_memory(memory)
        for job in todo:
            _write(answers, _line(job))
    except BaseException:
        with suppress(BaseException):
            traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _line(job: Job) -> bytes:
    kind = kind_of(type(job))
    result = answer(job)
    try:
        return plain.dump(kind, result).encode()
    except BaseException as error:
        return plain.dump(kind, job.failed(f"its answer cannot be written: {describe(error)}")).encode()


def _write(descriptor: int, line: bytes) -> None:
    rest = memoryview(line + b"\n")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _stop(number: int, frame: Any) -> None:
    interrupted_here.set()
    if _running:
        raise KeyboardInterrupt
