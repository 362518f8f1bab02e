"""Running jobs: each isolated (core.run.isolate), any number at once, in any executor.

`run` hands jobs to any `concurrent.futures.Executor`; its workers
only start the child and wait.

Ctrl-C interrupts the search that each child is at, which then says how far it came, and ends the run with an answer
for every job.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from core.base.available_memory import available
from core.run.isolate import CELL_MEMORY, CELL_TIMEOUT, INTERRUPTED, Job, answer, begin, interrupt, isolated

LEAST_MEMORY = 1 << 30
"""Bytes that one cell may use at least: numpy alone takes some."""

JOBS_PER_CHILD = 16
"""Jobs that share a child as long as nothing happens to it."""


class ExecutorError(Exception):
    """There is no such executor, or it does not answer; one line that says so."""


@dataclass(frozen=True)
class JobBatch:
    """Several jobs in one child, to save on children; answers all their answers, or None if the child is lost."""

    jobs: tuple[Job, ...]

    def run(self) -> list[Any]:
        """One after another."""
        return [answer(job) for job in self.jobs]

    def failed(self, reason: str) -> None:
        """Nobody knows which job it was."""


def isolated_batch(jobs: tuple[Job, ...], timeout: float | None = CELL_TIMEOUT, memory: int = CELL_MEMORY) -> list[Any]:
    """The answers of `jobs` from one child; where that is lost, from a child for each."""
    if len(jobs) == 1:
        return [isolated(jobs[0], timeout, memory)]
    answers: list[Any] | None = isolated(JobBatch(jobs), timeout, memory)
    return [isolated(job, timeout, memory) for job in jobs] if answers is None else answers


def run(
    jobs: Sequence[Job],
    pool: Executor,
    done: Callable[[int], None] = lambda n: None,
    timeout: float | None = CELL_TIMEOUT,
    memory: int = CELL_MEMORY,
    together: int = JOBS_PER_CHILD,
) -> Iterator[Any]:
    """The answers of `jobs`, in their order. `done` is told how many are finished; so many share a child.

    KeyboardInterrupt comes behind the last answer: what is not finished then says how far it came, or that it was
    interrupted.
    """
    begin()
    stopped = False
    batches = [tuple(jobs[i : i + together]) for i in range(0, len(jobs), together)]
    futures = [pool.submit(isolated_batch, batch, timeout, memory) for batch in batches]
    finished = 0
    try:
        for batch, future in zip(batches, futures, strict=True):
            try:
                answers = _answers_of(batch, future)
            except KeyboardInterrupt:
                stopped = True
                for other in futures:
                    other.cancel()
                interrupt()
                answers = _answers_of(batch, future)
            finished += len(batch)
            yield from answers
            done(finished)
    finally:
        for future in futures:
            future.cancel()
    if stopped:
        raise KeyboardInterrupt


def _answers_of(batch: tuple[Job, ...], future: Future[list[Any]]) -> list[Any]:
    try:
        return future.result()
    except CancelledError:
        return [job.failed(INTERRUPTED) for job in batch]
    except Exception as error:
        return [job.failed(f"its worker failed: {error!r}") for job in batch]


def memory_for_each(jobs: int) -> int:
    """Bytes that each of so many jobs may use at once, so that the machine does not swap."""
    there = available()
    return CELL_MEMORY if there is None else min(CELL_MEMORY, max(LEAST_MEMORY, there // jobs))


@contextmanager
def executor(where: str, jobs: int) -> Iterator[Executor]:
    """What runs the jobs: '' for children of this process, `jobs` at once, or dask://HOST:PORT.

    ExecutorError if there is no such executor, or no scheduler answers.
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
        raise ExecutorError(f"--executor {where}: needs the extra shootdown[cluster]") from None
    try:
        return distributed.Client(f"tcp://{address}", timeout=10)
    except (OSError, ValueError) as error:
        raise ExecutorError(f"--executor {where}: no scheduler answers: {error}") from None
