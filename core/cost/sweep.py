"""Sweeps: how counts and prices depend on a parameter.  Each point is counted, not estimated.

Parameters are facts of the architecture (bundle, max_gather_batch, max_gather_batch_count, ptes_per_table, page_size),
of the machine (`cpus` that run the mm, `ceiling` of pages flushed one by one), and of the workload: `mapping` has
`pages` and `dirty`, the per cent of them that are dirty.

A large grid is counted in pieces by several processes; the order of the points does not depend on that.  The ceiling
has no effect on how a workload runs, so all ceilings are counted in one run.  Run summaries
(core/cost/run_summaries.py) are kept from one point to the next with the same facts.

Data types
    Axis(name, values)    one parameter and its values
    SweptArch             an architecture, the era of the core under it, and its prices
    Point                 a dict: architecture, parameters, counts, the price from `price_low` to `price_high` in
                          nanoseconds, that of the longest hold of a page-table lock from `hold_low` to `hold_high`, and
                          `unpriced`, the instructions without a coefficient
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, TextIO

from core.cost.counts import CEILING
from core.cost.outside import OutsideWorkload
from core.cost.outside import load as load_workload
from core.cost.price_model import PriceModel
from core.cost.workload_counts import REPORTED, CannotCount, Learned
from core.cost.workloads import Workload, build, parameters
from core.facts import wrong
from core.mm.era import Era
from core.plugins.arch import Arch, PluginError
from core.plugins.purity import remembering_nothing

FACTS = ("bundle", "max_gather_batch", "max_gather_batch_count", "ptes_per_table", "page_size")
MACHINE = {"cpus": 2, "ceiling": CEILING}
"""Parameters of the machine, with their defaults."""

FRONT = ("flushes", "max_held", "max_ptes_per_hold")
"""What the Pareto front minimises: flushes, pages held back, and entries cleared under one hold of a lock."""

LEAST = {"cpus": 1, "ceiling": 0}
"""The least values of the machine's parameters."""

PIECE, FEW = 250, 3
"""Points in a piece; with fewer pieces than FEW no process is started."""

FOREIGN_PIECES = 4
"""Pieces for a plugin from outside this project, at most: if it hangs, each piece waits for the timeout."""

MOST = 1_000_000
"""Points of a sweep at most: all are kept in memory."""

PRICE, HOLD = RANGES = ("price", "hold")
"""Ranges in a point, as NAME_low and NAME_high in nanoseconds: its price, and that of the longest lock hold."""

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter and its values."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class SweptArch:
    """An architecture to sweep over: `arch` sets it up in any process.

    `guest` is the third party whose plugin it is: nobody knows what that does there.  '' for the project's own.
    """

    name: str
    arch: Callable[[], Arch]
    era: Era
    model: PriceModel
    guest: str = ""


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
    """The parameters that can be swept, with those of the named `workload`; None for one without parameters."""
    return (*FACTS, *MACHINE, *(parameters(workload) if workload else ()))


@dataclass(frozen=True)
class GridCase:
    """Values of the axes except `ceiling`, counted in one run; `place` is the grid index of its first point."""

    place: int
    given: dict[str, int]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a piece answers: (grid index, point) pairs.

    `no_workload` says why values of the axes make no workload, `problem` why the plugin could not be counted, or ''.
    """

    points: tuple[tuple[int, dict[str, int | str]], ...] = ()
    no_workload: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Piece:
    """A job: some cases of one architecture, for each of the ceilings.

    `axes` are the names in the order of the grid; `stride` is the grid distance from one ceiling to the next.
    """

    subject: SweptArch
    workload: str | Workload | OutsideWorkload
    axes: tuple[str, ...]
    ceilings: tuple[int, ...]
    stride: int
    cases: tuple[GridCase, ...]

    @property
    def guest(self) -> str:
        """The third parties whose code is run."""
        outside = self.workload.reference if isinstance(self.workload, OutsideWorkload) else ""
        return "\n".join(filter(None, (self.subject.guest, outside)))

    def wrong(self, answer: Swept) -> str:
        """Why `answer` is not one of this piece; '' if it may be."""
        places = [case.place + n * self.stride for case in self.cases for n in range(len(self.ceilings))]
        if not (answer.no_workload or answer.problem) and sorted(place for place, _ in answer.points) != sorted(places):
            return "it is of other points"
        numbers = (*self.axes, *REPORTED, *(f"{what}_{end}" for what in RANGES for end in ("low", "high")))
        for _, point in answer.points:
            if point.get("arch") != self.subject.name or not isinstance(point.get("unpriced"), str):
                return f"it is of {point.get('arch')}"
            lacking = next((name for name in numbers if type(point.get(name)) is not int), "")
            if lacking:
                return f"a point has no {lacking}"
        return ""

    def run(self) -> Swept:
        """Count the piece."""
        arch = self.subject.arch()
        try:
            with remembering_nothing(arch.plugin):
                found = [point for case, learned in self._prepared(arch) for point in self._points(case, learned)]
        except _NoWorkload as error:
            return Swept(no_workload=str(error))
        except (CannotCount, PluginError) as error:
            return self.failed(str(error))
        return Swept(tuple(found))

    def _prepared(self, arch: Arch) -> Iterator[tuple[GridCase, Learned]]:
        """The cases, each with its counter; cases with the same facts share one."""
        known: dict[tuple[int, ...], Learned] = {}
        for case in self.cases:
            facts: dict[str, Any] = {name: value for name, value in case.given.items() if name in FACTS}
            key = tuple(facts.values())
            if key not in known:
                known[key] = Learned(replace(arch, facts=replace(arch.facts, **facts)), self.subject.era)
            yield case, known[key]

    def _points(self, case: GridCase, learned: Learned) -> Iterator[tuple[int, Point]]:
        load = self._workload(case)
        cpus = case.given.get("cpus", MACHINE["cpus"])
        counted = list(learned.accounts(load, cpus, self.ceilings))
        if isinstance(self.workload, OutsideWorkload) and counted != list(learned.accounts(load, cpus, self.ceilings)):
            raise PluginError(f"workload {self.workload.reference}: counting it twice gives different counts")
        for number, (ceiling, counts) in enumerate(zip(self.ceilings, counted, strict=True)):
            point = self._point({**case.given, "ceiling": ceiling}, counts)
            yield case.place + number * self.stride, point

    def _workload(self, case: GridCase) -> Workload:
        """That of the case; one from outside is loaded where it is counted."""
        if isinstance(self.workload, Workload):
            return self.workload
        if isinstance(self.workload, OutsideWorkload):
            return _from_outside(self.workload.reference)
        return _built(self.workload, _own(case.given))

    def _point(self, given: dict[str, int], counts: dict[str, int]) -> Point:
        price = self.subject.model.price(counts)
        hold = self.subject.model.lock_hold(counts, price)
        cost: dict[str, Any] = {"price_low": round(price.low), "price_high": round(price.high)}
        cost |= {"hold_low": round(hold[0]), "hold_high": round(hold[1]), "unpriced": " ".join(price.unpriced)}
        return {"arch": self.subject.name, **{name: given[name] for name in self.axes}, **counts, **cost}

    def failed(self, reason: str) -> Swept:
        """The result if the architecture's plugin raised, hung, or ended its process."""
        return Swept(problem=" ".join(reason.split()))


@lru_cache(maxsize=4096)
def _built(name: str, own: tuple[tuple[str, int], ...]) -> Workload:
    try:
        return build(name, dict(own))
    except ValueError as error:
        raise _NoWorkload(str(error)) from None


@lru_cache(maxsize=1)
def _from_outside(reference: str) -> Workload:
    return load_workload(reference)


class _NoWorkload(Exception):
    """Values of the axes that make no valid workload."""


def _own(given: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """The parameters that belong to the workload."""
    return tuple((name, n) for name, n in given.items() if name not in (*FACTS, *MACHINE))


def pieces(
    subjects: Sequence[SweptArch], axes: Sequence[Axis], workload: str | Workload | OutsideWorkload
) -> list[Piece]:
    """The grid on every architecture in pieces, with cases of the same facts together.

    ValueError if there are too many points, or if an axis occurs twice or has an invalid value.
    """
    names = tuple(axis.name for axis in axes)
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise ValueError(f"{twice} is given twice: give all its values at once, as in {twice}=64,512")
    size = prod(len(axis.values) for axis in axes)
    if size * len(subjects) > MOST:
        raise ValueError(f"{size * len(subjects)} points: at most {MOST} are possible; use steps: pages=512:4096:512")
    for one in axes:
        _check(one)
    ceilings: tuple[int, ...] = (MACHINE["ceiling"],)
    stride = 1
    if "ceiling" in names:
        at = names.index("ceiling")
        ceilings, stride = axes[at].values, prod(len(axis.values) for axis in axes[at + 1 :])
    spread = [range(len(ceilings)) if axis.name == "ceiling" else axis.values for axis in axes]
    cases = []
    for place, values in enumerate(product(*spread)):
        given = dict(zip(names, values, strict=True))
        if not given.pop("ceiling", 0):
            cases.append(GridCase(place, given))
    cases.sort(key=lambda case: [n for name, n in case.given.items() if name in FACTS])
    cut = []
    for number, subject in enumerate(subjects):
        placed = [GridCase(number * size + case.place, case.given) for case in cases]
        foreign = subject.guest or isinstance(workload, OutsideWorkload)
        most = max(PIECE, -(-len(cases) // FOREIGN_PIECES)) if foreign else PIECE
        each = max(1, most // len(ceilings))
        for first in range(0, len(placed), each):
            cut.append(Piece(subject, workload, names, ceilings, stride, tuple(placed[first : first + each])))
    return cut


def _check(axis: Axis) -> None:
    """ValueError for an invalid fact or parameter of the machine."""
    for value in axis.values:
        problem = wrong(axis.name, value) if axis.name in FACTS else ""
        least = LEAST.get(axis.name, value)
        if value < least:
            problem = f"expected a number of at least {least}, got {value}"
        if problem:
            raise ValueError(f"{axis.name}: {problem}")


def gathered(cut: Iterable[Piece], answers: Iterable[Swept]) -> tuple[list[Point], dict[str, str]]:
    """The points in the order of the grid, and, by architecture, why it could not be counted.

    ValueError for values of the axes that make no valid workload.
    """
    placed: list[tuple[int, Point]] = []
    problems: dict[str, str] = {}
    for piece, answer in zip(cut, answers, strict=True):
        if answer.no_workload:
            raise ValueError(answer.no_workload)
        if answer.problem:
            problems.setdefault(piece.subject.name, answer.problem)
        placed += answer.points
    points = [point for _, point in sorted(placed, key=lambda at: at[0])]
    return [point for point in points if point["arch"] not in problems], problems


def sweep(subjects: Sequence[SweptArch], axes: Sequence[Axis], workload: str | Workload = "mapping") -> list[Point]:
    """Every point of the grid on every architecture, in order, counted in this process.

    `workload` is the name of one whose parameters may be axes, or a Workload. ValueError for an invalid point.
    """
    cut = pieces(subjects, axes, workload)
    return gathered(cut, [piece.run() for piece in cut])[0]


def pareto(points: Iterable[Point], keys: Sequence[str] = FRONT) -> list[Point]:
    """The Pareto front: the points for which no other is at most as large in every key and smaller in one."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: tuple(p[key] for key in keys)):
        value = tuple(point[key] for key in keys)
        if not any(all(f[key] <= v for key, v in zip(keys, value, strict=True)) for f in front):
            front.append(point)
    return front


def write_csv(points: Sequence[Point], file: TextIO) -> None:
    """One line per point, with a header; a count that an architecture does not have is left empty."""
    columns = dict.fromkeys(name for point in points for name in point)
    writer = csv.DictWriter(file, list(columns), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(points)


def drawn(points: Sequence[Point], workload: str, axes: Sequence[str], x: str, y: str) -> dict[str, Any]:
    """The sweep as a page draws it (reports/page/multiples.py): `y` over `x`; ranges are in microseconds."""
    front = {id(point) for point in pareto(points)}
    told = [
        {name: point[name] for name in ("arch", *dict.fromkeys([*axes, x]))}
        | {end: _height(point, y, end) for end in ("low", "high")}
        | {"best": id(point) in front}
        for point in points
    ]
    return {"workload": workload, "axes": list(axes), "x": x, "y": f"{y} in us" if y in RANGES else y, "points": told}


def plot(points: Sequence[Point], x: str, y: str, paths: Sequence[Path]) -> None:
    """Plot `y` over `x`, one colour per architecture, to files by suffix (.svg, .png). Needs matplotlib.

    Points on the Pareto front are marked.  If `y` is one of RANGES, error bars show the range.
    """
    import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "shootdown"  # reproducible files
    from matplotlib import pyplot as plt  # type: ignore[import-not-found,unused-ignore]

    figure, axes = plt.subplots(figsize=(8, 5))
    for name in dict.fromkeys(point["arch"] for point in points):
        own = [point for point in points if point["arch"] == name]
        low, high = ([_height(p, y, end) for p in own] for end in ("low", "high"))
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        half = [(b - a) / 2 for a, b in zip(low, high, strict=True)]
        axes.errorbar([p[x] for p in own], middle, half if y in RANGES else None, fmt=".", label=name)
    front = pareto(points)
    middle = [(_height(p, y, "low") + _height(p, y, "high")) / 2 for p in front]
    axes.plot([p[x] for p in front], middle, "ko", fillstyle="none", label="Pareto front")
    axes.set_xlabel(x)
    axes.set_ylabel(f"{y} in us" if y in RANGES else y)
    axes.legend()
    figure.tight_layout()
    for path in paths:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _height(point: Point, y: str, end: str) -> float:
    return float(point[f"{y}_{end}"]) / 1000 if y in RANGES else float(point[y])
