"""The subcommands about single verdicts and the suite itself: `explain`, `bugs` and `mutants`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from core.base.files import write_atomically
from core.base.suggest import hint
from core.cli.arguments import (
    UsageError,
    add_limits,
    add_memory,
    add_selection,
    add_walks,
    chosen_scenario,
    guest_timeout,
    limits_of,
    positive,
    scenario_of,
    under,
    walks_of,
    workers_of,
)
from core.cli.traces import FORMS, as_json, trace_of
from core.conformance import FINDINGS, SCENARIOS, SUITE, Result
from core.conformance.exhibit import Exhibit
from core.conformance.mutate import OPERATORS
from core.explore.text import WIDTH, columns
from core.table.row import Row

if TYPE_CHECKING:
    from core.conformance import mutate
    from core.conformance.museum import Showing
    from reports.tables import Bug


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommands with argparse's add_parser."""
    explain = add("explain", help="show a counterexample, one column per CPU")
    explain.add_argument("arch", metavar="ARCH", help="row of arches.toml, plugin, or id of a historic bug")
    explain.add_argument("scenario", metavar="SCENARIO", nargs="?", default="")
    add_selection(explain, arch=False)
    add_limits(explain)
    explain.add_argument("--save", type=Path, metavar="FILE", help="write the trace to FILE, for replay-trace")
    explain.add_argument("--format", choices=tuple(FORMS), default="columns", help="form of the trace on stdout")
    add_walks(explain)
    explain.set_defaults(command=explain_command)

    bugs = add("bugs", help="historic bugs: each found with its fix taken out, and proved absent with it")
    bugs.add_argument("ids", nargs="*", metavar="ID", help="only these bugs")
    add_limits(bugs)
    bugs.set_defaults(command=bugs_command)

    mutants = add("mutants", help="what the suite would notice: mutants, and the scenarios that kill them")
    mutants.add_argument("arch", nargs="?", default="smp-6.2-fix", metavar="ARCH")
    add_selection(mutants, arch=False)
    add_memory(mutants)
    mutants.add_argument("--scenario", action="append", default=[], metavar="ID", help="only mutants in this scenario")
    mutants.add_argument(
        "--operator", action="append", choices=OPERATORS, help="only mutants by this operator (default: by all)"
    )
    mutants.add_argument("--matrix", action="store_true", help="how many mutants each scenario kills, and kills alone")
    mutants.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, metavar="N", help="mutants at once")
    mutants.set_defaults(command=mutants_command)


def explain_command(arguments: argparse.Namespace) -> int:
    """Print the verdict of one row in one scenario, with a shortest trace; exit status 0 without a violation."""
    from core.cli.resolve_arch import choose
    from core.run import pool
    from core.table.jobs import VerdictJob
    from core.table.recorded_jobs import RecordedJob

    if not arguments.scenario:
        return _explain_bug(arguments)
    named = arguments.scenario if arguments.scenario in FINDINGS else chosen_scenario(arguments.scenario)
    scenario = (FINDINGS.get(named) or SUITE[named]) if isinstance(named, str) else named
    row = under(choose(arguments.arch, arguments.era, arguments.config, arguments.timeout), arguments.memory)
    limits, threads = limits_of(arguments), workers_of(arguments, 1)
    cell = VerdictJob(replace(row, expect={}), named, limits, arguments.searcher, walks_of(arguments), workers=threads)
    time = guest_timeout(arguments) if row.foreign or not isinstance(named, str) else None
    with pool.executor("", 1) as workers:
        (recorded,) = pool.run([RecordedJob(cell)], workers, timeout=time, memory=pool.memory_for_each(1))
    result, kept = recorded.result, arguments.save is not None or arguments.format != "columns"
    trace = trace_of(recorded, row, scenario, arguments.memory) if kept else None
    if trace is not None and arguments.save is not None:
        write_atomically(arguments.save, as_json(trace))
    if trace is not None and arguments.format != "columns":
        sys.stdout.write(FORMS[arguments.format](trace))
    else:
        sources = row.stated.sources if row.stated else ()
        print(explanation(result, scenario.title, cited(scenario.origin, sources)))
    return 0 if result.verdict in ("pass", "bounded", "unsupported") or scenario.id in row.expect else 1


def cited(origin: str, sources: Sequence[str]) -> str:
    """What a trace cites: where the scenario is from; where that is another architecture, the files of the row."""
    own = [source for source in sources if source.startswith("arch/")]
    if not own or not origin.startswith("arch/") or origin.split("/")[1] in {source.split("/")[1] for source in own}:
        return origin
    return ", ".join(own)


def explanation(result: Result, title: str, origin: str) -> str:
    """A verdict in words, with its trace, one column per CPU."""
    head = [_fitted(f"{result.architecture}, {result.scenario}: {title} ({origin})"), ""]
    by = " + ".join([f"searcher {result.searcher}", *result.reductions])
    searched = f"{result.states} states, {result.transitions} transitions, all to depth {result.depth} ({by})"
    if result.verdict == "fail" and result.trace:
        shown = [*head, columns(result.trace), "", _fitted(f"{result.violated}: {result.sentence}")]
        return "\n".join([*shown, searched] if result.states else shown)
    how = "every interleaving explored" if result.exhaustive else f"bounded by {result.bounds}"
    how = result.bounds if result.tier == "large" else how
    told = {"pass": f"pass: {how}", "bounded": how}.get(result.verdict, f"{result.verdict}: {result.reason}")
    return "\n".join([*head, _fitted(f"{told}; {searched}" if result.states else told)])


def _fitted(text: str) -> str:
    """A text in lines as wide as those of a trace."""
    return fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)


def _explain_bug(arguments: argparse.Namespace) -> int:
    from core.conformance import museum

    exhibit = _exhibit(arguments.arch, "ARCH and SCENARIO, or the id of a historic bug")
    showing = _shown(exhibit, arguments)
    title = museum.scenario_of(exhibit).title
    print(f"{exhibit.id}: {exhibit.wrong}")
    print(explanation(showing.bug, title, exhibit.commit))
    print()
    print(explanation(showing.fixed, title, exhibit.commit))
    return 0 if showing.holds else 1


def _shown(exhibit: Exhibit, arguments: argparse.Namespace) -> Showing:
    from core.conformance import museum

    limits, workers = limits_of(arguments), workers_of(arguments, 1)
    return museum.show(exhibit, limits, arguments.searcher, memory=arguments.memory, workers=workers)


def _exhibit(identity: str, expected: str = "the id of a historic bug") -> Exhibit:
    from core.conformance import museum

    exhibit = museum.find(identity)
    if exhibit is None:
        known = [e.id for e in museum.EXHIBITS]
        near = hint(identity, known, f"the bugs are {', '.join(known)}")
        raise UsageError(f"{identity}: expected {expected}: {near}")
    return exhibit


def bugs_command(arguments: argparse.Namespace) -> int:
    """Print the table of historic bugs; exit status 1 if one is not found or its fix is not proved."""
    from core.conformance import museum
    from reports import tables

    exhibits = [_exhibit(identity) for identity in arguments.ids] or museum.EXHIBITS
    showings = [_shown(exhibit, arguments) for exhibit in exhibits]
    print(tables.museum([_bug(showing) for showing in showings]))
    red = sum(showing.holds for showing in showings)
    print(f"{red} of {len(showings)} bugs are found without their fix, and proved absent with it")
    return 0 if red == len(showings) else 1


def _bug(showing: Showing) -> Bug:
    from reports.tables import Bug

    exhibit, bug, fixed = showing.exhibit, showing.bug, showing.fixed
    found = f"{bug.verdict}({len(bug.trace)})" if bug.trace else bug.verdict
    return Bug(exhibit.id, exhibit.commit, exhibit.cve, exhibit.wrong, found, fixed.verdict, fixed.states)


def mutants_command(arguments: argparse.Namespace) -> int:
    """Print every mutant with its killer, and the rate; exit status 1 if one survives without an argument for it."""
    from core.cli.progress import Progress
    from core.cli.resolve_arch import choose
    from core.conformance import mutate
    from core.conformance.equivalent import why
    from core.run import pool
    from reports import tables

    row = under(choose(arguments.arch, arguments.era, arguments.config), arguments.memory)
    names = [scenario_of(name) for name in arguments.scenario] or expected_to_pass(row)
    trials = mutate.trials(row.arch, row.era, _unmutated(row, names, arguments.jobs), arguments.matrix, row.guest)
    trials = [trial for trial in trials if trial.mutant.operator in (arguments.operator or OPERATORS)]
    counts = {"killed": 0, "SURVIVED": 0, "equivalent": 0}
    killers = []
    with Progress(len(trials), sys.stderr) as progress, pool.executor("", arguments.jobs) as workers:
        for autopsy in pool.run(trials, workers, progress.done):
            reason = why(autopsy.mutant, row.name)
            fate = "killed" if autopsy.killers else ("equivalent" if reason else "SURVIVED")
            counts[fate] += 1
            killers.append(autopsy.killers)
            print(f"{fate:11} {autopsy.mutant}: {', '.join(autopsy.killers) or reason}".rstrip(": "))
    if arguments.matrix:
        print(tables.power(names, killers))
    rate = 100 * counts["killed"] / max(counts["killed"] + counts["SURVIVED"], 1)
    print(
        f"{len(trials)} mutants: {counts['killed']} killed, {counts['SURVIVED']} survived, "
        f"{counts['equivalent']} equivalent; {rate:.1f} % of the others killed"
    )
    return 1 if counts["SURVIVED"] else 0


def expected_to_pass(row: Row) -> list[str]:
    """All scenarios but those declared to fail, in which every mutant would look killed; says on stderr which."""
    declared = [name for name in SCENARIOS if name in row.expect]
    if declared:
        print(f"left out, because {row.name} is declared to fail them: {', '.join(declared)}", file=sys.stderr)
    return [name for name in SCENARIOS if name not in declared]


def _unmutated(row: Row, names: list[str], number: int) -> dict[str, mutate.Mutable]:
    """What can be mutated, by scenario. UsageError if the row fails one without a mutant: all would look killed."""
    from core.conformance import mutate
    from core.run import pool

    found: dict[str, mutate.Mutable] = {}
    with pool.executor("", number) as workers:
        baselines = [mutate.Baseline(row.arch, row.era, name, row.guest) for name in names]
        for name, (problem, mutable) in zip(names, pool.run(baselines, workers), strict=True):
            if problem:
                raise UsageError(f"{row.name} fails {name} without a mutant: {problem}")
            found[name] = mutable
    return found
