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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import core.cost.commands as cost_commands
import core.linux.commands as linux_commands
from core.arch import PluginError
from core.config import DEFAULT_ERA, ConfigError, Row, load, load_workloads, plugin_row
from core.conformance import FINDINGS, SCENARIOS, Result, as_declared
from core.conformance.exhibit import Exhibit
from core.conformance.judge import Walks
from core.cost.model import DEFAULT
from core.explore import Limits
from core.explore.check import SEED
from core.explore.text import columns
from core.mm.era import ERAS

if TYPE_CHECKING:
    from core.apart import Job
    from core.conformance import mutate
    from core.cost.model import Model
    from core.jobs import Counted

EPILOG = """examples:
  python -m core.compare                                  every row of the embedded arches.toml
  python -m core.compare --config arches-all.toml         every Linux architecture with an MMU
  python -m core.compare --arch smp-6.1 --scenario use-after-free
  python -m core.compare --plugin mine.py:Mine            a plugin of your own, from a file
  python -m core.compare explain smp-6.1 lost-dirty-dontneed
  python -m core.compare golden FILE...                   replay traces of the kernel's own code
  python -m core.compare bugs                             historic bugs, found and proved absent
"""


class UsageError(Exception):
    """What the user asked for does not exist; one line that says what does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    _streams()
    arguments = parser().parse_args(_with_default(sys.argv[1:] if argv is None else list(argv)))
    try:
        status: int = arguments.command(arguments)
        sys.stdout.flush()
        return status
    except (ConfigError, PluginError, UsageError) as error:
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
    _selection(run)
    run.add_argument("--scenario", action="append", default=[], metavar="ID", help="only this scenario")
    run.add_argument("--format", choices=("table", "json", "markdown"), default="table", help="what goes to stdout")
    run.add_argument("--output", type=Path, default=Path("reports/out"), metavar="DIR", help="where reports go")
    run.add_argument("--all", action="store_true", help="scenarios of the tier long too")
    run.add_argument("--no-costs", action="store_true", help="judge only, count no workloads")
    run.add_argument("--prices", default=DEFAULT, metavar="NAME|FILE", help="prices; a file is what calibrate writes")
    run.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N", help="cells at once")
    run.add_argument("--executor", default="", metavar="dask://HOST:PORT", help="run the jobs on a Dask cluster")
    run.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    _limits(run)
    _walking(run)
    run.set_defaults(command=run_command)

    listing = commands.add_parser("list", help="what there is: architectures and scenarios")
    listing.add_argument("what", nargs="?", choices=("all", "arches", "scenarios"), default="all")
    _selection(listing)
    listing.set_defaults(command=list_command)

    explain = commands.add_parser("explain", help="show a counterexample, one column per CPU")
    explain.add_argument("arch", metavar="ARCH", help="a row of arches.toml, a plugin, or the id of a historic bug")
    explain.add_argument("scenario", metavar="SCENARIO", nargs="?", default="")
    _selection(explain, arch=False)
    _limits(explain)
    _walking(explain)
    explain.set_defaults(command=explain_command)

    bugs = commands.add_parser("bugs", help="the museum of historic bugs: each found, and its fix proved")
    bugs.add_argument("ids", nargs="*", metavar="ID", help="only these")
    _limits(bugs)
    bugs.set_defaults(command=bugs_command)

    mutants = commands.add_parser("mutants", help="the power of the suite: mutants, and what kills them")
    mutants.add_argument("arch", nargs="?", default="smp-6.2-fix", metavar="ARCH")
    _selection(mutants, arch=False)
    mutants.add_argument("--scenario", action="append", default=[], metavar="ID", help="only what this scenario runs")
    mutants.add_argument("--matrix", action="store_true", help="what each scenario kills, and what only it does")
    mutants.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N", help="mutants at once")
    mutants.set_defaults(command=mutants_command)

    diff = commands.add_parser("diff", help="what changed from one JSON report to another")
    diff.add_argument("old", type=Path, metavar="OLD")
    diff.add_argument("new", type=Path, metavar="NEW")
    diff.set_defaults(command=diff_command)

    linux_commands.add_parsers(commands.add_parser)
    cost_commands.add_parsers(commands.add_parser)
    return top


def _selection(command: argparse.ArgumentParser, arch: bool = True) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="instead of the embedded arches.toml")
    if arch:
        command.add_argument("--arch", action="append", default=[], metavar="NAME", help="only this row")
        command.add_argument(
            "--plugin",
            action="append",
            default=[],
            metavar="REF",
            help="module:object, file.py:object, entry point",
        )
    command.add_argument("--era", default=DEFAULT_ERA, choices=tuple(ERAS), help="policy era of --plugin")


def _limits(command: argparse.ArgumentParser) -> None:
    command.add_argument("--searcher", choices=("auto", "reference", "fast"), default="auto")
    command.add_argument("--max-states", type=_positive, metavar="N", help="give up a cell after N states")
    command.add_argument("--timeout", type=_seconds, metavar="S", help="give up a cell after S seconds")
    command.add_argument("--max-memory", type=_bytes, metavar="N[K|M|G]", help="give up a cell at N bytes of states")


def _walking(command: argparse.ArgumentParser) -> None:
    command.add_argument("--walks", type=_positive, metavar="N", help="N random walks instead of a search: bounded")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="which random walks")


def _bytes(text: str) -> int:
    units = {"K": 10, "M": 20, "G": 30}
    digits, shift = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 0)
    if not digits.isdigit() or int(digits) == 0:
        raise argparse.ArgumentTypeError(f"expected a number of bytes such as 500M or 2G, got {text!r}")
    return int(digits) << shift


def _positive(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return seconds


def rows_of(arguments: argparse.Namespace) -> list[Row]:
    """The rows that --config, --arch and --plugin choose. UsageError for a name that is no row."""
    plugins = [plugin_row(reference, arguments.era) for reference in arguments.plugin]
    if plugins and not arguments.arch and arguments.config is None:
        return plugins
    rows = load(arguments.config)
    if not arguments.arch:
        return rows + plugins
    by_name = {row.name: row for row in rows}
    for name in arguments.arch:
        if name not in by_name:
            raise UsageError(f"--arch {name}: no such row; there are {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(arguments.arch)] + plugins


def scenario_of(name: str) -> str:
    """`name`, if it is a scenario's id."""
    if name in FINDINGS:
        raise UsageError(f"scenario {name}: not part of the suite; `explain ARCH {name}` shows it")
    if name not in SCENARIOS:
        raise UsageError(f"scenario {name}: no such scenario; there are {', '.join(SCENARIOS)}")
    return name


def run_command(arguments: argparse.Namespace) -> int:
    """Judge the chosen rows in the chosen scenarios, count, report."""
    from core import jobs
    from reports import document, files, junit, tables

    rows, model = rows_of(arguments), cost_commands.chosen_model(arguments.prices)
    scenarios = [scenario_of(name) for name in arguments.scenario] or _default_scenarios(arguments.all)
    limits = _limits_of(arguments)
    cells = [
        jobs.Cell(row, scenario, limits, arguments.searcher, _walks_of(arguments))
        for row in rows
        for scenario in scenarios
    ]
    own = tuple(load_workloads(arguments.config).values())
    counting = [] if arguments.no_costs else [jobs.Counting(row, own) for row in rows]
    everything: list[Job] = [*cells, *counting]
    answers, interrupted = _answers(everything, arguments)
    results, counted = answers[: len(cells)], answers[len(cells) :]
    subjects, costs = _subjects(rows, model), _costs(counted)
    settings = {
        "seed": SEED if arguments.walks is None else arguments.seed,
        "searcher": arguments.searcher,
        "bounds": _bounds(arguments),
    }
    report = document.document(subjects, results, costs, settings)
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
    from core import apart, jobs, keep
    from reports.progress import Progress

    kept = keep.Kept(arguments.output / "kept")
    known = {n: kept.get(job) for n, job in enumerate(everything)} if arguments.resume else {}
    answers = [known.get(n) for n in range(len(everything))]
    missing = [n for n, answer in enumerate(answers) if answer is None]
    with Progress(len(missing), sys.stderr) as progress, jobs.executor(arguments.executor, arguments.jobs) as pool:
        memory = jobs.memory_for_each(arguments.jobs)
        running = jobs.run([everything[n] for n in missing], pool, progress.done, _patience(arguments), memory)
        try:
            for n, answer in zip(missing, running, strict=True):
                answers[n] = answer
                kept.put(everything[n], answer)
        except KeyboardInterrupt:
            apart.interrupt()
            return [everything[n].failed(apart.INTERRUPTED) if a is None else a for n, a in enumerate(answers)], True
    return answers, False


def _patience(arguments: argparse.Namespace) -> float:
    """A cell's process gets a little longer than its search, for everything around it."""
    from core.apart import CELL_TIMEOUT

    return CELL_TIMEOUT if arguments.timeout is None else float(arguments.timeout) + 30


def _limits_of(arguments: argparse.Namespace) -> Limits:
    return Limits(arguments.max_states, arguments.timeout, arguments.max_memory)


def _walks_of(arguments: argparse.Namespace) -> Walks | None:
    return None if arguments.walks is None else Walks(arguments.walks, arguments.seed)


def _bounds(arguments: argparse.Namespace) -> str:
    parts = []
    if arguments.max_states is not None:
        parts.append(f"{arguments.max_states} states")
    if arguments.timeout is not None:
        parts.append(f"{arguments.timeout:g} s")
    if arguments.max_memory is not None:
        parts.append(f"{arguments.max_memory} bytes")
    if arguments.walks is not None:
        parts.append(f"{arguments.walks} walks")
    return ", ".join(parts) or "none"


def _subjects(rows: list[Row], model: Model) -> list[Any]:
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
        scenarios = [[s.id, s.tier, ", ".join(s.requires), s.title, s.origin] for s in (SCENARIOS | FINDINGS).values()]
        print(tabulate(scenarios, ["scenario", "tier", "requires", "what must hold", "origin"]))
    return 0


def explain_command(arguments: argparse.Namespace) -> int:
    """The shortest counterexample of one cell; exit status 0 if there is none."""
    from core import jobs
    from core.conformance.choose import choose

    if not arguments.scenario:
        return _explain_bug(arguments)
    scenario = FINDINGS.get(arguments.scenario) or SCENARIOS[scenario_of(arguments.scenario)]
    row = choose(arguments.arch, arguments.era, arguments.config)
    cell = jobs.Cell(
        replace(row, expect={}), scenario.id, _limits_of(arguments), arguments.searcher, _walks_of(arguments)
    )
    patience = _patience(arguments) if row.foreign else None
    status = 0
    with jobs.executor("", 1) as pool:
        for result in jobs.run([cell], pool, timeout=patience, memory=jobs.memory_for_each(1)):
            print(explanation(result, scenario.title, scenario.origin))
            status = 0 if result.verdict in ("pass", "bounded", "unsupported") or scenario.id in row.expect else 1
    return status


def explanation(result: Result, title: str, origin: str) -> str:
    """A verdict in words, with its trace as columns."""
    head = [f"{result.architecture}, {result.scenario}: {title} ({origin})", ""]
    by = " + ".join([f"searcher {result.searcher}", *result.reductions])
    searched = f"{result.states} states, {result.transitions} transitions, depth {result.depth} ({by})"
    if result.verdict == "fail" and result.trace:
        return "\n".join([*head, columns(result.trace), "", f"{result.violated}: {result.sentence}", searched])
    how = "every interleaving explored" if result.exhaustive else f"bounded by {result.bounds}"
    told = {"pass": f"pass: {how}", "bounded": how}.get(result.verdict, f"{result.verdict}: {result.reason}")
    return "\n".join([*head, f"{told}; {searched}" if result.states else told])


def _explain_bug(arguments: argparse.Namespace) -> int:
    from core.conformance import museum

    exhibit = _exhibit(arguments.arch)
    showing = museum.show(exhibit, _limits_of(arguments), arguments.searcher)
    print(f"{exhibit.id}: {exhibit.wrong}")
    print(explanation(showing.bug, exhibit.scenario.title, exhibit.commit))
    print()
    print(explanation(showing.fixed, exhibit.scenario.title, exhibit.commit))
    return 0 if showing.holds else 1


def _exhibit(identity: str) -> Exhibit:
    from core.conformance import museum

    exhibit = museum.find(identity)
    if exhibit is None:
        known = ", ".join(e.id for e in museum.EXHIBITS)
        raise UsageError(f"{identity}: expected ARCH and SCENARIO, or one of the museum's bugs: {known}")
    return exhibit


def bugs_command(arguments: argparse.Namespace) -> int:
    """The museum; exit status 1 if a bug is not found or its fix is not proved."""
    from core.conformance import museum
    from reports import tables

    exhibits = [_exhibit(identity) for identity in arguments.ids] or museum.EXHIBITS
    showings = [museum.show(exhibit, _limits_of(arguments), arguments.searcher) for exhibit in exhibits]
    print(tables.museum(showings))
    red = sum(showing.holds for showing in showings)
    print(f"{red} of {len(showings)} bugs are found, and proved absent without them")
    return 0 if red == len(showings) else 1


def mutants_command(arguments: argparse.Namespace) -> int:
    """Every mutant with its killer, and the rate; exit status 1 if one survives that is not argued away."""
    from core import jobs
    from core.conformance import mutate
    from core.conformance.choose import choose
    from core.conformance.equivalent import why
    from reports import tables
    from reports.progress import Progress

    row = choose(arguments.arch, arguments.era, arguments.config)
    names = [scenario_of(name) for name in arguments.scenario] or list(SCENARIOS)
    trials = mutate.trials(row.arch, row.era, _unmutated(row, names, arguments.jobs), arguments.matrix)
    counts = {"killed": 0, "SURVIVED": 0, "equivalent": 0}
    autopsies = []
    with Progress(len(trials), sys.stderr) as progress, jobs.executor("", arguments.jobs) as pool:
        for autopsy in jobs.run(trials, pool, progress.done):
            reason = why(autopsy.mutant)
            fate = "killed" if autopsy.killers else ("equivalent" if reason else "SURVIVED")
            counts[fate] += 1
            autopsies.append(autopsy)
            print(f"{fate:11} {autopsy.mutant}: {', '.join(autopsy.killers) or reason}".rstrip(": "))
    if arguments.matrix:
        print(tables.power(names, autopsies))
    rate = 100 * counts["killed"] / max(counts["killed"] + counts["SURVIVED"], 1)
    print(
        f"{len(trials)} mutants: {counts['killed']} killed, {counts['SURVIVED']} survived, "
        f"{counts['equivalent']} equivalent; {rate:.1f} % of the others killed"
    )
    return 1 if counts["SURVIVED"] else 0


def _unmutated(row: Row, names: list[str], number: int) -> dict[str, mutate.Mutable]:
    """What there is to mutate, by scenario. UsageError if the row does not hold one even so: all would look killed."""
    from core import jobs
    from core.conformance import mutate

    found: dict[str, mutate.Mutable] = {}
    with jobs.executor("", number) as pool:
        baselines = [mutate.Baseline(row.arch, row.era, name) for name in names]
        for name, (problem, mutable) in zip(names, jobs.run(baselines, pool), strict=True):
            if problem:
                raise UsageError(f"{row.name} fails {name} without a mutant: {problem}")
            found[name] = mutable
    return found


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
