"""Sweeps: what changes when a parameter does. Each point is counted, not estimated.

Parameters are facts of the architecture (bundle, max_gather_batch, max_gather_batch_count, ptes_per_table, page_size),
of the machine (`cpus` that run the mm, `ceiling` of pages flushed one by one), and those of the workload: `mapping` has
`pages` and `dirty` per cent of them.

A large grid is counted by several processes, in pieces; the points come in the grid's order all the same.

Data types
    Axis(name, values)         one parameter and what it is set to
    Subject(row, model)        an architecture and its prices
    Point                      a dict: architecture, parameters, counts, the price from `price_low` to `price_high` in
                               nanoseconds and the instructions that have none, `unpriced`
"""

from __future__ import annotations

import csv
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, TextIO

from core.arch import PluginError
from core.config import Row
from core.cost.account import account
from core.cost.counts import CEILING
from core.cost.model import Model
from core.cost.workloads import Workload, build, parameters
from core.facts import first_wrong

FACTS = ("bundle", "max_gather_batch", "max_gather_batch_count", "ptes_per_table", "page_size")
MACHINE = {"cpus": 2, "ceiling": CEILING}
"""Parameters of the machine, and what they are by themselves."""

FRONT = ("flushes", "max_held", "max_ptes_per_hold")
"""What the Pareto front trades off: flushes against pages held back against the length of a lock hold."""

PIECE, FEW = 50, 8
"""Points that a process counts at a time; fewer pieces are not worth starting any."""

MOST = 1_000_000
"""Points that a sweep may have: all are held in memory."""

PRICE = "price"
"""What to plot for prices as ranges."""

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter and its values."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Subject:
    """An architecture to sweep over, with its prices."""

    row: Row
    model: Model


def axis(text: str, known: Sequence[str]) -> Axis:
    """`name=1,2,4`, `name=1:64` or `name=0:100:5` (last one included). ValueError that says what is expected."""
    name, _, values = text.partition("=")
    if name not in known:
        raise ValueError(f"{text}: expected NAME=VALUES with NAME one of {', '.join(known)}")
    try:
        if ":" in values:
            first, last, step = ([int(x) for x in values.split(":")] + [1])[:3]
            numbers = range(first, last + 1, step)
        else:
            return Axis(name, tuple(int(value) for value in values.split(",")))
    except ValueError:
        raise ValueError(f"{text}: expected numbers as in {name}=1,2,4 or {name}=1:64 or {name}=0:100:5") from None
    if not numbers or numbers[MOST:]:
        raise ValueError(f"{text}: expected 1 to {MOST} values, got {'more' if numbers else 'none'}")
    return Axis(name, tuple(numbers))


def known_axes(workload: str | None) -> tuple[str, ...]:
    """What can be swept: `workload` is the named one whose parameters are meant, None for one that has none."""
    return (*FACTS, *MACHINE, *(parameters(workload) if workload else ()))


@dataclass(frozen=True)
class Piece:
    """Points of one subject, as values of the axes called `names`."""

    subject: Subject
    workload: str | Workload
    names: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]


def sweep(
    subjects: Sequence[Subject], axes: Sequence[Axis], workload: str | Workload = "mapping", jobs: int = 1
) -> Iterator[Point]:
    """Every point of the grid on every architecture, in order, counted by `jobs` processes if there are many.

    `workload` is a named one, whose parameters may be axes, or one as it is.  A plugin that is not of this project is
    counted in a process of its own.  ValueError for a point that makes none, PluginError for an architecture that
    cannot be set up, or ends its process.
    """
    number = prod(len(axis.values) for axis in axes) * len(subjects)
    if number > MOST:
        raise ValueError(f"{number} points: expected at most {MOST}; use steps, as in pages=512:4096:512")
    grid, names = list(product(*(axis.values for axis in axes))), tuple(axis.name for axis in axes)
    pieces = [
        Piece(subject, workload, names, tuple(grid[at : at + PIECE]))
        for subject in subjects
        for at in range(0, len(grid), PIECE)
    ]
    foreign = any(subject.row.foreign for subject in subjects)
    if not foreign and (jobs == 1 or len(pieces) < FEW):
        for piece in pieces:
            yield from count_piece(piece)
        return
    try:
        with ProcessPoolExecutor(jobs, forkserver()) as pool:
            for points in pool.map(count_piece, pieces):
                yield from points
    except BrokenProcessPool:
        raise PluginError("a process died while it counted: a hook of a plugin ended it") from None


def forkserver() -> Any:
    """Children of a server that has all this imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["core.cost.sweep"])
    return context


def count_piece(piece: Piece) -> list[Point]:
    """Count its points."""
    row, arch = piece.subject.row, piece.subject.row.arch()
    points = []
    built: dict[tuple[int, ...], Workload] = {}
    for values in piece.values:
        given = dict(zip(piece.names, values, strict=True))
        facts: dict[str, Any] = {name: value for name, value in given.items() if name in FACTS}
        cpus, ceiling = (given.get(name, usual) for name, usual in MACHINE.items())
        if cpus < 1 or ceiling < 0:
            raise ValueError(f"expected cpus of at least 1 and a ceiling of at least 0, got {cpus} and {ceiling}")
        load = piece.workload
        if isinstance(load, str):
            own = {name: n for name, n in given.items() if name not in (*FACTS, *MACHINE)}
            key = tuple(own.values())
            if key not in built:
                built[key] = build(load, own)
            load = built[key]
        varied = replace(arch, facts=replace(arch.facts, **facts))
        problem = first_wrong(varied.facts)
        if problem:
            raise ValueError(problem)
        counts = account(varied, row.era, load, cpus, ceiling)
        price = piece.subject.model.price(counts)
        cost = {"price_low": round(price.low), "price_high": round(price.high), "unpriced": " ".join(price.unpriced)}
        points.append({"arch": row.name, **given, **counts, **cost})
    return points


def pareto(points: Iterable[Point], keys: Sequence[str] = FRONT) -> list[Point]:
    """The points that no other beats: none is at least as good in every key and better in one (less is better)."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: tuple(p[key] for key in keys)):
        value = tuple(point[key] for key in keys)
        if not any(all(f[key] <= v for key, v in zip(keys, value, strict=True)) for f in front):
            front.append(point)
    return front


def write_csv(points: Sequence[Point], file: TextIO) -> None:
    """One line per point, with a header; what one architecture does not count is left empty."""
    columns = dict.fromkeys(name for point in points for name in point)
    writer = csv.DictWriter(file, list(columns), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(points)


def plot(points: Sequence[Point], x: str, y: str, paths: Sequence[Path]) -> None:
    """Draw `y` over `x`, one colour per architecture, to files by their endings (.svg, .png). Needs matplotlib.

    Points on the Pareto front are marked. `y` may be 'price', which is drawn from its lowest to its highest value.
    """
    import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "shootdown"  # the same file for the same points
    from matplotlib import pyplot as plt  # type: ignore[import-not-found,unused-ignore]

    figure, axes = plt.subplots(figsize=(8, 5))
    for name in dict.fromkeys(point["arch"] for point in points):
        own = [point for point in points if point["arch"] == name]
        low, high = ([_height(p, y, end) for p in own] for end in ("low", "high"))
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        half = [(b - a) / 2 for a, b in zip(low, high, strict=True)]
        axes.errorbar([p[x] for p in own], middle, half if y == PRICE else None, fmt=".", label=name)
    front = pareto(points)
    middle = [(_height(p, y, "low") + _height(p, y, "high")) / 2 for p in front]
    axes.plot([p[x] for p in front], middle, "ko", fillstyle="none", label="Pareto front")
    axes.set_xlabel(x)
    axes.set_ylabel("price in us" if y == PRICE else y)
    axes.legend()
    figure.tight_layout()
    for path in paths:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _height(point: Point, y: str, end: str) -> float:
    return float(point[f"price_{end}"]) / 1000 if y == PRICE else float(point[y])
