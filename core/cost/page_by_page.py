"""The accountant for functions of the core that are kernel C (core.mm.stand_in): page by page, on one path.

C does not know runs of equal entries.  It may flush where no text does, so flushes are counted by the hooks that are
called, as in turns.  What has more than `MOST_PAGES` pages is counted with the text.
"""

from __future__ import annotations

from typing import Any

from core.cost.accountant import Accountant
from core.cost.flush_calls import FlushCalls, telling
from core.cost.layout import Layout
from core.cost.turns import Turns
from core.cost.workload import Workload, layout
from core.mm.era import Era
from core.plugins.arch import Arch

MOST_PAGES = 1 << 12
"""Of a layout: a page is about a millisecond."""


class PageByPage(Accountant):
    """`Accountant` of one step, with the architecture's own texts of functions of the core."""

    def __init__(self, arch: Arch, era: Era, laid: Layout, *, how: str, cpus: int, tables: bool) -> None:
        super().__init__(
            telling(arch), era, laid, how=how, cpus=cpus, tables=tables, skip=False, long_runs=False, functions=True
        )
        self.calls = FlushCalls(self.counts, self.mm)

    def _emit(self, event: tuple[Any, ...]) -> None:
        self.calls.emit(event)


def small(workload: Workload) -> bool:
    """Is a workload counted with C, where an architecture has it? In turns every page is handled by itself anyway."""
    return all(isinstance(step, Turns) or layout(step.runs).end <= MOST_PAGES for step in workload.steps)
