"""`tree --equal`: is the Python text the same program as the tree's C?  Scenario by scenario, thread by thread."""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from core.cli.against import count_changes, wrapped
from core.cli.arguments import chosen_scenario, job_timeout, limits_of
from core.conformance import SUITE
from core.cost.workloads import STANDARD
from core.explore import Limits
from core.table.row import Row
from core.tree.learned import LearnedOfC, by_file, unreached

if TYPE_CHECKING:
    from core.explore.same import Difference
    from core.run.isolate import Job
    from core.table.count_jobs import Counted
    from core.table.equal_jobs import Compared
    from core.tree.row import Built

MOST_STATES = 200_000
"""That a scenario is searched through for; of a larger one that many are samples."""

TIERS = ("long", "large")
"""Of scenarios that are not compared unless they are named."""

LAST_STEPS = 12
"""Of the answers before a difference that are shown."""


class Sides(NamedTuple):
    """What is compared: the plugin in Python, and the C of a tree, built if it could be."""

    python: Row
    c: Row
    built: Built | None


def equal_command(sides: Sequence[Sides], arguments: argparse.Namespace) -> int:
    """Print what is equal and what differs; exit status 1 if anything does, or cannot be compared."""
    names = [chosen_scenario(name) for name in dict.fromkeys(arguments.scenario)]
    scenarios = names or [s.id for s in SUITE.values() if s.tier not in TIERS]
    answers, counted = _run(sides, scenarios, arguments)
    wrong = False
    for side in sides:
        mine = [one for one in answers if one.second == side.c.name]
        print("\n".join(_report(side, mine)))
        for line in [] if arguments.no_costs else _accounting(side, counted):
            print(line)
        print()
        wrong |= any(not (one.equal or one.lacking) for one in mine)
    return int(wrong)


def _run(
    sides: Sequence[Sides], scenarios: Sequence[object], arguments: argparse.Namespace
) -> tuple[list[Compared], dict[str, Counted]]:
    from core.cli.progress import Progress
    from core.run import pool
    from core.table.count_jobs import CountJob
    from core.table.equal_jobs import EqualJob

    limits = limits_of(arguments)
    limits = Limits(limits.max_states or MOST_STATES, limits.timeout, limits.max_memory)
    jobs = [EqualJob(side.python, side.c, scenario, limits) for side in sides for scenario in scenarios]  # type: ignore[arg-type]
    loads = () if arguments.no_costs else tuple(STANDARD.values())
    rows = [row for side in sides for row in (side.python, side.c)] if loads else []
    everything: list[Job] = [*jobs, *(CountJob(row, loads) for row in rows)]
    with Progress(len(everything), sys.stderr) as progress, pool.executor("", arguments.jobs) as workers:
        memory = pool.memory_for_each(arguments.jobs)
        found = list(pool.run(everything, workers, progress.done, job_timeout(arguments), memory))
    return found[: len(jobs)], {one.architecture: one for one in found[len(jobs) :]}


# ---- what is printed ---------------------------------------------------------------------------------------------


def _report(side: Sides, answers: Sequence[Compared]) -> Iterator[str]:
    yield wrapped(f"{side.c.name} against {side.python.name}: {_summary(answers)}")
    for one in answers:
        if one.problem:
            yield wrapped(f"{one.scenario}: not compared: {one.problem}", "  ")
    for differences in _grouped(answers):
        yield from _difference(*differences)
    compared = [one.found for one in answers if one.found]
    silent = sorted({text for found in compared for text in found.silent})
    yield from _listed("silent, on one side only, and changes nothing:", [_named(text) for text in silent])
    sampled = [f"{one.scenario}: {one.found.bounds}" for one in answers if one.found and not one.found.exhaustive]
    yield from _listed("sampled and not proved:", sampled)
    known = LearnedOfC()
    for one in answers:
        known = known.joined(one.learned)
    yield wrapped(f"{len(known.functions)} functions of C, each with its arguments and CPUs, were run", "  ")
    yield from _listed(
        "hidden words, which the model does not know and whose answers change nothing:", sorted(known.hidden)
    )
    if side.built is not None:
        yield from _listed("lines with operations that nothing has reached:", by_file(unreached(side.built, known)))


def _summary(answers: Sequence[Compared]) -> str:
    proved = sum(one.equal and bool(one.found and one.found.exhaustive) for one in answers)
    sampled = sum(one.equal for one in answers) - proved
    differ = sum(bool(one.found and one.found.differences) for one in answers)
    failed, lack = sum(bool(one.problem) for one in answers), sum(bool(one.lacking) for one in answers)
    pairs = sum(one.found.pairs for one in answers if one.found)
    memories = sum(one.found.combinations for one in answers if one.found)
    without = sum(one.equal and not one.learned.functions for one in answers)
    parts = [f"{proved} scenarios equal (proved)", *([f"{sampled} equal on samples"] if sampled else [])]
    parts += [f"{without} of these run no C"] if without else []
    parts += [f"{differ} differ"]
    parts += [f"{number} {what}" for number, what in ((failed, "not compared"), (lack, "do not apply")) if number]
    return f"{', '.join(parts)}; {pairs} pairs of local states in {memories} memories"


def _grouped(answers: Sequence[Compared]) -> Iterator[tuple[Difference, list[str]]]:
    """Each difference once, the one with the shortest history, with all scenarios that have it."""
    groups: dict[tuple[str, str], list[tuple[str, Difference]]] = defaultdict(list)
    for one in answers:
        for difference in one.found.differences if one.found else ():
            groups[_kind(difference.first), _kind(difference.second)].append((one.scenario, difference))
    for found in groups.values():
        shortest = min(found, key=lambda one: len(one[1].history))
        yield shortest[1], [shortest[0], *sorted({name for name, _ in found} - {shortest[0]})]


def _kind(operation: str) -> str:
    """An operation without its operands, but with its place: those of a line are one kind."""
    said, _, place = operation.partition(" at ") if " at " in operation else operation.rpartition(" (")
    return f"{re.sub(r'[0-9]+', 'N', said)} {place}"


def _difference(difference: Difference, scenarios: Sequence[str]) -> Iterator[str]:
    also = f" (and {', '.join(scenarios[1:])})" if scenarios[1:] else ""
    yield ""
    yield wrapped(f"differs: {scenarios[0]}, {difference.thread}{also}", "  ")
    skipped = len(difference.history) - LAST_STEPS
    if skipped > 0:
        yield f"    ... {skipped} answers before"
    for step, answer in difference.history[-LAST_STEPS:]:
        yield wrapped(_named(f"{step}: {answer}"), "    ")
    yield wrapped(f"Python: {difference.first}", "    > ")
    yield wrapped(f"C:      {_without_walker(difference.second)}", "    > ")
    yield wrapped(_named(difference.why), "    ")


def _named(text: str) -> str:
    named = text.replace("the first alone: ", "Python alone: ").replace("the second alone: ", "C alone: ")
    named = named.replace("only the first: ", "Python: ").replace("only the second: ", "C: ")
    named = named.replace("the first: ", "Python: ").replace("the second: ", "C: ")
    return _without_walker(named) if named.startswith("C: ") else named


def _without_walker(text: str) -> str:
    """The operation with its line of C alone, without that of the binding that walks it."""
    return re.sub(r" \(arch_plugins/from_c/[^)]*\)$", "", text) if " at " in text else text


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    lines = list(dict.fromkeys(lines))
    if lines:
        yield ""
        yield wrapped(title, "  ")
        yield from (wrapped(line, "    ") for line in lines)


def _accounting(side: Sides, counted: dict[str, Counted]) -> Iterator[str]:
    """Counts on the workloads that differ though no cell does."""
    ours, theirs = counted[side.python.name], counted[side.c.name]
    for one in (ours, theirs):
        if one.problem:
            yield wrapped(f"{one.architecture}: not counted: {one.problem}", "  ")
    yield from _listed("accounting that no cell sees (workloads, Python to C):", count_changes(ours, theirs))
