"""Running cells of the table: each in a process of its own, any number at once, in any executor.

A cell is foreign code as far as the harness is concerned: it may raise, hang, eat memory or kill its process.  So
every cell runs in a child with a time limit and a memory limit, and whatever happens there costs that cell only.
The children are forked from a server that has the suite imported already, so that one costs milliseconds.

`run` hands cells to any `concurrent.futures.Executor`; its workers only start the child and wait.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from core.config import Row
from core.conformance import SCENARIOS, Result, expected, judge
from core.explore import Limits

CELL_TIMEOUT = 300.0
"""Seconds that one cell may take."""

CELL_MEMORY = 8 << 30
"""Bytes of address space that one cell may use."""


@dataclass(frozen=True)
class Cell:
    """One architecture in one scenario."""

    row: Row
    scenario: str
    limits: Limits = Limits()
    searcher: str = "auto"


def judge_cell(cell: Cell) -> Result:
    """Set the architecture up, explore, and apply what its row declares."""
    scenario = SCENARIOS[cell.scenario]
    if cell.row.problem:
        return _error(cell, cell.row.problem)
    try:
        arch = cell.row.arch()
    except Exception as error:
        return _error(cell, str(error))
    result = judge(arch, cell.row.era, scenario, limits=cell.limits, searcher=cell.searcher)
    reason = cell.row.expect.get(cell.scenario)
    return expected(result, reason) if reason else result


def isolated(cell: Cell, timeout: float = CELL_TIMEOUT, memory: int = CELL_MEMORY) -> Result:
    """`judge_cell` in a child process; an error result if the child hangs, dies or runs out of memory."""
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(sender, cell, memory), daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(timeout):
            child.kill()
            return _error(cell, f"gave no verdict within {timeout:g} seconds")
        try:
            result: Result = receiver.recv()
        except EOFError:
            child.join()
            return _error(cell, f"its process died with exit status {child.exitcode}")
        return result
    finally:
        child.join()
        receiver.close()


def run(
    cells: Sequence[Cell],
    executor: Executor | None,
    done: Callable[[int], None] = lambda n: None,
    timeout: float = CELL_TIMEOUT,
) -> Iterator[Result]:
    """The results of `cells`, in their order. `executor` None runs them here, one by one, without a child.

    `done` is told how many are finished.
    """
    if executor is None:
        for number, cell in enumerate(cells, 1):
            yield judge_cell(cell)
            done(number)
        return
    futures = [executor.submit(isolated, cell, timeout) for cell in cells]
    try:
        for number, (cell, future) in enumerate(zip(cells, futures, strict=True), 1):
            try:
                result = future.result()
            except Exception as error:
                result = _error(cell, f"its worker failed: {error!r}")
            yield result
            done(number)
    finally:
        for future in futures:
            future.cancel()


def processes(jobs: int) -> Executor:
    """An executor that keeps `jobs` children busy."""
    return ThreadPoolExecutor(jobs, "cell")


def _error(cell: Cell, reason: str) -> Result:
    scenario = SCENARIOS[cell.scenario]
    return Result(cell.row.name, scenario.id, scenario.tier, "error", " ".join(reason.split()))


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["core.jobs"])
    return context


def _in_child(sender: Connection, cell: Cell, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        result = judge_cell(cell)
    except MemoryError:
        result = _error(cell, f"ran out of memory ({memory} bytes)")
    except BaseException as error:
        result = _error(cell, f"raised {type(error).__name__}: {error}")
    sender.send(result)
    sender.close()
