"""Running the jobs that make a table: each in a process of its own, any number at once, in any executor.

A job (one cell of verdicts, one row of counts) is foreign code as far as the harness is concerned: it may raise, hang, eat memory or kill its
process.  So
every job runs in a child with a time limit and a memory limit, and whatever happens there costs that job only.
The children are forked from a server that has the suite imported already, so that one costs milliseconds.

`run` hands jobs to any `concurrent.futures.Executor`; its workers only start the child and wait.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from core.config import Row
from core.conformance import SCENARIOS, Result, expected, judge
from core.cost import STANDARD, account
from core.explore import Limits

CELL_TIMEOUT = 300.0
"""Seconds that one cell may take."""

CELL_MEMORY = 8 << 30
"""Bytes of address space that one cell may use."""


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

    def run(self) -> Result:
        """Set the architecture up, explore, and apply what its row declares."""
        if self.row.problem:
            return self.failed(self.row.problem)
        scenario = SCENARIOS[self.scenario]
        try:
            arch = self.row.arch()
        except Exception as error:
            return self.failed(str(error))
        result = judge(arch, self.row.era, scenario, limits=self.limits, searcher=self.searcher)
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
    """The standard workloads on one architecture; answers Counted."""

    row: Row

    def run(self) -> Counted:
        """Count them all."""
        if self.row.problem:
            return self.failed(self.row.problem)
        arch = self.row.arch()
        return Counted(self.row.name, {name: account(arch, self.row.era, load) for name, load in STANDARD.items()})

    def failed(self, reason: str) -> Counted:
        """Nothing counted."""
        return Counted(self.row.name, {}, " ".join(reason.split()))


def isolated(job: Job, timeout: float = CELL_TIMEOUT, memory: int = CELL_MEMORY) -> Any:
    """Run `job` in a child process; its `failed` answer if the child hangs, dies or runs out of memory."""
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(sender, job, memory), daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(timeout):
            child.kill()
            return job.failed(f"gave no answer within {timeout:g} seconds")
        return receiver.recv()
    except EOFError:
        child.join()
        return job.failed(f"its process died with exit status {child.exitcode}")
    finally:
        child.join()
        receiver.close()


def run(
    jobs: Sequence[Job], executor: Executor, done: Callable[[int], None] = lambda n: None, timeout: float = CELL_TIMEOUT
) -> Iterator[Any]:
    """The answers of `jobs`, in their order. `done` is told how many are finished."""
    futures = [executor.submit(isolated, job, timeout) for job in jobs]
    try:
        for number, (job, future) in enumerate(zip(jobs, futures, strict=True), 1):
            try:
                answer = future.result()
            except Exception as error:
                answer = job.failed(f"its worker failed: {error!r}")
            yield answer
            done(number)
    finally:
        for future in futures:
            future.cancel()


def processes(jobs: int) -> Executor:
    """An executor that keeps `jobs` children busy."""
    return ThreadPoolExecutor(jobs, "cell")


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["core.jobs"])
    return context


def _in_child(sender: Connection, job: Job, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        answer = job.run()
    except MemoryError:
        answer = job.failed(f"ran out of memory ({memory} bytes)")
    except BaseException as error:
        answer = job.failed(f"raised {type(error).__name__}: {error}")
    sender.send(answer)
    sender.close()
