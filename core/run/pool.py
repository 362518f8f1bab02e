"""Running jobs: each isolated (core.run.isolate), several at once, in any executor.

`run` submits jobs to any `concurrent.futures.Executor`, whose workers only start a child and wait for it.

Ctrl-C interrupts the search in each child, which then reports how far it came, and ends the run with a result for every
job.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from itertools import count, groupby
from typing import Any

from core.base.available_memory import available
from core.base.cores import CoresOfRun
from core.base.errortext import short
from core.base.told import Told
from core.run.isolate import (
    CELL_MEMORY,
    CELL_TIMEOUT,
    INTERRUPTED,
    Job,
    begin,
    interrupt,
    interrupted,
    isolated_batch,
)

LEAST_MEMORY = 1 << 30
"""Bytes that one job is given at least: importing numpy alone needs a good part of it."""

LOOK = 0.5
"""Seconds after which the main thread, while it waits for a result, looks whether somebody has pressed Ctrl-C."""

LOST = "the executor gave it up: the cluster's scheduler has ended, or cannot be reached"
"""The reason of a job that was cancelled although nobody has interrupted the run."""

JOBS_PER_CHILD = 16
"""Jobs that share a child process at most, to save on processes."""

MOST_PER_CHILD, SHARES = 48, 16
"""The same in a run of so many jobs that each of those that run at once still gets SHARES child processes."""


CONNECTING = 10
"""Seconds in which a scheduler must answer."""


class ExecutorError(Told):
    """There is no such executor, or its scheduler does not answer; a one-line message."""


def run(
    jobs: Sequence[Job],
    pool: Executor,
    done: Callable[[int], None] = lambda n: None,
    timeout: float | None = CELL_TIMEOUT,
    memory: int = CELL_MEMORY,
    together: int = JOBS_PER_CHILD,
    guest_timeout: float | None = None,
    until: float | None = None,
    cores: CoresOfRun | None = None,
) -> Iterator[Any]:
    """The results of `jobs`, in their order.

    `done` is called with the number of finished jobs; `timeout` (seconds) and `memory` (bytes) limit each job, and
    `guest_timeout` those that run a third party's code, which need not end by themselves.  At most `together` jobs
    share a child process; jobs of different guests never do.  After Ctrl-C, running jobs report how far they came and
    the others that they were interrupted; KeyboardInterrupt is raised after the last result.  The same, but for the
    exception, at the time `until` (of time.monotonic()).  As fewer are left to be run, more of `cores` become idle.
    """
    begin()
    stopped = False
    batches = list(_batches(jobs, together))
    futures = []
    if cores is not None:
        cores.begin(len(batches))
    for batch in batches:
        limit = guest_timeout if guest_timeout is not None and batch[0].guest else timeout
        futures.append(pool.submit(isolated_batch, batch, limit, memory))
        if cores is not None:
            futures[-1].add_done_callback(lambda _: cores.done())
    finished = 0
    try:
        for batch, future in zip(batches, futures, strict=True):
            try:
                answers = _answers_of(batch, future, pool, until)
            except (KeyboardInterrupt, _TimeIsUp) as why:
                stopped, until = stopped or isinstance(why, KeyboardInterrupt), None
                for other in futures:
                    other.cancel()
                interrupt()
                answers = _answers_of(batch, future, pool)
            finished += len(batch)
            yield from answers
            done(finished)
    finally:
        for future in futures:
            future.cancel()
    if stopped:
        raise KeyboardInterrupt


def _batches(jobs: Sequence[Job], together: int) -> Iterator[tuple[Job, ...]]:
    """Neighbouring jobs of the same guest, at most `together`; of the same kin in one batch, where they all fit."""
    for _, neighbours in groupby(jobs, lambda job: job.guest):
        batch: list[Job] = []
        for _, same in groupby(neighbours, _kin):
            kindred = list(same)
            if batch and len(batch) + len(kindred) > together:
                yield tuple(batch)
                batch = []
            batch += kindred
            while len(batch) > together:
                yield tuple(batch[:together])
                del batch[:together]
        yield tuple(batch)


_nobody = count()


def _kin(job: Job) -> object:
    """What jobs have in common that are to share a child, because one may save work that another has done."""
    kin = getattr(job, "kin", None)
    return next(_nobody) if kin is None else kin


class _TimeIsUp(Exception):
    """The run has had its time."""


def _answers_of(
    batch: tuple[Job, ...], future: Future[list[Any]], pool: Executor, until: float | None = None
) -> list[Any]:
    closed = False
    while not wait((future,), _pause(until)).done:
        if until is not None and time.monotonic() >= until:
            raise _TimeIsUp
        if closed:  # Dask may go on waiting for an answer that was being fetched as the scheduler died
            return [job.failed(INTERRUPTED if interrupted() else LOST) for job in batch]
        closed = _is_closed(pool)
        # a signal that the kernel has given to another thread does not wake this one: look now and then
    try:
        return future.result()
    except CancelledError:
        return [job.failed(INTERRUPTED if interrupted() else LOST) for job in batch]
    except Exception as error:
        return [job.failed(f"its worker failed: {error!r}") for job in batch]


def _pause(until: float | None) -> float:
    """Seconds to the next look, or to the time `until`."""
    return LOOK if until is None else max(0.0, min(LOOK, until - time.monotonic()))


def _is_closed(pool: Executor) -> bool:
    """Has Dask's client, in `pool`, given up the scheduler?"""
    client = getattr(pool, "_client", None)
    return client is not None and client.status not in ("running", "connecting")


def shipped(jobs: Sequence[Job], together: int) -> int:
    """How many children `run` gives those of `jobs` that run no third party's code."""
    return sum(not batch[0].guest for batch in _batches(jobs, together))


def per_child(jobs: int, at_once: int) -> int:
    """How many of `jobs` are to share a child process, if `at_once` run at once."""
    return max(JOBS_PER_CHILD, min(MOST_PER_CHILD, jobs // (at_once * SHARES)))


def memory_for_each(jobs: int) -> int:
    """Bytes that each of `jobs` concurrent jobs may use, so that the machine does not swap."""
    there = available()
    return CELL_MEMORY if there is None else min(CELL_MEMORY, max(LEAST_MEMORY, there // jobs))


@contextmanager
def executor(where: str, jobs: int) -> Iterator[Executor]:
    """An executor for `run`: '' for `jobs` threads of this process, or dask://HOST:PORT for a Dask cluster.

    Raises ExecutorError for any other value, if Dask is not installed, or if no scheduler answers.
    """
    if not where:
        with ThreadPoolExecutor(jobs, "job") as pool:
            yield pool
        return
    scheme, _, address = where.partition("://")
    if scheme != "dask" or not address:
        raise ExecutorError(f"--executor {where}: expected dask://HOST:PORT")
    with _dask_client(where, address) as client:
        yield client.get_executor(pure=False, retries=3)


def _dask_client(where: str, address: str) -> Any:
    try:
        distributed = importlib.import_module("distributed")
    except ImportError:
        raise ExecutorError(f"--executor {where}: install the extra: pip install 'shootdown[cluster]'") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is in the answers, in a line
    try:
        return _within(CONNECTING, lambda: distributed.Client(f"tcp://{address}", timeout=CONNECTING))
    except Exception as error:  # whatever it is that listens there
        raise ExecutorError(f"--executor {where}: no scheduler answers there: {short(str(error))}") from None


def _within(seconds: float, make: Callable[[], Any]) -> Any:
    """What `make` returns. TimeoutError after a while: Dask waits without an end for a handshake that does not come."""
    made: Future[Any] = Future()

    def run_it() -> None:
        try:
            made.set_result(make())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run_it, daemon=True).start()
    try:
        return made.result(seconds + 2)
    except FutureTimeout:
        if made.done():  # it was Dask's own
            raise
        raise TimeoutError(f"nothing that it says is understood within {seconds:g} s") from None
