"""One side of `compare A --against B`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from core.conformance import Result
    from core.table.count_jobs import Counted
    from core.table.row import Row


class Side(NamedTuple):
    """What is compared: a row, and the results of its jobs."""

    row: Row
    results: list[Result]
    counted: Counted
