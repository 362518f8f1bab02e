"""Running the jobs that make a table: each in a process of its own, any number at once, in any executor.

A job (one cell of verdicts, one row of counts) is foreign code as far as the harness is concerned: it may raise, hang,
eat memory or kill its process.  So every job runs in a child with a time limit and a memory limit, and whatever happens
there costs that job only.  The children are forked from a server that has the suite imported already, so that one
costs milliseconds.

Ctrl-C interrupts the search that each child is at, which then says how far it came, and ends the run with an answer
for every job.

`run` hands jobs to any `concurrent.futures.Executor`; its workers only start the child and wait.  On a Dask cluster the
workers may be daemons, which may not have children of multiprocessing: there a job is a command of its own.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from core.config import ConfigError, Row
from core.conformance import SCENARIOS, Result, expected, judge
from core.conformance.judge import Walks
from core.cost import STANDARD, Workload, account
from core.explore import Limits
from core.explore.memory import available

CELL_TIMEOUT = 300.0
"""Seconds that one cell may take."""

CELL_MEMORY = 8 << 30
"""Bytes of address space that one cell may use, if the machine has them."""

LEAST_MEMORY = 1 << 30
"""Bytes that one cell may use at least: numpy alone takes some."""

INTERRUPTED = "interrupted"

BATCH = 16
"""Jobs that share a child as long as nothing happens to it."""


class Job(Protocol):
    """What can be run apart: `run` does it, `failed` is the answer if it cannot."""

    def run(self) -> Any:
        """Do it, in whatever process."""

    def failed(self, reason: str) -> Any:
        """What to answer when it raised, hung or died."""


@dataclass(frozen=True)
class Cell:
    """One architecture in one scenario; answers a Result."""

    row: Row
    scenario: str
    limits: Limits = Limits()
    searcher: str = "auto"
    walks: Walks | None = None

    def run(self) -> Result:
        """Set the architecture up, explore, and apply what its row declares."""
        if self.row.problem:
            return self.failed(self.row.problem)
        scenario = SCENARIOS[self.scenario]
        try:
            arch = self.row.arch()
        except Exception as error:
            return self.failed(str(error))
        result = judge(arch, self.row.era, scenario, limits=self.limits, searcher=self.searcher, walks=self.walks)
        reason = self.row.expect.get(self.scenario)
        return expected(result, reason) if reason else result

    def failed(self, reason: str) -> Result:
        """An error result."""
        scenario = SCENARIOS[self.scenario]
        return Result(self.row.name, scenario.id, scenario.tier, "error", " ".join(reason.split()))


@dataclass(frozen=True)
class Counted:
    """What the standard workloads cost on one architecture: by workload, or why they could not be counted."""

    architecture: str
    counts: dict[str, dict[str, int]]
    problem: str = ""


@dataclass(frozen=True)
class Counting:
    """The standard workloads on one architecture, and `own` ones; answers Counted."""

    row: Row
    own: tuple[Workload, ...] = ()

    def run(self) -> Counted:
        """Count them all."""
        if self.row.problem:
            return self.failed(self.row.problem)
        arch = self.row.arch()
        loads = (*STANDARD.values(), *self.own)
        return Counted(self.row.name, {load.name: account(arch, self.row.era, load) for load in loads})

    def failed(self, reason: str) -> Counted:
        """Nothing counted."""
        return Counted(self.row.name, {}, " ".join(reason.split()))


def isolated(job: Job, timeout: float = CELL_TIMEOUT, memory: int = CELL_MEMORY) -> Any:
    """Run `job` in a child process; its `failed` answer if the child hangs, dies or runs out of memory."""
    if _interrupted.is_set():
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
            return job.failed(f"gave no answer within {timeout:g} seconds")
        return receiver.recv()
    except EOFError:
        child.join()
        died = f"its process died with exit status {child.exitcode}"
        return job.failed(INTERRUPTED if _interrupted.is_set() else died)
    finally:
        _children.discard(child.pid)
        child.join()
        receiver.close()


_children: set[int] = set()
"""Of this process, at work."""

_interrupted = threading.Event()
"""In the parent: no child is started any more.  In a child: no further job is begun."""


def interrupt() -> None:
    """Let each child answer with what it has found until now."""
    _interrupted.set()
    for child in list(_children):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGUSR1)


@dataclass(frozen=True)
class Batch:
    """Several jobs in one child, to save on children; answers all their answers, or None if the child is lost."""

    jobs: tuple[Job, ...]

    def run(self) -> list[Any]:
        """One after another."""
        return [_answer(job) for job in self.jobs]

    def failed(self, reason: str) -> None:
        """Nobody knows which job it was."""


def isolated_batch(jobs: tuple[Job, ...], timeout: float = CELL_TIMEOUT, memory: int = CELL_MEMORY) -> list[Any]:
    """The answers of `jobs` from one child; where that is lost, from a child for each."""
    answers: list[Any] | None = isolated(Batch(jobs), timeout, memory)
    return [isolated(job, timeout, memory) for job in jobs] if answers is None else answers


def run(
    jobs: Sequence[Job],
    pool: Executor,
    done: Callable[[int], None] = lambda n: None,
    timeout: float = CELL_TIMEOUT,
    memory: int = CELL_MEMORY,
) -> Iterator[Any]:
    """The answers of `jobs`, in their order. `done` is told how many are finished.

    KeyboardInterrupt comes behind the last answer: what is not finished then says how far it came, or that it was
    interrupted.
    """
    _interrupted.clear()
    interrupted = False
    batches = [tuple(jobs[i : i + BATCH]) for i in range(0, len(jobs), BATCH)]
    futures = [pool.submit(isolated_batch, batch, timeout, memory) for batch in batches]
    finished = 0
    try:
        for batch, future in zip(batches, futures, strict=True):
            try:
                answers = _answers_of(batch, future)
            except KeyboardInterrupt:
                interrupted = True
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
    if interrupted:
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

    ConfigError if there is no such executor, or no scheduler answers.
    """
    if not where:
        with ThreadPoolExecutor(jobs, "job") as pool:
            yield pool
        return
    scheme, _, address = where.partition("://")
    if scheme != "dask" or not address:
        raise ConfigError(f"--executor {where}: expected dask://HOST:PORT")
    with _dask_client(where, address) as client:
        yield client.get_executor(pure=False, retries=3)


def _dask_client(where: str, address: str) -> Any:
    try:
        distributed = importlib.import_module("distributed")
    except ImportError:
        raise ConfigError(f"--executor {where}: needs the extra shootdown[cluster]") from None
    try:
        return distributed.Client(f"tcp://{address}", timeout=10)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--executor {where}: no scheduler answers: {error}") from None


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["core.jobs"])
    return context


def _as_command(job: Job, timeout: float, memory: int) -> Any:
    command = [sys.executable, "-m", "core.jobs", str(memory)]
    try:
        done = subprocess.run(command, input=pickle.dumps(job), capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return job.failed(f"gave no answer within {timeout:g} seconds")
    if done.returncode:
        return job.failed(f"its process died with exit status {done.returncode}")
    return pickle.loads(done.stdout)


def _answer(job: Job) -> Any:
    if _interrupted.is_set():
        return job.failed(INTERRUPTED)
    try:
        return job.run()
    except KeyboardInterrupt:
        return job.failed(INTERRUPTED)
    except MemoryError:
        return job.failed("ran out of memory")
    except BaseException as error:
        return job.failed(f"raised {type(error).__name__}: {error}")


def _limited(job: Job, memory: int) -> Any:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    return _answer(job)


def _in_child(sender: Connection, job: Job, memory: int) -> None:
    signal.signal(signal.SIGUSR1, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent decides
    sender.send(_limited(job, memory))
    sender.close()


def _stop(number: int, frame: Any) -> None:
    _interrupted.set()
    raise KeyboardInterrupt


if __name__ == "__main__":
    answer = _limited(pickle.load(sys.stdin.buffer), int(sys.argv[1]))
    sys.stdout.buffer.write(pickle.dumps(answer))
