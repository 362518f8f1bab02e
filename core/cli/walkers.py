"""`list walkers`: who walks the page tables of each architecture, when a table is freed, and whether that is too early.

Where an architecture frees tables of some levels at once, a second line says what the same scenarios answer if it
queued them until after the flush, as the generic code does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from core.conformance import SCENARIOS, Result
from core.facts import TABLE_LEVELS, WALKERS, Facts
from core.run import pool
from core.table.jobs import VerdictJob
from core.table.row import Row
from reports.grid import grid

OF_TABLES = {"table_walk", "upper_cache"}
NOT_OF_FREEING = {"move_pmd", "queues_all_tables", "software_dirty"}

WALKED = [s.id for s in SCENARIOS.values() if OF_TABLES & set(s.requires) and not NOT_OF_FREEING & set(s.requires)]
"""The scenarios in which a table is freed, at once or behind its flush, and somebody walks."""


def table(rows: Sequence[Row]) -> str:
    """One line for each row and order of freeing: a verdict is that of the suite, with the steps of the trace."""
    lines = [(row, order) for row in rows if not row.problem for order in _orders(row)]
    cells = [VerdictJob(replace(order, expect={}), name) for _, order in lines for name in WALKED]
    jobs = os.cpu_count() or 1
    with pool.executor("", jobs) as workers:
        answers = list(pool.run(cells, workers, memory=pool.memory_for_each(jobs)))
    printed = []
    for (row, order), results in zip(lines, _chunks(answers), strict=True):
        first = order is row
        facts = _facts(order)
        printed.append([row.name if first else "", facts.walker if first else "", _freed(facts), *map(_said, results)])
    kinds = {_facts(row).walker for row, _ in lines}
    legend = "\n".join(f"{kind:9} {meaning}" for kind, meaning in WALKERS.items() if kind in kinds)
    problems = "".join(f"\n{row.name}: cannot be used: {row.problem}" for row in rows if row.problem)
    head = ["architecture", "walker", "tables freed", *WALKED]
    return f"{grid(printed, head, numbers=False)}\n\n{legend}{problems}"


def _orders(row: Row) -> list[Row]:
    """The row as it is, and one that queues what it frees at once."""
    return [row, _queued(row)] if _at_once(_facts(row)) else [row]


def _queued(row: Row) -> Row:
    facts: dict[str, object] = {"tables_at_once": ()}
    return replace(row, facts=row.facts | facts, stated=replace(_facts(row), tables_at_once=()))


def _facts(row: Row) -> Facts:
    assert row.stated is not None
    return row.stated


def _at_once(facts: Facts) -> list[str]:
    """The levels there are whose table is freed at once."""
    return [level for level in TABLE_LEVELS[: facts.levels - 1] if level in facts.tables_at_once]


def _freed(facts: Facts) -> str:
    at_once = _at_once(facts)
    behind = "by RCU" if facts.rcu_table_free else "behind the flush"
    if not at_once:
        return behind
    return f"{', '.join(at_once)} at once" + ("" if len(at_once) == facts.levels - 1 else f"; others {behind}")


def _chunks(results: list[Result]) -> Iterator[list[Result]]:
    for at in range(0, len(results), len(WALKED)):
        yield results[at : at + len(WALKED)]


def _said(result: Result) -> str:
    if result.verdict == "unsupported":
        return "-"
    return f"{result.verdict}({len(result.trace)})" if result.trace else result.verdict
