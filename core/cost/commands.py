"""The subcommands about cost: `sweep`, `workloads`, `prices`, `published`, `calibrate` and `replay`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config import DEFAULT_ERA, ConfigError, Row, load, load_workloads, plugin_row
from core.cost import prices
from core.cost.account import account
from core.cost.model import DEFAULT, MODELS, Model, coefficients_table
from core.cost.sweep import FRONT, PRICE, Point, Subject, axis, known_axes, pareto, plot, sweep, write_csv
from core.cost.workloads import NAMED, WORKLOADS, Workload
from core.mm.era import ERAS

if TYPE_CHECKING:
    from core.linux.replay import Call, Gaps

COLUMNS = ("flushes", "ipis", "lock_holds", "max_held", "max_delayed", "max_ptes_per_hold", "max_ptes_unbroken")
MOST_MISSES = 20
SMP = "arch_plugins.generic:Smp"


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Register the subcommands with argparse's add_parser."""
    one = add("sweep", help="count over ranges of parameters, with the Pareto front")
    one.add_argument("axes", nargs="+", metavar="NAME=VALUES", help="bundle=1,8,64  pages=512:4096:512  dirty=0:100")
    _rows(one, "a row of arches.toml to sweep over, or a plugin")
    one.add_argument("--plugin", default=SMP, help="whose architecture, where no --arch is named")
    one.add_argument("--workload", metavar="NAME", help="whose parameters are meant (mapping: pages= and dirty=)")
    one.add_argument("--front", action="store_true", help=f"only points that nothing beats in {', '.join(FRONT)}")
    one.add_argument("--csv", type=Path, metavar="FILE", help="write all counts of all points")
    one.add_argument("--plot", type=Path, action="append", default=[], metavar="FILE", help=".svg or .png")
    one.add_argument("--x", help="what to plot over; the first parameter otherwise")
    one.add_argument("--y", default="flushes", help="what to plot: a count, or price for its range")
    one.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes for a large grid")
    one.set_defaults(command=sweep_command)

    loads = add("workloads", help="count and price every workload, the large ones too")
    _rows(loads, "a row of arches.toml, or a plugin (smp-6.2-fix)")
    loads.add_argument("--workload", action="append", default=[], metavar="NAME", help="only this one")
    loads.add_argument("--cpus", type=int, default=2, metavar="N", help="CPUs that run the process throughout")
    loads.set_defaults(command=workloads_command)

    shown = add("prices", help="the coefficients of the cost model with their sources")
    shown.add_argument("--model", "--prices", dest="prices", metavar="NAME|FILE", help="only this one")
    shown.set_defaults(command=prices_command)

    effects = add("published", help="published effects beside what the model says, misses included")
    effects.set_defaults(command=published_command)

    measure = add("calibrate", help="measure the coefficients of this machine, for --prices FILE")
    measure.add_argument("--output", type=Path, default=Path("prices.toml"), metavar="FILE", help="where to write them")
    measure.add_argument("--rounds", type=int, default=15, metavar="N", help="differences taken of each coefficient")
    measure.add_argument("--samples", type=int, default=200, metavar="N", help="system calls on each side of a round")
    measure.set_defaults(command=calibrate_command)

    again = add("replay", help="what a recorded program's unmappings cost on every architecture")
    again.add_argument("file", type=Path, metavar="RECORDING")
    _rows(again, "only this row of arches.toml")
    again.set_defaults(command=replay_command)


def _rows(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--arch", action="append", default=[], metavar="NAME", help=what)
    command.add_argument("--config", type=Path, metavar="FILE", help="instead of the embedded arches.toml")
    command.add_argument("--era", default=DEFAULT_ERA, choices=ERAS, help="of a plugin that is no row")
    command.add_argument(
        "--prices", "--model", default=DEFAULT, metavar="NAME|FILE", help=f"{', '.join(MODELS)}, or from calibrate"
    )


def chosen_rows(arguments: argparse.Namespace, otherwise: list[str]) -> list[Row]:
    """The rows named by --arch, or `otherwise`; a name that is no row is a plugin. ConfigError for one of no use."""
    by_name = {row.name: row for row in load(arguments.config)}
    rows = [by_name.get(name) or plugin_row(name, arguments.era) for name in arguments.arch or otherwise]
    for row in rows:
        if row.problem:
            raise ConfigError(row.problem)
    return rows


def chosen_model(reference: str) -> Model:
    """The model or file that --prices names. ConfigError if it is neither."""
    try:
        return prices.load(reference)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def sweep_command(arguments: argparse.Namespace) -> int:
    """Count every point of the grid."""
    from tabulate import tabulate

    name = arguments.workload or "mapping"
    own = load_workloads(arguments.config)
    if name not in own and name not in NAMED:
        raise ConfigError(f"--workload {name}: no such workload; there are {', '.join((*NAMED, *own))}")
    workload: str | Workload = own.get(name, name)
    model = chosen_model(arguments.prices)
    subjects = [Subject(row, row.model(model)) for row in chosen_rows(arguments, [arguments.plugin])]
    try:
        axes = [axis(text, known_axes(name if isinstance(workload, str) else None)) for text in arguments.axes]
        points = list(sweep(subjects, axes, workload, arguments.jobs))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    shown = pareto(points) if arguments.front else points
    columns = [*(["arch"] if len(subjects) > 1 else []), *[one.name for one in axes], *COLUMNS]
    print(tabulate([[p[c] for c in columns] + [_microseconds(p)] for p in shown], [*columns, "price in us"]))
    if arguments.csv:
        _write_csv(points, arguments.csv)
    if arguments.plot:
        _plot(points, arguments.x or axes[0].name, arguments)
    return 0


def _microseconds(point: Point) -> str:
    rest = f" without {point['unpriced']}" if point["unpriced"] else ""
    return f"{point['price_low'] / 1000:.1f} to {point['price_high'] / 1000:.1f}{rest}"


def _write_csv(points: list[Point], path: Path) -> None:
    import io

    from reports.files import write_atomically

    text = io.StringIO()
    write_csv(points, text)
    write_atomically(path, text.getvalue())


def _plot(points: list[Point], x: str, arguments: argparse.Namespace) -> None:
    for flag, name, more in (("--x", x, ()), ("--y", arguments.y, (PRICE,))):
        known = (*(n for n, value in points[0].items() if isinstance(value, int)), *more)
        if name not in known:
            raise ConfigError(f"{flag} {name}: expected one of {', '.join(known)}")
    for path in arguments.plot:
        if path.suffix not in (".svg", ".png"):
            raise ConfigError(f"--plot {path}: expected a name that ends in .svg or .png")
    try:
        plot(points, x, arguments.y, arguments.plot)
    except ImportError:
        raise ConfigError("--plot needs matplotlib: pip install 'shootdown[plots]'") from None


def workloads_command(arguments: argparse.Namespace) -> int:
    """What each workload costs on an architecture, or on several."""
    from tabulate import tabulate

    if arguments.cpus < 1:
        raise ConfigError(f"--cpus {arguments.cpus}: expected a number of at least 1")
    loads = {**WORKLOADS, **load_workloads(arguments.config)}
    for name in arguments.workload:
        if name not in loads:
            raise ConfigError(f"--workload {name}: no such workload; there are {', '.join(loads)}")
    for row in chosen_rows(arguments, ["smp-6.2-fix"]):
        arch, model = row.arch(), row.model(chosen_model(arguments.prices))
        rows: list[list[Any]] = []
        for name in arguments.workload or loads:
            counts = account(arch, row.era, loads[name], arguments.cpus)
            low, high = model.lock_hold(counts)
            hold = f"{low / 1000:.1f} to {high / 1000:.1f} us"
            rows.append([name, *[counts[c] for c in COLUMNS], str(model.price(counts)), hold])
        print(f"{row.name}, {arguments.cpus} CPUs:")
        print(tabulate(rows, ["workload", *COLUMNS, f"price ({model.name})", "longest lock hold"]))
        print()
    return 0


def prices_command(arguments: argparse.Namespace) -> int:
    """Every coefficient: range, unit, machine, source."""
    from tabulate import tabulate

    for model in [chosen_model(arguments.prices)] if arguments.prices else MODELS.values():
        print(f"{model.name}:")
        headers = ["coefficient", "value", "unit", "machine", "source"]
        print(tabulate(coefficients_table(model), headers, maxcolwidths=[None, None, None, 28, 70]))
        print()
    return 0


def published_command(arguments: argparse.Namespace) -> int:
    """Every published effect, its source, and the prediction."""
    from tabulate import tabulate

    from core.published.effect import span
    from core.published.table import effects

    found = list(effects())
    rows = [
        [e.name, e.what, e.unit, span(e.published), span(e.predicted), e.verdict, f"{e.source}. {e.note}".rstrip(". ")]
        for e in found
    ]
    headers = ["effect", "what", "unit", "published", "predicted", "", "source and remark"]
    widths = [26, 34, None, None, None, None, 60]
    print(tabulate(rows, headers, maxcolwidths=widths, disable_numparse=True))
    missed = sum(e.verdict.startswith("off") for e in found)
    wide = sum(e.verdict == "says nothing" for e in found)
    print(f"{len(found)} effects: {len(found) - missed - wide} predicted, {missed} missed, {wide} predicted too widely")
    return 0


def calibrate_command(arguments: argparse.Namespace) -> int:
    """Measure, print, write."""
    from tabulate import tabulate

    from core.cost.calibrate import CalibrateError, calibrate

    if arguments.rounds < 2 or arguments.samples < 1:
        raise ConfigError("calibrate needs --rounds of at least 2 and --samples of at least 1")
    try:
        measured = calibrate(arguments.rounds, arguments.samples)
    except CalibrateError as error:
        raise ConfigError(str(error)) from None
    print(f"{measured.machine}:")
    rows = [[c.name, c.value, c.unit, c.source] for c in measured.coefficients]
    print(tabulate(rows, ["coefficient", "value", "unit", "how"], maxcolwidths=[None, None, None, 70]))
    for line in measured.missing:
        print(f"not measured: {line}; {DEFAULT}'s is used")
    prices.write(arguments.output, measured.machine, measured.coefficients)
    print(f"shootdown: written to {arguments.output}; use it with --prices {arguments.output}", file=sys.stderr)
    return 0


def replay_command(arguments: argparse.Namespace) -> int:
    """What a recorded program did to its mappings costs on each row, and how exact x86 is against the recording."""
    from tabulate import tabulate

    from core.linux.lines import FileError
    from core.linux.replay import APPROXIMATIONS, Gaps, replay

    rows = _replayed_on(arguments)
    base = chosen_model(arguments.prices)
    totals: dict[str, dict[str, int]] = {row.name: {} for row in rows}
    exact: dict[str, list[int]] = {}
    missed: list[Call] = []
    gaps, status = Gaps(), 0
    try:
        for call in replay(arguments.file, {row.name: (row.arch(), row.era) for row in rows}, gaps):
            _tally(exact, call)
            missed += [] if call.exact else [call]
            for name, counts in call.counts.items():
                sums = totals[name]
                for key, value in counts.items():
                    sums[key] = max(sums.get(key, 0), value) if key.startswith("max_") else sums.get(key, 0) + value
    except FileError as error:
        print(f"shootdown: {error}", file=sys.stderr)
        status = 2
    lines: list[list[Any]] = []
    for row in rows:
        sums = totals[row.name]
        if sums:
            per_flush = f"{sums['pages_freed'] / max(sums['flushes'], 1):.1f}"
            price = str(row.model(base).price(sums))
            lines.append([row.name, *[sums[c] for c in COLUMNS], sums["pages_freed"], per_flush, price])
    print(tabulate(lines, ["architecture", *COLUMNS, "pages freed", "per flush", f"price ({base.name})"]))
    print()
    headers = ["x86 6.18 against the recording", "calls", "exact", "flushes recorded", "predicted"]
    print(tabulate([[kind, *v] for kind, v in sorted(exact.items())], [*headers, "IPIs recorded", "predicted"]))
    _print_misses(missed, gaps)
    if str(gaps):
        print(f"incomplete: {gaps}; what was lost is missing here too")
    for text in APPROXIMATIONS:
        print(f"approximation: {text}")
    return status


def _replayed_on(arguments: argparse.Namespace) -> list[Row]:
    rows = [row for row in load(arguments.config) if not row.problem]
    missing = [name for name in arguments.arch if name not in {row.name for row in rows}]
    if missing:
        raise ConfigError(f"--arch {missing[0]}: no such row")
    return [row for row in rows if not arguments.arch or row.name in arguments.arch]


def _tally(exact: dict[str, list[int]], call: Call) -> None:
    """Calls are told apart by what they are about; of exit there is only what was sent."""
    kind = {"exit": "exit, what was sent"}.get(call.name)
    kind = kind or f"{call.name}, {'anonymous' if call.anonymous else 'file or shared'}"
    values = (1, call.exact, len(call.measured), len(call.predicted), *call.asked)
    exact[kind] = [a + b for a, b in zip(exact.get(kind, [0] * 6), values, strict=True)]


def _print_misses(missed: list[Call], gaps: Gaps) -> None:
    """What is not as recorded, call by call, and what no call explains."""
    for call in missed[:MOST_MISSES]:
        print(f"different: line {call.line}: {call.difference}")
    if len(missed) > MOST_MISSES:
        print(f"different: {len(missed) - MOST_MISSES} more")
    if gaps.execs:
        print(f"not replayed: {gaps.execs} flushes that exec made")
    if gaps.nobodys:
        print(f"not replayed: {gaps.nobodys} flushes that no recorded operation makes")
