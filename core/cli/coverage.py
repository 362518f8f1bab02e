"""The subcommand `coverage`: which hooks of an architecture the suite and the workloads have called.

A hook that never ran has been judged by nobody: a pass says nothing about it.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from core.base.suggest import hint
from core.cli.arguments import UsageError, add_selection, chosen_scenario, positive
from core.conformance import SUITE
from core.cost.turn_workloads import TURN_WORKLOADS
from core.cost.workloads import STANDARD, WORKLOADS
from core.hookspecs import SPECS
from core.plugins.hook_calls import WHOLE, HookCall
from core.table.row import Row
from reports.grid import grid

if TYPE_CHECKING:
    from core.conformance.coverage import Covered
    from core.run.isolate import Job

MOST = 3
"""Values and places that are listed one by one."""


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    coverage = add("coverage", help="which hooks of an architecture ran, where, with how many pages, under which locks")
    coverage.add_argument("arch", metavar="ARCH", help="row of arches.toml, or plugin")
    add_selection(coverage, arch=False)
    coverage.add_argument("--scenario", action="append", default=[], metavar="ID", help="only this one")
    coverage.add_argument(
        "--hook", action="append", default=[], metavar="NAME", help="every place that calls this hook"
    )
    coverage.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, metavar="N", help="processes at once")
    coverage.set_defaults(command=coverage_command)


def coverage_command(arguments: argparse.Namespace) -> int:
    """Print a table of the architecture's own hooks; exit status 1 if one of them never ran."""
    from core.cli.resolve_arch import choose

    for name in arguments.hook:
        if name not in SPECS:
            raise UsageError(f"--hook {name}: no such hook; {hint(name, SPECS)}")
    row = choose(arguments.arch, arguments.era, arguments.config)
    found = run_coverage(row, arguments.scenario, arguments.jobs)
    own = own_hooks(row)
    if arguments.hook:
        print(places(arguments.hook, found))
        return 0
    print(f"{row.name}, era {row.era.name}: {len(own)} hooks of its own")
    print()
    print(table(own, found))
    for one in found:
        if one.problem:
            print(f"{one.where}: not run: {one.problem}")
    never = never_ran(own, found)
    print()
    print(f"never ran: {', '.join(never) or 'none'}")
    return 1 if never else 0


def run_coverage(row: Row, names: Sequence[str], jobs: int) -> list[Covered]:
    """What each scenario calls (those of `names`, or all but long ones) and, without `names`, each workload.

    The workloads are those of a report, and those in which CPUs come and go.
    """
    from core.run import pool
    from core.table.coverage_jobs import CoverageJob, WorkloadCoverageJob

    chosen = [chosen_scenario(name) for name in names] or [s.id for s in SUITE.values() if s.tier != "long"]
    loads = () if names else (*STANDARD.values(), *(WORKLOADS[build.__name__] for build in TURN_WORKLOADS))
    work: list[Job] = [
        *(CoverageJob(row, name) for name in chosen),
        *(WorkloadCoverageJob(row, load) for load in loads),
    ]
    with pool.executor("", jobs) as workers:
        return list(pool.run(work, workers, memory=pool.memory_for_each(jobs)))


def own_hooks(row: Row) -> list[str]:
    """The hooks that the row's plugin has itself, in the order of the specification; facts are no hook that runs."""
    return [name for name in SPECS if name in row.own and name != "arch_facts"]


def never_ran(own: Iterable[str], found: Iterable[Covered]) -> list[str]:
    """The hooks of `own` that nothing has called."""
    ran = {call.hook for one in found for call in one.calls}
    return [name for name in own if name not in ran]


def table(own: Sequence[str], found: Sequence[Covered]) -> str:
    """One line for each hook: how many places call it, with how many pages, under which locks."""
    calls: dict[str, set[HookCall]] = defaultdict(set)
    where: dict[str, list[str]] = defaultdict(list)
    for one in found:
        for hook in {call.hook for call in one.calls}:
            where[hook].append(one.where)
            calls[hook] |= {call for call in one.calls if call.hook == hook}
    lines = [[hook, len(where[hook]), _few(where[hook]), _pages(calls[hook]), _locks(calls[hook])] for hook in own]
    return grid(lines, ["hook", "places", "such as", "pages", "under"], wrapped={2: 36, 4: 40})


def places(hooks: Sequence[str], found: Sequence[Covered]) -> str:
    """One line for each scenario or workload that calls one of `hooks`."""
    lines = []
    for hook in hooks:
        for one in found:
            calls = {call for call in one.calls if call.hook == hook}
            if calls:
                lines.append([hook, one.where, _pages(calls), _locks(calls)])
    return grid(lines, ["hook", "where", "pages", "under"], wrapped={3: 48})


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST]) + (", ..." if len(names) > MOST else "")


def _pages(calls: Iterable[HookCall]) -> str:
    told = sorted({call.pages for call in calls if call.pages is not None and call.pages != WHOLE})
    text = ", ".join(map(str, told)) if len(told) <= MOST else f"{told[0]} to {told[-1]}"
    whole = any(call.pages == WHOLE for call in calls)
    return ", ".join(filter(None, [text, "all" if whole else ""]))


def _locks(calls: Iterable[HookCall]) -> str:
    noted = [call.locks for call in calls if call.locks is not None]
    return "; ".join(sorted({" + ".join(locks) or "no lock" for locks in noted}))
