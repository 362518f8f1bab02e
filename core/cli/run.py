"""The subcommands `run`, the default, and `diff`, which compares two of its reports (core.cli.gate)."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.caches import reports_directory
from core.base.files import can_write_in, write_atomically
from core.cli.arguments import (
    UsageError,
    add_limits,
    add_rules,
    add_selection,
    add_walks,
    bounds_of,
    chosen_scenario,
    guest_timeout,
    job_timeout,
    limits_of,
    positive,
    rows_of,
    rules_of,
    seconds,
    shard,
    walks_of,
    workers_of,
)
from core.cli.costs import chosen_model, not_asked
from core.cli.gate import add_gate, add_threshold, annotate, baseline_of, diff_command, status
from core.cli.signals import hold
from core.conformance import SUITE
from core.conformance.scenario import TIERS
from core.cost.price_model import DEFAULT
from core.explore.check import SEED
from core.table.row import Row
from core.table.rows import judged_as, load_workloads
from reports.document import AS_FAILURE
from reports.formats import FORMATS

if TYPE_CHECKING:
    from core.base.cores import CoresOfRun, IdleCores
    from core.cli.report import Subject
    from core.conformance.outside import Outside
    from core.conformance.rule import OutsideRule
    from core.run.isolate import Job
    from core.table.checkpoint import Kept
    from core.table.count_jobs import Counted, CountJob
    from core.table.jobs import VerdictJob


EXAMPLES = """examples:
  run --plugin mine.py:Mine --era 6.12      a plugin from a file, on mm of 6.12
  run --plugin my-policy --tier smoke       an installed one: is it wired at all?
  run --arch smp-6.1 --scenario use-after-free -v
  run --config mine.toml --baseline old.json    fail on what is worse
  run --fail-on unexpected --budget 300     what 300 s leave fails nothing
  run --plugin my-policy --shard 1/4        a quarter, in a CI matrix
  run --arch x86 --config arches-all.toml --format html > report.html
"""

MOST_DAMAGED = 3
"""Damaged files of --resume that are named."""

RUN_TIERS = tuple(tier for tier in TIERS if tier != "finding")
"""What can be asked for by --tier."""


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommands with argparse's add_parser."""
    run = add("run", help="judge and count every architecture (the default)")
    add_selection(run)
    add_run(run)
    run.epilog, run.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    run.set_defaults(command=run_command)

    diff = add("diff", help="what differs between two JSON reports")
    diff.add_argument("old", type=Path, metavar="OLD")
    diff.add_argument("new", type=Path, metavar="NEW")
    add_threshold(diff)
    diff.set_defaults(command=diff_command)


def add_run(run: argparse.ArgumentParser) -> None:
    """Add what says how rows are judged, counted and reported: the flags that `judged` reads."""
    run.add_argument("--scenario", action="append", default=[], metavar="ID", help="only this one: an id, FILE.py:NAME")
    add_rules(run)
    run.add_argument("--format", choices=tuple(FORMATS), default="table", help="format on stdout")
    run.add_argument("-v", "--verbose", action="store_true", help="every cell and every count (--format cells)")
    run.add_argument(
        "--output",
        type=Path,
        default=reports_directory(),
        metavar="DIR",
        help="directory for reports (default: $SHOOTDOWN_REPORTS, or %(default)s)",
    )
    run.add_argument("--all", action="store_true", help="also run the slow scenarios (tier long)")
    run.add_argument("--no-costs", action="store_true", help="verdicts only: count no workloads")
    run.add_argument(
        "--sweep", action="append", default=[], metavar="NAME=VALUES", help="draw a sweep too (--format html)"
    )
    run.add_argument("--prices", default=DEFAULT, metavar="NAME|FILE", help="price model, or a file from calibrate")
    run.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, metavar="N", help="processes at once")
    run.add_argument("--executor", default="", metavar="dask://HOST:PORT", help="run the jobs on a Dask cluster")
    run.add_argument(
        "--budget", type=seconds, metavar="S", help="seconds for all: what is not searched then is bounded"
    )
    run.add_argument("--resume", action="store_true", help="continue an interrupted run")
    run.add_argument("--tier", action="append", default=[], choices=RUN_TIERS, help="only scenarios of this tier")
    run.add_argument("--shard", type=shard, metavar="I/N", help="every Nth scenario from the Ith, for CI matrices")
    add_gate(run)
    add_limits(run)
    add_walks(run)


def run_command(arguments: argparse.Namespace) -> int:
    """Judge the chosen rows in the chosen scenarios, count, report."""
    ready_for_reports(arguments.output)
    rows = rows_of(arguments)
    for row in rows:
        if row.plugin in arguments.plugin and not row.problem:
            print(f"shootdown: {judged_as(row)}", file=sys.stderr)
    return judged(rows, arguments, of_plugin=bool(arguments.plugin))


def ready_for_reports(directory: Path) -> None:
    """See, before any work, that reports can be written there, and keep guests from it. UsageError if they cannot."""
    from core.run.before import protect

    try:
        can_write_in(directory)
    except OSError as error:
        raise UsageError(f"--output {directory}: cannot be written: {error.strerror}") from None
    protect(directory)


def judged(rows: list[Row], arguments: argparse.Namespace, of_plugin: bool) -> int:
    """Judge `rows` in the chosen scenarios, count, report; `of_plugin` as in `_default_scenarios`. The exit status."""
    from core.cli.report import document, subjects_of
    from core.table.jobs import load_scenarios, out_of_time

    started = time.monotonic()
    ready_for_reports(arguments.output)
    drawn = arguments.format == "html"
    if drawn:
        from core.cli import pictures, sweep  # which nothing else needs
        from core.table.count_jobs import COUNTING_TIMEOUT

        pictures.ready_for_pictures()
    elif arguments.sweep:
        raise UsageError("--sweep: only the page has a sweep: --format html; a table of one: shootdown sweep")
    model, baseline = chosen_model(arguments.prices), baseline_of(arguments)
    pieces = sweep.asked_sweep(rows, arguments.sweep, model) if arguments.sweep else []
    scenarios = _scenarios(arguments, of_plugin)
    load_scenarios(scenarios)
    rules = rules_of(arguments)
    if arguments.resume:
        _say_unseen([*rows, *(one for one in scenarios if not isinstance(one, str)), *rules])
    workers, cores = _workers(arguments, len(rows) * len(scenarios))
    cells = _cells(rows, scenarios, arguments, rules, workers, None if cores is None else cores.idle)
    counting = [] if arguments.no_costs else _counting(rows, arguments)
    judging: list[Job] = [*pictures.recorded(cells)] if drawn else [*cells]
    everything: list[Job] = [*judging, *counting, *(pictures.exhibits() if drawn else ())]
    try:
        answers, interrupted = _answers(everything, arguments, started, cores)
    finally:
        if cores is not None:
            cores.close()
    verdicts, counted = answers[: len(cells)], answers[len(cells) : len(cells) + len(counting)]
    results = [answer.result for answer in verdicts] if drawn else verdicts
    if arguments.budget is not None and not interrupted:
        results = [out_of_time(result, arguments.budget) for result in results]
    subjects, priced = subjects_of(rows, model), _costs(counted)
    settings = _settings(arguments, subjects, everything, started)
    hold()
    report = document(subjects, results, priced, settings)
    report |= {AS_FAILURE: True} if arguments.junit_unfinished == "failure" else {}
    if drawn:
        report = pictures.with_pictures(report, verdicts, answers[len(cells) + len(counting) :], cells)
        if pieces and not interrupted:
            report["sweep"] = sweep.swept(pieces, arguments.jobs, arguments.timeout or COUNTING_TIMEOUT)
    saved = _told(report, arguments)
    if interrupted:
        print("shootdown: interrupted; --resume continues", file=sys.stderr)
    annotate(report, arguments)
    return status(report, baseline, arguments) if saved and not interrupted else 2


def _workers(arguments: argparse.Namespace, cells: int) -> tuple[int, CoresOfRun | None]:
    """The threads of each search of so many cells, and the cores that become idle; None where nobody may take them."""
    from core.base.cores import cores_of_run, usable

    workers = workers_of(arguments, min(arguments.jobs, cells))
    if arguments.executor and not arguments.workers:
        workers = 1  # the cores are those of another machine
    settled = arguments.workers or arguments.executor or workers >= usable()  # there is none besides those of each
    return workers, None if settled else cores_of_run(usable(), arguments.jobs, workers)


def _cells(
    rows: Sequence[Row],
    scenarios: Sequence[str | Outside],
    arguments: argparse.Namespace,
    rules: tuple[OutsideRule, ...],
    workers: int,
    idle: IdleCores | None,
) -> list[VerdictJob]:
    """The jobs that judge each row in each scenario."""
    from core.table.jobs import VerdictJob

    limits, walks = limits_of(arguments), walks_of(arguments)
    return [
        VerdictJob(row, scenario, limits, arguments.searcher, walks, rules=rules, workers=workers, idle=idle)
        for row in rows
        for scenario in scenarios
    ]


def _settings(
    arguments: argparse.Namespace, subjects: Sequence[Subject], jobs: Sequence[Job], started: float
) -> dict[str, Any]:
    """What the report says of the run itself; it has taken the time since `started`."""
    from core.cli.report import memory_of

    return {
        "seed": SEED if arguments.walks is None else arguments.seed,
        "searcher": arguments.searcher,
        "bounds": bounds_of(arguments),
        "memory": memory_of(subjects, arguments.memory),
        "containment": _containment(jobs, arguments.executor),
        "seconds": time.monotonic() - started,
    }


def _told(report: Mapping[str, Any], arguments: argparse.Namespace) -> bool:
    """Write the report to its files and to stdout; False if a file could not be written."""
    shown = "cells" if arguments.verbose and arguments.format == "table" else arguments.format
    text = FORMATS[shown].write(report)
    saved = _save(report, arguments.output, shown, text)
    if sys.stderr.isatty():
        print(f"shootdown: reports in {arguments.output}", file=sys.stderr)
    sys.stdout.write(text)
    sys.stdout.flush()
    return saved


def _counting(rows: Sequence[Row], arguments: argparse.Namespace) -> list[CountJob]:
    """The jobs that count the workloads."""
    from core.cost.workloads import STANDARD
    from core.table.count_jobs import COUNTING_TIMEOUT, CountJob

    loads = (*STANDARD.values(), *load_workloads(arguments.config).values())
    return [CountJob(row, loads, timeout=arguments.timeout or COUNTING_TIMEOUT) for row in rows]


def _containment(jobs: Sequence[Job], executor: str) -> str:
    """How the code of third parties was contained, in words; '' if there was none."""
    from core.run.isolate import containment

    if not any(job.guest for job in jobs):
        return ""
    return containment() + (" where it was set up; as each worker of the cluster can, where judged" if executor else "")


def _save(report: Mapping[str, Any], directory: Path, asked: str, text: str) -> bool:
    """Write the report in every format that has a file; says on stderr which could not be written.

    `text` is the report in the format `asked` for on stdout.
    """
    saved = True
    for name, form in FORMATS.items():
        try:
            if form.file and (name == asked or not form.on_request):
                write_atomically(directory / form.file, text if name == asked else form.write(report))
        except OSError as error:
            saved = False
            print(f"shootdown: {directory / form.file}: not written: {error.strerror}", file=sys.stderr)
    return saved


def _say_unseen(named: Sequence[Row | Outside | OutsideRule]) -> None:
    """Say on stderr what --resume cannot know of the third parties' code, of which it may take old results."""
    for one in named:
        if one.unseen:
            name = one.name if isinstance(one, Row) else one.id
            does = ", ".join(one.unseen)
            print(
                f"shootdown: {name}: as it is set up it {does}: --resume does not see what is read so", file=sys.stderr
            )


def _scenarios(arguments: argparse.Namespace, of_plugin: bool) -> list[str | Outside]:
    """The scenarios that --scenario, --tier, --all and --shard choose. UsageError if none is left."""
    chosen = [chosen_scenario(name) for name in dict.fromkeys(arguments.scenario)]
    if not chosen and arguments.tier:
        chosen = [s.id for s in SUITE.values() if s.tier in arguments.tier]
    chosen = chosen or _default_scenarios(arguments.all, of_plugin)
    if arguments.shard is None:
        return chosen
    first, every = arguments.shard
    mine = chosen[first - 1 :: every]
    if not mine:
        raise UsageError(f"--shard {first}/{every}: there are only {len(chosen)} scenarios")
    return mine


def _default_scenarios(everything: bool, of_plugin: bool) -> list[str | Outside]:
    """All scenarios, or all but those of tier long, and large runs unless `of_plugin`; reports which are left out.

    The project's own rows make their large runs in its tests: they double the time of a run.
    """
    tiers = () if everything else ("long",) if of_plugin else ("long", "large")
    left_out = [s.id for s in SUITE.values() if s.tier in tiers]
    if left_out:
        print(f"slow scenarios left out (--all runs them): {', '.join(left_out)}", file=sys.stderr)
    return [name for name in SUITE if name not in left_out]


def _answers(
    everything: list[Job], arguments: argparse.Namespace, started: float, cores: CoresOfRun | None
) -> tuple[list[Any], bool]:
    """Run the jobs and checkpoint each result; with --resume, checkpointed ones are not run again.

    Also returns whether Ctrl-C was pressed; unfinished jobs then have an error result that says so, as they have when
    the time of --budget, since `started`, is up.
    """
    from core.cli.progress import Progress
    from core.run import isolate, pool
    from core.table import checkpoint
    from core.table.jobs import kindred

    kept = checkpoint.Kept(checkpoint.place(arguments.output))
    checkpoint.forget_others(arguments.output)
    known = {n: kept.get(job) for n, job in enumerate(everything)} if arguments.resume else {}
    for path in kept.damaged[:MOST_DAMAGED]:
        print(f"shootdown: {path}: damaged or edited, computed again", file=sys.stderr)
    if len(kept.damaged) > MOST_DAMAGED:
        print(f"shootdown: {len(kept.damaged) - MOST_DAMAGED} more are damaged or edited", file=sys.stderr)
    answers = [known.get(n) for n in range(len(everything))]
    missing = [n for n in kindred(everything) if answers[n] is None]
    lost = False
    until = None if arguments.budget is None else started + arguments.budget
    jobs, limits = [everything[n] for n in missing], (job_timeout(arguments), guest_timeout(arguments))
    together = pool.per_child(len(jobs), arguments.jobs)
    if not arguments.executor:
        isolate.fork_wardens(min(arguments.jobs, pool.shipped(jobs, together)))
    with Progress(len(missing), sys.stderr) as progress, pool.executor(arguments.executor, arguments.jobs) as workers:
        memory = pool.memory_for_each(arguments.jobs)
        running = pool.run(
            jobs,
            workers,
            progress.done,
            limits[0],
            memory,
            together,
            guest_timeout=limits[1],
            until=until,
            cores=cores,
        )
        try:
            for n, answer in zip(missing, running, strict=True):
                answers[n] = answer
                lost = lost or _not_kept(kept, everything[n], answer)
        except KeyboardInterrupt:
            isolate.interrupt()
            return [everything[n].failed(isolate.INTERRUPTED) if a is None else a for n, a in enumerate(answers)], True
    return answers, False


def _not_kept(kept: Kept, job: Job, answer: Any) -> bool:
    """Keep an answer for --resume; True, said on stderr, if that failed: it costs the run nothing else."""
    try:
        kept.put(job, answer)
    except OSError as error:
        print(f"shootdown: {error.filename or kept.directory}: not kept: {error.strerror}", file=sys.stderr)
        return True
    return False


def _costs(counted: list[Counted]) -> dict[str, dict[str, dict[str, int]]]:
    """The counts by row and workload; reports on stderr what could not be counted, and why."""
    for one in counted:
        if one.problem:
            print(f"shootdown: {one.architecture}: not counted: {one.problem}", file=sys.stderr)
        elif one.unasked:
            print(f"shootdown: {not_asked(one)}", file=sys.stderr)
    return {one.architecture: one.counts for one in counted if not one.problem}
