"""The command line: `python -m core.compare`, also installed as `shootdown`.

Results go to stdout, progress and diagnostics to stderr.  Exit status: 0 everything as declared (or every case equal),
1 not, 2 usage, configuration or internal error.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import costs, kernels, verdicts
from core.cli.arguments import (
    UsageError,
    add_limits,
    add_selection,
    add_walks,
    bounds_of,
    limits_of,
    patience,
    positive,
    rows_of,
    scenario_of,
    walks_of,
)
from core.conformance import FINDINGS, SCENARIOS, as_declared
from core.conformance.scenarios import MODULE_OF
from core.cost import STANDARD
from core.cost.price_model import DEFAULT
from core.explore.check import SEED
from core.plugins.arch import PluginError
from core.run.pool import ExecutorError
from core.table.rows import ConfigError, Row, load_workloads

if TYPE_CHECKING:
    from core.cost.price_model import PriceModel
    from core.run.isolate import Job
    from core.table.jobs import Counted

EPILOG = """examples:
  python -m core.compare                                  every row of the embedded arches.toml
  python -m core.compare --config arches-all.toml         every Linux architecture with an MMU
  python -m core.compare --arch smp-6.1 --scenario use-after-free
  python -m core.compare --plugin mine.py:Mine            a plugin of your own, from a file
  python -m core.compare explain smp-6.1 lost-dirty-dontneed
  python -m core.compare golden FILE...                   replay traces of the kernel's own code
  python -m core.compare bugs                             historic bugs, found and proved absent
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    _streams()
    arguments = parser().parse_args(_with_default(sys.argv[1:] if argv is None else list(argv)))
    try:
        status: int = arguments.command(arguments)
        sys.stdout.flush()
        return status
    except (ConfigError, ExecutorError, PluginError, UsageError) as error:
        print(f"shootdown: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads has seen enough; the interpreter must not try again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        print(
            f"shootdown: {error.filename}: {error.strerror}" if error.filename else f"shootdown: {error}",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("shootdown: interrupted", file=sys.stderr)
        return 2


def _streams() -> None:
    """What was closed leads nowhere, and what the encoding of stdout lacks is escaped."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


COMMANDS = (
    "run",
    "list",
    "explain",
    "diff",
    "golden",
    "bugs",
    "mutants",
    "measured",
    "sweep",
    "prices",
    "published",
    "calibrate",
    "workloads",
    "replay",
)


def _with_default(argv: list[str]) -> list[str]:
    """`run` is what is meant where no subcommand is named."""
    if argv and (argv[0] in COMMANDS or argv[0] in ("-h", "--help")):
        return argv
    return ["run", *argv]


def parser() -> argparse.ArgumentParser:
    """All subcommands and their flags."""
    top = argparse.ArgumentParser(
        "shootdown",
        description="Compare the TLB-flush policies of Linux architectures.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="judge and count every architecture (the default)")
    add_selection(run)
    run.add_argument("--scenario", action="append", default=[], metavar="ID", help="only this scenario")
    run.add_argument("--format", choices=("table", "json", "markdown"), default="table", help="what goes to stdout")
    run.add_argument("--output", type=Path, default=Path("reports/out"), metavar="DIR", help="where reports go")
    run.add_argument("--all", action="store_true", help="scenarios of the tier long too")
    run.add_argument("--no-costs", action="store_true", help="judge only, count no workloads")
    run.add_argument("--prices", default=DEFAULT, metavar="NAME|FILE", help="prices; a file is what calibrate writes")
    run.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, metavar="N", help="cells at once")
    run.add_argument("--executor", default="", metavar="dask://HOST:PORT", help="run the jobs on a Dask cluster")
    run.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    add_limits(run)
    add_walks(run)
    run.set_defaults(command=run_command)

    listing = commands.add_parser("list", help="what there is: architectures and scenarios")
    listing.add_argument("what", nargs="?", choices=("all", "arches", "scenarios"), default="all")
    add_selection(listing)
    listing.set_defaults(command=list_command)

    verdicts.add_parsers(commands.add_parser)

    diff = commands.add_parser("diff", help="what changed from one JSON report to another")
    diff.add_argument("old", type=Path, metavar="OLD")
    diff.add_argument("new", type=Path, metavar="NEW")
    diff.set_defaults(command=diff_command)

    kernels.add_parsers(commands.add_parser)
    costs.add_parsers(commands.add_parser)
    return top


def run_command(arguments: argparse.Namespace) -> int:
    """Judge the chosen rows in the chosen scenarios, count, report."""
    from core.base import files
    from core.table.jobs import COUNTING_TIMEOUT, CountJob, VerdictJob
    from reports import document, junit, tables

    rows, model = rows_of(arguments), costs.chosen_model(arguments.prices)
    scenarios = [scenario_of(name) for name in arguments.scenario] or _default_scenarios(arguments.all)
    limits = limits_of(arguments)
    cells = [
        VerdictJob(row, scenario, limits, arguments.searcher, walks_of(arguments))
        for row in rows
        for scenario in scenarios
    ]
    loads = (*STANDARD.values(), *load_workloads(arguments.config).values())
    counting = (
        []
        if arguments.no_costs
        else [CountJob(row, loads, timeout=arguments.timeout or COUNTING_TIMEOUT) for row in rows]
    )
    everything: list[Job] = [*cells, *counting]
    answers, interrupted = _answers(everything, arguments)
    results, counted = answers[: len(cells)], answers[len(cells) :]
    subjects, priced = _subjects(rows, model), _costs(counted)
    settings = {
        "seed": SEED if arguments.walks is None else arguments.seed,
        "searcher": arguments.searcher,
        "bounds": bounds_of(arguments),
    }
    report = document.document(subjects, results, priced, settings)
    texts = {
        "json": document.to_json(report),
        "markdown": tables.markdown(report),
        "table": tables.text(report),
    }
    files.write_atomically(arguments.output / "report.json", texts["json"])
    files.write_atomically(arguments.output / "report.md", texts["markdown"])
    files.write_atomically(arguments.output / "report.xml", junit.junit(report))
    sys.stdout.write(texts[arguments.format])
    sys.stdout.flush()
    if interrupted:
        print("shootdown: interrupted; --resume goes on", file=sys.stderr)
        return 2
    return 0 if all(map(as_declared, results)) else 1


def _default_scenarios(everything: bool) -> list[str]:
    """All but those that take long; what is left out is said."""
    left_out = [] if everything else [s.id for s in SCENARIOS.values() if s.tier == "long"]
    if left_out:
        print(f"left out, because they take long (--all runs them): {', '.join(left_out)}", file=sys.stderr)
    return [name for name in SCENARIOS if name not in left_out]


def _answers(everything: list[Job], arguments: argparse.Namespace) -> tuple[list[Any], bool]:
    """Run the jobs, keeping each answer as it comes; with --resume, kept ones are not run again.

    Also says whether Ctrl-C was pressed; what was not finished then is an error that says so.
    """
    from core.cli.progress import Progress
    from core.run import isolate, pool
    from core.table import checkpoint

    kept = checkpoint.Kept(arguments.output / "kept")
    known = {n: kept.get(job) for n, job in enumerate(everything)} if arguments.resume else {}
    answers = [known.get(n) for n in range(len(everything))]
    missing = [n for n, answer in enumerate(answers) if answer is None]
    with Progress(len(missing), sys.stderr) as progress, pool.executor(arguments.executor, arguments.jobs) as workers:
        memory = pool.memory_for_each(arguments.jobs)
        running = pool.run([everything[n] for n in missing], workers, progress.done, patience(arguments), memory)
        try:
            for n, answer in zip(missing, running, strict=True):
                answers[n] = answer
                kept.put(everything[n], answer)
        except KeyboardInterrupt:
            isolate.interrupt()
            return [everything[n].failed(isolate.INTERRUPTED) if a is None else a for n, a in enumerate(answers)], True
    return answers, False


def _subjects(rows: list[Row], model: PriceModel) -> list[Any]:
    from reports.document import Subject

    return [Subject(r.name, r.plugin, r.era.name, r.stated, r.problem, r.model(model)) for r in rows]


def _costs(counted: list[Counted]) -> dict[str, dict[str, dict[str, int]]]:
    """By row and workload. What could not be counted says why on stderr."""
    for one in counted:
        if one.problem:
            print(f"shootdown: {one.architecture}: not counted: {one.problem}", file=sys.stderr)
    return {one.architecture: one.counts for one in counted if not one.problem}


def list_command(arguments: argparse.Namespace) -> int:
    """Architectures with their family, kernel version and source files, scenarios with their origin.

    `kernel` is the version that the plugin was written from, `core` the state of the generic code under it.
    """
    from tabulate import tabulate

    if arguments.what in ("all", "arches"):
        table = []
        for row in rows_of(arguments):
            facts = row.stated
            if facts is None:
                table.append([row.name, f"cannot be used: {row.problem}", "", row.era.name, "", "", row.plugin])
                continue
            able, files = ", ".join(sorted(facts.capabilities)), " ".join(facts.sources)
            table.append([row.name, facts.family, facts.kernel, row.era.name, able, files, row.plugin])
        head = ["architecture", "family", "kernel", "core", "capabilities", "source files", "plugin"]
        print(tabulate(table, head, disable_numparse=True))
    if arguments.what == "all":
        print()
    if arguments.what in ("all", "scenarios"):
        scenarios = [
            [s.id, MODULE_OF[s.id], s.tier, ", ".join(s.requires), s.title, s.origin]
            for s in (SCENARIOS | FINDINGS).values()
        ]
        print(tabulate(scenarios, ["scenario", "module", "tier", "requires", "what must hold", "origin"]))
    return 0


def diff_command(arguments: argparse.Namespace) -> int:
    """Verdicts and counts that differ, a line each; exit status 1 if there are any."""
    from reports.difference import ReportError, changes, read

    try:
        found = changes(read(arguments.old), read(arguments.new))
    except ReportError as error:
        raise UsageError(str(error)) from error
    for change in found:
        print(change)
    print(f"{len(found)} changed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
