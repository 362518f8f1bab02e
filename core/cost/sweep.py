"""Sweeps: what changes when a parameter does. Each point is counted, not estimated.

Parameters are facts of the architecture (bundle, max_gather_batch, max_gather_batch_count, ptes_per_table, page_size)
and of the workload: `pages` in the mapping and `dirty` per cent of them, spread evenly.

Data types
    Axis(name, values)         one parameter and what it is set to
    Point                      a dict: the parameters, then the counts
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import gcd
from pathlib import Path
from typing import Any, TextIO

from core.arch import load_object, set_up
from core.cost.account import account
from core.cost.workloads import Runs, Workload
from core.mm.era import Era

FACTS = ("bundle", "max_gather_batch", "max_gather_batch_count", "ptes_per_table", "page_size")
LOAD = ("pages", "dirty")
FRONT = ("flushes", "max_held", "max_ptes_per_hold")
"""What the Pareto front trades off: flushes against pages held back against the length of a lock hold."""

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter and its values."""

    name: str
    values: tuple[int, ...]


def axis(text: str) -> Axis:
    """`name=1,2,4`, `name=1:64` or `name=0:100:5` (last one included). ValueError that says what is expected."""
    name, _, values = text.partition("=")
    if name not in FACTS + LOAD:
        raise ValueError(f"{text}: expected NAME=VALUES with NAME one of {', '.join(FACTS + LOAD)}")
    try:
        if ":" in values:
            first, last, step = ([int(x) for x in values.split(":")] + [1])[:3]
            return Axis(name, tuple(range(first, last + 1, step)))
        return Axis(name, tuple(int(value) for value in values.split(",")))
    except ValueError:
        raise ValueError(f"{text}: expected numbers as in {name}=1,2,4 or {name}=1:64 or {name}=0:100:5") from None


def sweep(plugin: str, era: Era, axes: Sequence[Axis], workload: Workload | None = None) -> Iterator[Point]:
    """Every point of the grid, in order. Without `workload`: a shared mapping of `pages`, `dirty` % dirty."""
    base = set_up(plugin, load_object(plugin), plugin)
    for values in product(*(axis.values for axis in axes)):
        point: Point = dict(zip((axis.name for axis in axes), values, strict=True))
        facts = {name: value for name, value in point.items() if name in FACTS}
        load = workload or Workload("sweep", "", mapping(point.get("pages", 2048), point.get("dirty", 100)))
        arch = replace(base, facts=replace(base.facts, **facts))
        yield {**point, **account(arch, era, load)}


def mapping(pages: int, dirty: int) -> Runs:
    """`pages` of a shared mapping, `dirty` per cent of them dirty, spread evenly. ValueError outside 0 to 100."""
    if not 0 <= dirty <= 100 or pages < 1:
        raise ValueError(f"expected pages > 0 and 0 <= dirty <= 100, got {pages} pages, {dirty} % dirty")
    common = gcd(dirty, 100)
    pattern, every = dirty // common, 100 // common
    kinds = ["file_dirty" if (i + 1) * pattern // every > i * pattern // every else "file_clean" for i in range(every)]
    runs: list[tuple[str, int]] = []
    for kind in kinds:
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1] + 1)
        else:
            runs.append((kind, 1))
    if len(runs) == 1:
        return ((runs[0][0], pages),)
    whole, rest = divmod(pages, every)
    left = [(kind, 1) for kind in kinds[:rest]]
    return (*(((whole, tuple(runs)),) if whole else ()), *left)


def pareto(points: Iterable[Point], keys: Sequence[str] = FRONT) -> list[Point]:
    """The points that no other beats: none is at least as good in every key and better in one (less is better)."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: tuple(p[key] for key in keys)):
        value = tuple(point[key] for key in keys)
        if not any(all(f[key] <= v for key, v in zip(keys, value, strict=True)) for f in front):
            front.append(point)
    return front


def write_csv(points: Sequence[Point], file: TextIO) -> None:
    """One line per point, with a header."""
    writer = csv.DictWriter(file, list(points[0]) if points else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(points)


def plot(points: Sequence[Point], x: str, y: str, paths: Sequence[Path]) -> None:
    """Draw `y` over `x`, the Pareto front marked, to files by their endings (.svg, .png). Needs matplotlib."""
    import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "shootdown"  # the same file for the same points
    from matplotlib import pyplot as plt  # type: ignore[import-not-found,unused-ignore]

    figure, axes = plt.subplots()
    axes.plot([p[x] for p in points], [p[y] for p in points], ".", label="all points")
    front = pareto(points)
    axes.plot([p[x] for p in front], [p[y] for p in front], "o", fillstyle="none", label="Pareto front")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend()
    for path in paths:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
