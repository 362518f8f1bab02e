"""The subcommands about cost: `sweep`, `prices`, `workloads` and `replay`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.config import DEFAULT_ERA, ConfigError, Row, load
from core.cost.account import account
from core.cost.model import DEFAULT, MODELS, coefficients_table
from core.cost.sweep import FRONT, Point, axis, pareto, plot, sweep, write_csv
from core.cost.workloads import WORKLOADS, Workload
from core.mm.era import ERAS

COLUMNS = ("flushes", "ipis", "lock_holds", "max_held", "max_delayed", "max_ptes_per_hold")
SMP = "arch_plugins.generic:Smp"


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Register the subcommands with argparse's add_parser."""
    one = add("sweep", help="count over ranges of parameters, with the Pareto front")
    one.add_argument("axes", nargs="+", metavar="NAME=VALUES", help="bundle=1,8,64  pages=512:4096:512  dirty=0:100")
    one.add_argument("--plugin", default=SMP, help="whose architecture")
    one.add_argument("--era", default=DEFAULT_ERA, choices=ERAS)
    one.add_argument("--workload", choices=WORKLOADS, help="instead of a shared mapping with pages= and dirty=")
    one.add_argument("--front", action="store_true", help=f"only points that nothing beats in {', '.join(FRONT)}")
    one.add_argument("--csv", type=Path, metavar="FILE", help="write all counts of all points")
    one.add_argument("--plot", type=Path, action="append", default=[], metavar="FILE", help=".svg or .png")
    one.add_argument("--y", default="flushes", help="what to plot over the first parameter")
    one.set_defaults(command=sweep_command)

    prices = add("prices", help="the coefficients of the cost model with their sources")
    prices.add_argument("--model", choices=MODELS, help="only this one")
    prices.set_defaults(command=prices_command)

    loads = add("workloads", help="count and price every workload, the large ones too")
    loads.add_argument("--arch", default="smp-6.2-fix", metavar="NAME", help="a row of arches.toml, or a plugin")
    loads.add_argument("--config", type=Path, metavar="FILE", help="instead of the embedded arches.toml")
    loads.add_argument("--era", default=DEFAULT_ERA, choices=ERAS, help="of a plugin that is no row")
    loads.add_argument("--model", choices=MODELS, default=DEFAULT)
    loads.set_defaults(command=workloads_command)

    again = add("replay", help="what a recorded program's unmappings cost on every architecture")
    again.add_argument("file", type=Path, metavar="RECORDING")
    again.add_argument("--arch", action="append", default=[], metavar="NAME", help="only this row of arches.toml")
    again.add_argument("--config", type=Path, metavar="FILE", help="instead of the embedded arches.toml")
    again.add_argument("--model", choices=MODELS, default=DEFAULT)
    again.set_defaults(command=replay_command)


def sweep_command(arguments: argparse.Namespace) -> int:
    """Count every point of the grid."""
    from tabulate import tabulate

    try:
        axes = [axis(text) for text in arguments.axes]
        workload: Workload | None = WORKLOADS[arguments.workload] if arguments.workload else None
        points = list(sweep(arguments.plugin, ERAS[arguments.era], axes, workload))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    shown = pareto(points) if arguments.front else points
    names = [one.name for one in axes]
    print(tabulate([[p[c] for c in (*names, *COLUMNS)] for p in shown], [*names, *COLUMNS]))
    if arguments.csv:
        with arguments.csv.open("w", encoding="utf-8", newline="") as file:
            write_csv(points, file)
    if arguments.plot:
        _plot(points, names[0], arguments)
    return 0


def _plot(points: list[Point], x: str, arguments: argparse.Namespace) -> None:
    if points and arguments.y not in points[0]:
        raise ConfigError(f"--y {arguments.y}: expected one of {', '.join(points[0])}")
    try:
        plot(points, x, arguments.y, arguments.plot)
    except ImportError:
        raise ConfigError("--plot needs matplotlib: pip install 'shootdown[plots]'") from None


def prices_command(arguments: argparse.Namespace) -> int:
    """Every coefficient: range, unit, machine, source."""
    from tabulate import tabulate

    for model in [MODELS[arguments.model]] if arguments.model else MODELS.values():
        print(f"{model.name}:")
        print(tabulate(coefficients_table(model), ["coefficient", "value", "unit", "machine", "source"]))
        print()
    return 0


def workloads_command(arguments: argparse.Namespace) -> int:
    """What each workload costs on one architecture."""
    from tabulate import tabulate

    from core.conformance.choose import choose

    choice = choose(arguments.arch, arguments.era, arguments.config)
    model = MODELS[arguments.model]
    rows: list[list[Any]] = []
    for workload in WORKLOADS.values():
        counts = account(choice.arch, choice.era, workload)
        rows.append([workload.name, *[counts[c] for c in COLUMNS], str(model.price(counts))])
    print(tabulate(rows, ["workload", *COLUMNS, f"price ({model.name})"]))
    print("IPIs and flushes are priced as x86 does them; see `prices`.", file=sys.stderr)
    return 0


def replay_command(arguments: argparse.Namespace) -> int:
    """What a recorded program's unmappings cost on each row, and how exact x86 is against the recording."""
    from tabulate import tabulate

    from core.linux.golden import GoldenError
    from core.linux.recordings import APPROXIMATIONS, replay

    archs = {row.name: (row.arch(), row.era) for row in _rows(arguments)}
    totals: dict[str, dict[str, int]] = {name: {} for name in archs}
    exact: dict[str, list[int]] = {"anonymous": [0, 0, 0, 0], "file or shared": [0, 0, 0, 0]}
    status = 0
    try:
        for call in replay(arguments.file, archs):
            tally = exact["anonymous" if call.anonymous else "file or shared"]
            for at, value in enumerate((1, call.measured == call.predicted, len(call.measured), len(call.predicted))):
                tally[at] += value
            for name, counts in call.counts.items():
                sums = totals[name]
                for key, value in counts.items():
                    sums[key] = max(sums.get(key, 0), value) if key.startswith("max_") else sums.get(key, 0) + value
    except GoldenError as error:
        print(f"shootdown: {error}", file=sys.stderr)
        status = 2
    model = MODELS[arguments.model]
    rows: list[list[Any]] = []
    for name, sums in totals.items():
        if sums:
            per_flush = f"{sums['pages_freed'] / max(sums['flushes'], 1):.1f}"
            rows.append([name, *[sums[c] for c in COLUMNS], sums["pages_freed"], per_flush, str(model.price(sums))])
    print(tabulate(rows, ["architecture", *COLUMNS, "pages freed", "per flush", f"price ({model.name})"]))
    print()
    table = [[kind, *values] for kind, values in exact.items()]
    print(
        tabulate(table, ["x86 6.18 against the recording", "calls", "exact", "flushes recorded", "flushes predicted"])
    )
    for text in APPROXIMATIONS:
        print(f"approximation: {text}")
    return status


def _rows(arguments: argparse.Namespace) -> list[Row]:
    rows = [row for row in load(arguments.config) if not arguments.arch or row.name in arguments.arch]
    missing = set(arguments.arch) - {row.name for row in rows}
    if missing:
        raise ConfigError(f"--arch {sorted(missing)[0]}: no such row")
    return [row for row in rows if not row.problem]
