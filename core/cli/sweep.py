"""The subcommand `sweep`, and the sweep of a page (`run --format html --sweep`)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.base.files import can_write_in
from core.cli.arguments import chosen_workload, positive
from core.cli.costs import COLUMNS, add_rows, chosen_model, chosen_rows, tell
from core.cli.progress import Progress
from core.cost.price_model import PriceModel
from core.cost.sweep import (
    FEW,
    FRONT,
    HOLD,
    PRICE,
    RANGES,
    Piece,
    Point,
    SweptArch,
    axis,
    drawn,
    gathered,
    known_axes,
    pareto,
    pieces,
    plot,
    write_csv,
)
from core.cost.workloads import NAMED, WORKLOADS
from core.run.before import preload
from core.table.row import Row
from core.table.rows import ConfigError, load_workloads
from reports.grid import grid

preload("core.cost.sweep")

SWEPT = "mapping"
"""The workload of which `run --sweep` sets parameters."""

SMP = "arch_plugins.generic:Smp"


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    one = add("sweep", help="count over ranges of parameters, with the Pareto front")
    one.add_argument("axes", nargs="+", metavar="NAME=VALUES", help="bundle=1,8,64  pages=512:4096:512  dirty=0:100")
    add_rows(one, f"a row of arches.toml to sweep over, or a plugin ({SMP})")
    one.add_argument(
        "--workload", metavar="NAME", help="workload whose parameters NAME=VALUES sets (mapping); FILE.py:NAME"
    )
    one.add_argument("--front", action="store_true", help=f"only the Pareto front of {', '.join(FRONT)}")
    one.add_argument("--csv", type=Path, metavar="FILE", help="write all points with all counts to FILE")
    one.add_argument(
        "--plot", type=Path, action="append", default=[], metavar="FILE", help="plot to FILE (.svg or .png)"
    )
    one.add_argument("--format", choices=("table", "html"), default="table", help="html: a page of small plots")
    one.add_argument("--x", help="parameter on the x axis (default: the first)")
    one.add_argument("--y", default="flushes", help=f"count on the y axis, or {' or '.join(RANGES)} with its range")
    one.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, metavar="N", help="processes at once")
    one.set_defaults(command=sweep_command)


def sweep_command(arguments: argparse.Namespace) -> int:
    """Count every point of the grid and print the table."""
    name = arguments.workload or "mapping"
    own = load_workloads(arguments.config)
    workload = name if name in NAMED and name not in own else chosen_workload(name, {**WORKLOADS, **own})
    _can_plot(arguments.plot)
    if arguments.format == "html":
        from core.cli.pictures import ready_for_pictures

        ready_for_pictures()
    _can_write([*arguments.plot, *([arguments.csv] if arguments.csv else [])])
    model = chosen_model(arguments.prices)
    rows, unusable = chosen_rows(arguments, [SMP])
    subjects = [SweptArch(row.name, row.arch, row.era, row.model(model), row.guest) for row in rows]
    try:
        axes = [axis(text, known_axes(name if isinstance(workload, str) else None)) for text in arguments.axes]
        points, problems = _points(pieces(subjects, axes, workload), arguments.jobs, arguments.timeout)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    status = tell(unusable | problems)
    if not points:
        return status
    x = arguments.x or axes[0].name
    _can_be_plotted(points[0], x, arguments.y)
    shown = pareto(points) if arguments.front else points
    columns = [*(["arch"] if len(subjects) > 1 else []), *[one.name for one in axes], *COLUMNS]
    ranges = [[_microseconds(p, PRICE) + _without(p), _microseconds(p, HOLD)] for p in shown]
    lines = [[p[c] for c in columns] + more for p, more in zip(shown, ranges, strict=True)]
    columns += ["price in us", "longest lock hold in us"]
    if arguments.format == "html":
        from reports.page.page import write_sweep

        names = [one.name for one in axes]
        sys.stdout.write(write_sweep(drawn(points, name, names, x, arguments.y), columns, lines))
    else:
        print(grid(lines, columns))
    if arguments.csv:
        _write_csv(points, arguments.csv)
    if arguments.plot:
        plot(points, x, arguments.y, arguments.plot)
    return status


def asked_sweep(rows: Sequence[Row], texts: Sequence[str], model: PriceModel) -> list[Piece]:
    """What is to be counted for `run --sweep`: the workload `mapping` on each usable row. ConfigError if wrong."""
    try:
        axes = [axis(text, known_axes(SWEPT)) for text in texts]
        usable = [row for row in rows if not row.problem]
        return pieces([SweptArch(r.name, r.arch, r.era, r.model(model), r.guest) for r in usable], axes, SWEPT)
    except ValueError as error:
        raise ConfigError(f"--sweep: {error}") from error


def swept(cut: list[Piece], jobs: int, timeout: float) -> dict[str, Any] | None:
    """Count the pieces of `asked_sweep` for the page, which draws flushes over the first parameter.

    None if nothing can be counted.  What cannot be counted is said on stderr.
    """
    points, problems = _points(cut, jobs, timeout)
    tell(problems)
    return drawn(points, SWEPT, cut[0].axes, cut[0].axes[0], FRONT[0]) if points else None


def _points(cut: list[Piece], at_once: int, timeout: float) -> tuple[list[Point], dict[str, str]]:
    """Count the pieces: in child processes if there are many, or if a plugin is from outside the project."""
    from core.run import pool

    apart = any(piece.guest for piece in cut) or (at_once > 1 and len(cut) >= FEW)
    with Progress(len(cut), sys.stderr) as progress:
        if not apart:
            return gathered(cut, _here(cut, progress))
        with pool.executor("", at_once) as workers:
            memory = pool.memory_for_each(at_once)
            return gathered(cut, pool.run(cut, workers, progress.done, timeout, memory, together=1))


def _here(cut: list[Piece], progress: Progress) -> Iterator[Any]:
    for number, piece in enumerate(cut, 1):
        yield piece.run()
        progress.done(number)


def _microseconds(point: Point, what: str) -> str:
    return f"{point[f'{what}_low'] / 1000:.1f} to {point[f'{what}_high'] / 1000:.1f}"


def _without(point: Point) -> str:
    return f" without {point['unpriced']}" if point["unpriced"] else ""


def _write_csv(points: list[Point], path: Path) -> None:
    import io

    from core.base.files import write_atomically

    text = io.StringIO()
    write_csv(points, text)
    write_atomically(path, text.getvalue())


def _can_plot(paths: list[Path]) -> None:
    """ConfigError if not, before anything is counted."""
    for path in paths:
        if path.suffix not in (".svg", ".png"):
            raise ConfigError(f"--plot {path}: expected a name that ends in .svg or .png")
    if paths and find_spec("matplotlib") is None:
        raise ConfigError("--plot needs matplotlib: pip install 'shootdown[plots]'")


def _can_write(paths: list[Path]) -> None:
    """ConfigError if a file cannot be written, before anything is counted."""
    for path in paths:
        try:
            if not path.exists() or path.is_file():
                can_write_in(path.parent)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _can_be_plotted(point: Point, x: str, y: str) -> None:
    """ConfigError if a point has no such numbers."""
    for flag, name, more in (("--x", x, ()), ("--y", y, RANGES)):
        known = (*(n for n, value in point.items() if isinstance(value, int)), *more)
        if name not in known:
            raise ConfigError(f"{flag} {name}: expected one of {', '.join(known)}")
