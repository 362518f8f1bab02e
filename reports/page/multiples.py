"""A sweep as small multiples: a count over one parameter, a plot for each combination of the others, a marker for each
architecture, all on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reports.overview import folded

MARKERS = "●■▲◆▼✚★○□△◇▽"
"""A shape of its own for each group of architectures; behind the last they begin again."""

LEFT, RIGHT, TOP, BOTTOM = 60, 330, 14, 150
"""Pixels: the edges of the plane."""

APART = 9
"""Pixels between the markers of one value of the parameter: equal ones stand side by side."""

LABELS = 8
"""Values of the parameter that are written below a plot at most."""

Point = Mapping[str, Any]


class Marker(NamedTuple):
    """One value: `low` and `high` are the ends of its range in pixels; `best`: on the Pareto front."""

    sign: str
    x: int
    low: int
    high: int
    best: bool


class Panel(NamedTuple):
    """One plot; `labels` are (place, value) pairs of the parameter."""

    title: str
    described: str
    marks: list[Marker]
    labels: list[tuple[int, str]]


class Multiples(NamedTuple):
    """All plots of a sweep. `legend` has the marker and the architectures that it stands for."""

    workload: str
    x: str
    y: str
    most: str
    legend: list[tuple[str, list[str]]]
    panels: list[Panel]


def multiples(sweep: Mapping[str, Any]) -> Multiples:
    """`sweep` has `workload`, `x`, `y`, `axes` (names of the parameters) and `points`.

    A point has the parameters by their names, `arch`, `low` and `high` (the count, twice, or the ends of its range),
    and `best`, whether it is on the Pareto front.  Architectures that are equal in every point share a marker.
    """
    points: Sequence[Point] = sweep["points"]
    others = [name for name in sweep["axes"] if name != sweep["x"]]
    series: dict[str, list[tuple[Any, ...]]] = {}
    for point in points:
        place = tuple(point[name] for name in sweep["axes"])
        series.setdefault(point["arch"], []).append((*place, point["low"], point["high"]))
    groups = folded({name: tuple(own) for name, own in series.items()})
    signs = {names[0]: MARKERS[number % len(MARKERS)] for number, names in enumerate(groups)}
    shown = [point for point in points if point["arch"] in signs]
    values = list(dict.fromkeys(point[sweep["x"]] for point in points))
    most = max([point["high"] for point in points] + [1])
    panels = []
    for place in dict.fromkeys(tuple(point[name] for name in others) for point in shown):
        own = [point for point in shown if tuple(point[name] for name in others) == place]
        title = ", ".join(f"{name} {value}" for name, value in zip(others, place, strict=True))
        panels.append(_panel(title, own, sweep, values, most, signs))
    legend = [(signs[names[0]], names) for names in groups]
    return Multiples(sweep["workload"], sweep["x"], sweep["y"], _short(most), legend, panels)


def _panel(
    title: str, points: Sequence[Point], sweep: Mapping[str, Any], values: list[Any], most: float, signs: dict[str, str]
) -> Panel:
    places = {value: _across(number, len(values)) for number, value in enumerate(values)}
    beside = {arch: round((number - (len(signs) - 1) / 2) * APART) for number, arch in enumerate(signs)}
    marks = [
        Marker(
            signs[p["arch"]],
            places[p[sweep["x"]]] + beside[p["arch"]],
            _up(p["low"], most),
            _up(p["high"], most),
            p["best"],
        )
        for p in points
    ]
    every = -(-len(values) // LABELS)
    labels = [(places[value], str(value)) for value in values[::every]]
    said = "; ".join(f"{p['arch']} at {p[sweep['x']]}: {_range(p)}" for p in points)
    return Panel(title, f"{sweep['y']} over {sweep['x']}{', ' if title else ''}{title}: {said}", marks, labels)


def _across(number: int, of: int) -> int:
    return LEFT + 20 + (RIGHT - LEFT - 40) * number // max(of - 1, 1)


def _up(value: float, most: float) -> int:
    return round(BOTTOM - (BOTTOM - TOP) * value / most)


def _range(point: Point) -> str:
    low, high = _short(point["low"]), _short(point["high"])
    return low if low == high else f"{low} to {high}"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
