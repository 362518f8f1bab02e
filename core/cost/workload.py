"""What a workload is: operations on layouts of equal pages, or turns of CPUs that come and go.

Data types
    Runs            (kind, pages), or (repeat, ((kind, pages), ...)); kinds as in core.cost.layout
    WorkloadStep    one operation on a layout of runs, repeated `times` times
    Turns           turns on pages one by one (core.cost.turns)
    Workload        a name and steps, one after another

Operations (`WorkloadStep.how`):

    unmap    munmap() or MADV_DONTNEED of the whole layout
    exit     the whole address space is unmapped
    clean    writeback write-protects and cleans the mapping of the layout's only page, folio_mkclean()
    fork     fork() has write-protected what is mapped, and flushes: dup_mmap()
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from core.cost.layout import Layout
from core.cost.turns import Turns

Runs = tuple[tuple[str, int] | tuple[int, tuple[tuple[str, int], ...]], ...]

HOW = ("unmap", "exit", "clean", "fork")
UNMAPS = ("unmap", "exit")


@dataclass(frozen=True, slots=True)
class WorkloadStep:
    """An operation `how` on the layout of `runs`, repeated `times` times; see the module's docstring.

    `tables`: what unmaps also frees the page tables (free_pgtables()): all of the layout, as nothing else is mapped.
    """

    runs: Runs
    times: int = 1
    how: str = "unmap"
    tables: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """A named workload; a report shows `title`."""

    name: str
    title: str
    steps: tuple[WorkloadStep | Turns, ...]


@lru_cache(maxsize=4096)
def layout(runs: Runs) -> Layout:
    """The layout of runs, cached because a sweep uses one many times. ValueError for invalid runs."""
    return Layout(runs)
