"""The subcommand `compare`: what one policy changes against another, fit for a mail to a list.

Rows, plugins and eras are named alike.  A plugin without an era of its own is judged on that of what it is compared
with, and an era alone stands for the other side's architecture on that kernel.  So `compare mine.py:Mine --against x86`
shows what a patch changes, and `compare x86 --against 6.1` what a kernel version does.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from textwrap import fill
from typing import TYPE_CHECKING, Any

from core.cli.arguments import (
    UsageError,
    add_limits,
    chosen_scenario,
    chosen_workload,
    job_timeout,
    limits_of,
    positive,
    under,
    workers_of,
)
from core.cli.costs import not_asked
from core.cli.coverage import never_ran, own_hooks
from core.cli.side import Side
from core.conformance import SUITE, Result
from core.conformance.outside import Outside
from core.cost.core_workloads import OF_THE_CORE
from core.cost.workloads import CHANGES, STANDARD, WORKLOADS
from core.explore.text import MAIL_WIDTH, mail
from core.mm.era import ERAS, Era
from core.table.row import Row

if TYPE_CHECKING:
    from core.conformance.coverage import Covered
    from core.cost.outside import OutsideWorkload
    from core.cost.workload import Workload
    from core.table.count_jobs import Counted
    from core.table.jobs import VerdictJob

MEMORY = {
    "sc": "the order of memory accesses is sequentially consistent",
    "tso": "the order of memory accesses is that of total store order",
    "weak": "loads are not delayed, as a weak memory model would allow",
}
"""What the memory model of a row leaves out."""

SMP = "arch_plugins.generic:Smp"
"""The architecture of two eras that are compared with each other."""


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    compare = add("compare", help="what one policy changes against another: rows, plugins, eras")
    compare.add_argument("new", metavar="A", help="row, plugin or era; NAME@ERA puts a plugin on an era")
    compare.add_argument("old", metavar="B", nargs="?", default="", help="what A is compared with")
    compare.add_argument("--against", default="", metavar="B", help="the same")
    compare.add_argument("--config", action="append", default=[], metavar="FILE", help="rows from FILE")
    compare.add_argument("--scenario", action="append", default=[], metavar="ID", help="only this one")
    compare.add_argument("--workload", action="append", default=[], metavar="NAME", help="count this workload")
    compare.add_argument("--all", action="store_true", help="also the slow scenarios (tiers long and large)")
    compare.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, metavar="N", help="processes at once")
    compare.add_argument("--format", choices=("text", "html"), default="text", help="html: a page to step through both")
    add_limits(compare)
    compare.set_defaults(command=compare_command, walks=None)


def compare_command(arguments: argparse.Namespace) -> int:
    """Print what differs, in lines of at most MAIL_WIDTH characters, or the page; exit status 1 if anything does."""
    new, old = sides_named(arguments)
    return _page(new, old, arguments) if arguments.format == "html" else compared(new, old, arguments)


def _page(new: Row, old: Row, arguments: argparse.Namespace) -> int:
    from core.cli.against_page import page
    from core.cli.pictures import ready_for_pictures
    from core.table.recorded_jobs import RecordedJob

    ready_for_pictures()
    cells = _cells(new, old, _asked(arguments), arguments)
    recorded, counted, found = _run(new, old, [RecordedJob(cell, whole=True) for cell in cells], arguments)
    first, second = _sides(new, old, [one.result for one in recorded], counted)
    sys.stdout.write(page(first, second, recorded, cells, unseen(new, first.results, found), arguments))
    differ = verdict_changes(second.results, first.results) or count_changes(second.counted, first.counted)
    return 1 if differ else 0


def compared(
    new: Row,
    old: Row,
    arguments: argparse.Namespace,
    loads: Iterable[Workload] = STANDARD.values(),
    counting: Callable[[Row], Row] = lambda row: row,
) -> int:
    """`compare_command` of two rows, as lines.

    `loads` are counted unless --workload says which, on the row that `counting` has for each of the two.
    """
    scenarios = _asked(arguments)
    cells = _cells(new, old, scenarios, arguments)
    results, counted, found = _run(new, old, cells, arguments, loads, counting)
    first, second = _sides(new, old, results, counted)
    print(wrapped(f"{new.name} against {old.name}"))
    asked = f"{len(scenarios)} scenario{'' if len(scenarios) == 1 else 's'}"
    print(wrapped(f"{asked}; eras {new.era.name} and {old.era.name}"))
    verdicts = verdict_changes(second.results, first.results)
    print(f"\nverdicts that differ: {len(verdicts)}")
    for line in verdicts:
        print(wrapped(line, "  "))
    worst = shortest(first.results, second.results)
    if worst is not None:
        print(f"\n{wrapped(f'{worst.scenario}, {worst.architecture}:')}\n")
        print(mail(worst.trace))
        print(f"\n{wrapped(f'{worst.violated}: {worst.sentence}')}")
    counts = count_changes(second.counted, first.counted)
    print(f"\ncounts that differ: {len(counts)}")
    for line in counts:
        print(wrapped(line, "  "))
    if first.counted.by_text is not None or second.counted.by_text is not None:
        print(wrapped(with_c(first.counted, second.counted)))
    for side in (first, second):
        if side.counted.unasked:
            print(wrapped(not_asked(side.counted)))
        if side.counted.problem:
            print(wrapped(f"{side.row.name}: not counted: {side.counted.problem}"))
    print(f"\n{wrapped(unseen(new, first.results, found))}")
    return 1 if verdicts or counts else 0


# ---- what is compared ----------------------------------------------------------------------------------------


def sides_named(arguments: argparse.Namespace) -> tuple[Row, Row]:
    """The two rows, with names that tell them apart. UsageError if one of them is not named, or cannot be used."""
    if bool(arguments.old) == bool(arguments.against):
        raise UsageError("compare A --against B, or compare A B: name one B")
    names = arguments.new, arguments.old or arguments.against
    eras = [ERAS.get(name) for name in names]
    rows = [None if era else _row(name, None, arguments) for name, era in zip(names, eras, strict=True)]
    made = []
    for at, (name, row, era) in enumerate(zip(names, rows, eras, strict=True)):
        other = rows[1 - at]
        if row is None:
            assert era is not None
            row = replace(other or _row(SMP, era.name, arguments), era=era)
        elif ":" in name and "@" not in name and other is not None and ":" not in names[1 - at]:
            row = replace(row, era=other.era)
        made.append(row)
    first, second = (under(replace(row, expect={}), arguments.memory) for row in made)
    if first.name == second.name:
        return replace(first, name=f"{first.name}@{first.era.name}"), replace(
            second, name=f"{second.name}@{second.era.name}"
        )
    return first, second


def _row(name: str, era: str | None, arguments: argparse.Namespace) -> Row:
    from pathlib import Path

    from core.cli.resolve_arch import choose

    plain, at, own = name.partition("@")
    if at and own not in ERAS:
        raise UsageError(f"{name}: expected one of {', '.join(ERAS)} behind the @")
    files = [Path(file) for file in arguments.config]
    wanted = own or era
    for file in files:
        from core.table.rows import load

        if any(row.name == plain for row in load(file)):
            return _on(choose(plain, None, file), wanted)
    return _on(choose(plain, None), wanted)


def _on(row: Row, era: str | None) -> Row:
    kept: Era = ERAS[era] if era else row.era
    return replace(row, era=kept)


def _asked(arguments: argparse.Namespace) -> list[str | Outside]:
    left_out = () if arguments.all else ("long", "large")
    named = [chosen_scenario(name) for name in dict.fromkeys(arguments.scenario)]
    return named or [scenario.id for scenario in SUITE.values() if scenario.tier not in left_out]


def _cells(new: Row, old: Row, scenarios: Sequence[str | Outside], arguments: argparse.Namespace) -> list[VerdictJob]:
    """The verdicts of `new`, then those of `old`."""
    from core.table.jobs import VerdictJob

    limits, threads = limits_of(arguments), workers_of(arguments, min(arguments.jobs, 2 * len(scenarios)))
    return [
        VerdictJob(row, scenario, limits, arguments.searcher, workers=threads)
        for row in (new, old)
        for scenario in scenarios
    ]


def _run(
    new: Row,
    old: Row,
    judging: Sequence[Any],
    arguments: argparse.Namespace,
    standard: Iterable[Workload] = STANDARD.values(),
    counting: Callable[[Row], Row] = lambda row: row,
) -> tuple[list[Any], list[Counted], list[Covered]]:
    """The answers of the jobs `judging`, which are those of `_cells`, the counts of both, the new one's coverage."""
    from core.cli.progress import Progress
    from core.run import pool
    from core.table.count_jobs import CountJob
    from core.table.coverage_jobs import CoverageJob

    named = tuple(
        chosen_workload(name, {**WORKLOADS, **CHANGES, **OF_THE_CORE}) for name in dict.fromkeys(arguments.workload)
    )
    loads = named or tuple(standard)
    jobs = [*judging, *(CountJob(counting(row), (load,)) for row in (new, old) for load in loads)]
    jobs += [CoverageJob(new, scenario) for scenario in _asked(arguments)]
    with Progress(len(jobs), sys.stderr) as progress, pool.executor("", arguments.jobs) as workers:
        memory = pool.memory_for_each(arguments.jobs)
        answers = list(pool.run(jobs, workers, progress.done, job_timeout(arguments), memory))
    first, second, rest = (len(judging) + part * len(loads) for part in range(3))
    counted = [_together(answers[first:second], loads), _together(answers[second:rest], loads)]
    return answers[:first], counted, answers[rest:]


def _together(counted: Sequence[Counted], loads: Sequence[Workload | OutsideWorkload]) -> Counted:
    """The counts of one row, each workload of which was counted by itself: one that cannot be leaves the others."""
    from core.table.count_jobs import Counted

    counts = {load: numbers for one in counted for load, numbers in one.counts.items()}
    unasked = tuple(load for one in counted for load in one.unasked)
    problems: dict[str, list[str]] = {}
    for one, load in zip(counted, loads, strict=True):
        if one.problem:
            problems.setdefault(one.problem, []).append(load.name)
    said = [f"{', '.join(names)}: {problem}" for problem, names in problems.items()]
    texts = [one.by_text for one in counted if one.by_text is not None]
    by_text = tuple(load for one in texts for load in one) if texts else None
    return Counted(counted[0].architecture, counts, "; ".join(said), unasked, by_text)


def _sides(new: Row, old: Row, results: list[Result], counted: Sequence[Counted]) -> tuple[Side, Side]:
    half = len(results) // 2
    return Side(new, results[:half], counted[0]), Side(old, results[half:], counted[1])


# ---- what differs --------------------------------------------------------------------------------------------


def told(result: Result) -> str:
    """A verdict with the length of its trace and what is violated."""
    if result.verdict == "fail":
        return f"fail({len(result.trace)}) {result.violated or result.reason}"
    return result.verdict if result.verdict != "error" else f"error: {result.reason}"


def verdict_changes(before: Iterable[Result], now: Iterable[Result]) -> list[str]:
    """One line for each scenario whose verdict, broken property or length of trace differs."""
    pairs = zip(before, now, strict=True)
    return [f"{new.scenario}: {told(old)} -> {told(new)}" for old, new in pairs if told(old) != told(new)]


def shortest(first: Iterable[Result], second: Iterable[Result]) -> Result | None:
    """The failure with the shortest trace among those that only one of the two has: the new one's, if it has any."""
    pairs = list(zip(first, second, strict=True))
    for mine, other in ((0, 1), (1, 0)):
        only = [pair[mine] for pair in pairs if pair[mine].trace and not pair[other].trace]
        if only:
            return min(only, key=lambda result: len(result.trace))
    return None


def count_changes(before: Counted, now: Counted) -> list[str]:
    """One line for each count that differs, by workload; of one that was counted on both sides."""
    lines = []
    for load, counts in now.counts.items():
        if load not in before.counts:
            continue
        old: Mapping[str, int] = before.counts[load]
        for name in dict.fromkeys([*counts, *old]):
            was, is_now = old.get(name, 0), counts.get(name, 0)
            if was != is_now:
                lines.append(f"{load}: {name} {was} -> {is_now}")
    return lines


def with_c(*sides: Counted) -> str:
    """In one sentence: which workloads take functions of the core from C on both sides, where they come to any."""
    by_text = {load for side in sides for load in (side.counts if side.by_text is None else side.by_text)}
    all_of_them = list(dict.fromkeys(load for side in sides for load in side.counts))
    texts = [load for load in all_of_them if load in by_text]
    by_c = len(all_of_them) - len(texts)
    said = f"{by_c} of {len(all_of_them)} workloads were counted with the core's C, where they come to it"
    return f"{said}; with the text in Python: {', '.join(texts)}." if texts else f"{said}."


def unseen(row: Row, results: Iterable[Result], found: Sequence[Covered]) -> str:
    """In one sentence: what a pass of `row` says nothing about."""
    results = list(results)
    stated = row.stated
    model = row.facts.get("memory_model", stated.memory_model) if stated is not None and stated.smp else "sc"
    parts = [MEMORY[model], "models have a few CPUs and pages"]
    kinds = {
        "unsupported": "{} scenarios ask for what it lacks",
        "bounded": "{} searches are bounded",
        "error": "{} ended in errors",
    }
    for verdict, said in kinds.items():
        number = sum(result.verdict == verdict for result in results)
        if number:
            parts.append(said.format(number))
    never = never_ran(own_hooks(row), found)
    if never:
        parts.append(f"of its hooks these never ran: {', '.join(never)}")
    return f"Not seen: {'; '.join(parts)}."


def wrapped(text: str, indent: str = "") -> str:
    """`text` in lines of at most MAIL_WIDTH characters."""
    return fill(text, MAIL_WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
