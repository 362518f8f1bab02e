"""The subcommands about cost: `workloads`, `prices`, `published` and `calibrate`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.arguments import add_timeout, chosen_workload
from core.cost import prices
from core.cost.price_model import DEFAULT, MODELS, PriceModel, coefficients_table
from core.mm.era import ERAS
from core.table.row import Row
from core.table.rows import DEFAULT_ERA, ConfigError, load, load_workloads, plugin_row
from reports.grid import grid

if TYPE_CHECKING:
    from core.run.child import Job
    from core.table.count_jobs import Counted

COLUMNS = (
    "flushes",
    "ipis",
    "lock_holds",
    "max_held",
    "max_delayed",
    "max_ptes_per_hold",
    "max_flushes_per_hold",
    "max_ptes_unbroken",
)
MORE_COLUMNS = ("full_flushes", "flush_insns", "sync_ipis")
"""Further counts of `workloads`, beside who was interrupted."""

INTERRUPTED = ("running", "lazy", "away", "isolated")
"""What an interrupted CPU was doing, by the count `ipis_...`."""


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommands with argparse's add_parser."""
    loads = add("workloads", help="count and price every workload, including the large ones")
    add_rows(loads, "a row of arches.toml, or a plugin (smp-6.2-fix)")
    loads.add_argument(
        "--workload", action="append", default=[], metavar="NAME", help="only this one: a name, FILE.py:NAME"
    )
    loads.add_argument(
        "--cpus", type=int, default=2, metavar="N", help="CPUs that run threads of the process, but for turns"
    )
    loads.set_defaults(command=workloads_command)

    shown = add("prices", help="the coefficients of the price models, with their sources")
    shown.add_argument("--model", "--prices", dest="prices", metavar="NAME|FILE", help="only this model")
    shown.set_defaults(command=prices_command)

    effects = add("published", help="published effects beside the predictions, including the misses")
    effects.set_defaults(command=published_command)

    measure = add("calibrate", help="measure the coefficients of this machine, for --prices FILE")
    measure.add_argument(
        "--output", type=Path, default=Path("prices.toml"), metavar="FILE", help="file to write (prices.toml)"
    )
    measure.add_argument("--rounds", type=int, default=15, metavar="N", help="measurements of each coefficient")
    measure.add_argument("--samples", type=int, default=200, metavar="N", help="system calls per side of a measurement")
    measure.set_defaults(command=calibrate_command)


def add_rows(command: argparse.ArgumentParser, what: str) -> None:
    """The flags that say which architectures, and at which prices."""
    command.add_argument("--arch", action="append", default=[], metavar="NAME", help=what)
    command.add_argument(
        "--plugin", action="append", default=[], metavar="REF", help="module:object, file.py:object, entry point"
    )
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="rows from FILE instead of the embedded arches.toml"
    )
    command.add_argument(
        "--era", default=DEFAULT_ERA, choices=ERAS, help="kernel era for a --plugin; rows set their own"
    )
    command.add_argument(
        "--prices", "--model", default=DEFAULT, metavar="NAME|FILE", help=f"{', '.join(MODELS)}, or from calibrate"
    )
    add_timeout(command)


def chosen_rows(arguments: argparse.Namespace, otherwise: list[str] | None) -> tuple[list[Row], dict[str, str]]:
    """The usable rows that --arch and --plugin name (default `otherwise`, None: all), and the problems of the others.

    A name that is not a row's is taken for a plugin.  ConfigError if no row is usable.
    """
    named = [*arguments.arch, *arguments.plugin] or otherwise
    by_name = {row.name: row for row in load(arguments.config, named, arguments.timeout)}
    names = list(by_name) if named is None else named
    rows = [by_name.get(name) or plugin_row(name, arguments.era, arguments.timeout) for name in dict.fromkeys(names)]
    problems = {row.name: row.problem for row in rows if row.problem}
    usable = [row for row in rows if not row.problem]
    if not usable:
        raise ConfigError("; ".join(problems.values()))
    return usable, problems


def tell(problems: Mapping[str, str]) -> int:
    """Report on stderr which architectures are not counted, and why. Returns the exit status: 1 if there are any."""
    for name, problem in problems.items():
        print(f"shootdown: {name}: not counted: {problem}", file=sys.stderr)
    return 1 if problems else 0


def chosen_model(reference: str) -> PriceModel:
    """The price model that --prices names. ConfigError if it is neither a model nor a valid file."""
    try:
        return prices.load(reference)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def workloads_command(arguments: argparse.Namespace) -> int:
    """What each workload costs on an architecture, or on several."""
    if arguments.cpus < 1:
        raise ConfigError(f"--cpus {arguments.cpus}: expected a number of at least 1")
    from core.cost.workloads import WORKLOADS
    from core.table.count_jobs import CountJob

    loads = {**WORKLOADS, **load_workloads(arguments.config)}
    chosen = tuple(chosen_workload(name, loads) for name in dict.fromkeys(arguments.workload)) or tuple(loads.values())
    rows, problems = chosen_rows(arguments, ["smp-6.2-fix"])
    base = chosen_model(arguments.prices)
    for row in rows:
        counted = answer_of(CountJob(row, chosen, arguments.cpus, arguments.timeout), row, arguments.timeout)
        if counted.problem:
            problems[row.name] = counted.problem
            continue
        model, lines = row.model(base), []
        for name, counts in counted.counts.items():
            numbers = [counts[c] for c in (*COLUMNS, *MORE_COLUMNS)]
            lines.append([name, *numbers, interrupted(counts), str(model.price(counts)), hold_text(model, counts)])
        print(f"{row.name}, {arguments.cpus} CPUs:")
        headers = ["workload", *COLUMNS, *MORE_COLUMNS, "interrupted", f"price ({model.name})", "longest lock hold"]
        print(grid(lines, headers))
        if counted.unasked:
            print(not_asked(counted))
        print()
    return tell(problems)


def interrupted(counts: Mapping[str, int]) -> str:
    """In words: how many interrupts came to CPUs that ran the process, and to others."""
    found = [(counts[f"ipis_{what}"], what) for what in INTERRUPTED]
    return ", ".join(f"{number} {what}" for number, what in found if number) or "none"


def not_asked(counted: Counted) -> str:
    """In words: where the counts say nothing about what the plugin does itself."""
    return f"none of the hooks of {counted.architecture} ran in: {', '.join(counted.unasked)}"


def hold_text(model: PriceModel, counts: Mapping[str, int]) -> str:
    """The longest lock hold in words."""
    low, high = model.lock_hold(counts)
    return f"{low / 1000:.1f} to {high / 1000:.1f} us"


def answer_of(job: Job, row: Row, timeout: float) -> Any:
    """The result of `job`, run in this process, or in a child if it runs code from outside the project."""
    guest: str = getattr(job, "guest", "")
    if not row.foreign and not guest:
        return job.run()
    from core.run.isolate import isolated

    return isolated(job, timeout)


def prices_command(arguments: argparse.Namespace) -> int:
    """Print every coefficient: range, unit, machine, source."""
    for model in [chosen_model(arguments.prices)] if arguments.prices else MODELS.values():
        print(f"{model.name}:")
        headers = ["coefficient", "value", "unit", "machine", "source"]
        print(grid(coefficients_table(model), headers, wrapped={3: 28, 4: 70}))
        print()
    return 0


def published_command(arguments: argparse.Namespace) -> int:
    """Print every published effect with its source and the prediction."""
    from core.truth.published.catalogue import effects
    from core.truth.published.effect import span

    found = list(effects())
    rows = [
        [e.name, e.what, e.unit, span(e.published), span(e.predicted), e.verdict, f"{e.source}. {e.note}".rstrip(". ")]
        for e in found
    ]
    headers = ["effect", "what", "unit", "published", "predicted", "", "source and remark"]
    print(grid(rows, headers, numbers=False, wrapped={0: 26, 1: 34, 6: 60}))
    missed = sum(e.verdict.startswith("off") for e in found)
    wide = sum(e.verdict == "says nothing" for e in found)
    print(f"{len(found)} effects: {len(found) - missed - wide} predicted, {missed} missed, {wide} predicted too widely")
    return 0


def calibrate_command(arguments: argparse.Namespace) -> int:
    """Measure the coefficients of this machine, print them and write them to a file."""
    from core.cost.calibrate import CalibrateError, calibrate

    if arguments.rounds < 2 or arguments.samples < 1:
        raise ConfigError("calibrate needs --rounds of at least 2 and --samples of at least 1")
    try:
        measured = calibrate(arguments.rounds, arguments.samples)
    except CalibrateError as error:
        raise ConfigError(str(error)) from None
    print(f"{measured.machine}:")
    rows = [[c.name, c.value, c.unit, c.source] for c in measured.coefficients]
    print(grid(rows, ["coefficient", "value", "unit", "how"], wrapped={3: 70}))
    for line in measured.missing:
        print(f"not measured: {line}; {DEFAULT}'s is used")
    prices.write(arguments.output, measured.machine, measured.coefficients)
    print(f"shootdown: written to {arguments.output}; use it with --prices {arguments.output}", file=sys.stderr)
    return 0
