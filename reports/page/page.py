"""The HTML report: what the template is given, and the file around it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import quote

from reports.gate import UNEXPECTED
from reports.overview import Failure, by_reason, folded, summary
from reports.page.blocks import blocks
from reports.page.multiples import multiples
from reports.tables import COST_COLUMNS, interrupted, microseconds, reproducibility

Report = Mapping[str, Any]

SIGNS = {"pass": "✓", "bounded": "≤", "fail": "✗", "xfail": "!", "xpass": "▲", "error": "E", "unsupported": "·"}

WIDE = 1000
"""Columns of a line that is wrapped by the browser."""

REFUTED = ("fail", "xfail")

QUIET = ("pass", "bounded", "unsupported")
"""Verdicts that need nobody's attention: rows with others stand first."""


class NoJinja(RuntimeError):
    """Jinja2 is not installed."""


class Group(NamedTuple):
    """What fails for one reason, for the template: who fails what, and the shortest trace as text."""

    reason: str
    who: list[tuple[list[str], tuple[str, ...]]]
    row: str
    scenario: str
    steps: int
    trace: str


class Bar(NamedTuple):
    """One price in a plot; places in pixels."""

    name: str
    price: str
    x: int
    y: int
    width: int
    after: int


class Plot(NamedTuple):
    """The prices of one workload."""

    workload: str
    described: str
    height: int
    bars: list[Bar]


class Point(NamedTuple):
    """A row in the plane of two counts; `best`: no other is better in both."""

    name: str
    x: int
    y: int
    best: bool


class Beside(NamedTuple):
    """Two architectures side by side: the scenarios in which they differ, and the counts."""

    old: str
    new: str
    verdicts: list[tuple[str, dict[str, Any] | None, dict[str, Any] | None]]
    alike: int
    counts: Sequence[Mapping[str, Any]]
    unseen: str


class Front(NamedTuple):
    """Rows of one workload by two counts, with the ranges of both."""

    workload: str
    described: str
    x: tuple[int, int]
    y: tuple[int, int]
    points: list[Point]


def require_jinja() -> None:
    """Raise NoJinja, with what to do, if the page cannot be rendered."""
    try:
        import jinja2  # noqa: F401
    except ImportError:
        raise NoJinja("--format html needs Jinja2: pip install shootdown[html]") from None


def write(report: Report) -> str:
    """The page.

    `report` may have `recordings`, `museum`, `findings`, `scenarios` and `against`, which names two architectures and
    the counts in which they differ, beside what every report has.
    """
    require_jinja()
    from markupsafe import Markup

    script = _own("engine.js") + _own("stepper.js").replace('"use strict";\n', "", 1)
    return _rendered(
        "report.html.j2",
        title="Shootdown report",
        beside=_beside(report),
        summary=" ".join(summary(report, WIDE).split()),
        made=reproducibility(report),
        sweep=multiples(report["sweep"]) if report.get("sweep") else None,
        script=Markup(script),
        script_digest=_digest(script),
        place=place,
        unexpected=[_group(f, report) for f in by_reason(_unexpected(report))],
        declared=[_group(f, report) for f in by_reason([r for r in report["results"] if r["verdict"] == "xfail"])],
        **_matrix(report),
        plots=list(_plots(report)),
        fronts=list(_fronts(report)),
        costs=[{**cost, "shown": microseconds(cost["price"])} for cost in report["costs"]],
        count_names=COST_COLUMNS,
        museum=report.get("museum", ()),
        findings=report.get("findings", ()),
        architectures=report["architectures"],
        blocks=list(blocks(report, report.get("recordings", ()))),
    )


def write_sweep(sweep: Mapping[str, Any], columns: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """The page of a sweep (`multiples` has its form) and a table of all its points."""
    return _rendered("sweep.html.j2", sweep=multiples(sweep), columns=columns, lines=lines)


def _rendered(template: str, **given: Any) -> str:
    require_jinja()
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("reports.page", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    style = _own("style.css")
    text = environment.get_template(template).render(style=Markup(style), style_digest=_digest(style), **given)
    return text.lstrip() if text.endswith("\n") else text.lstrip() + "\n"


def place(architecture: str, scenario: str) -> str:
    """The address of a cell in the page."""
    return f"#/cell/{quote(architecture, safe='')}/{quote(scenario, safe='')}"


def _own(name: str) -> str:
    return files("reports.page").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """What a Content-Security-Policy calls the text by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _unexpected(report: Report) -> list[Mapping[str, Any]]:
    return [r for r in report["results"] if r["verdict"] in UNEXPECTED and not interrupted(r)]


def _group(failure: Failure, report: Report) -> Group:
    who = [(rows, scenarios) for scenarios, rows in failure.rows.items()]
    shown = next(r for r in report["results"] if (r["architecture"], r["scenario"]) == (failure.row, failure.scenario))
    trace = "\n".join([*map(_line, enumerate(shown["trace"] or (), 1)), "", shown["sentence"]])
    return Group(failure.reason, who, failure.row, failure.scenario, failure.steps, trace)


def _line(numbered: tuple[int, Mapping[str, Any]]) -> str:
    number, step = numbered
    changes = ", ".join(f"{c['cell']}: {c['before']} → {c['after']}" for c in step["changes"])
    what = f"{number:3}  CPU{step['cpu']} {step['thread']}: {step['step']}"
    return f"{what}    [{changes}]" if changes else what


def _matrix(report: Report) -> dict[str, Any]:
    """Scenarios by area against architectures, of which those with the same verdicts share a column."""
    own: dict[str, dict[str, Mapping[str, Any]]] = {arch["name"]: {} for arch in report["architectures"]}
    where: dict[str, list[str]] = {}
    for result in report["results"]:
        own[result["architecture"]][result["scenario"]] = result
        scenarios = where.setdefault(result["area"], [])
        if result["scenario"] not in scenarios:
            scenarios.append(result["scenario"])
    columns = folded({name: tuple((s, _kind(r)) for s, r in results.items()) for name, results in own.items()})
    columns.sort(key=lambda names: -sum(r["verdict"] not in QUIET for r in own[names[0]].values()))
    areas = [
        (area, [(scenario, [_cell(own[names[0]].get(scenario)) for names in columns]) for scenario in scenarios])
        for area, scenarios in where.items()
    ]
    return {"columns": columns, "areas": areas, "folded": [names for names in columns if len(names) > 1]}


def _beside(report: Report) -> Beside | None:
    against = report.get("against")
    if not against:
        return None
    own: dict[str, dict[str, Mapping[str, Any]]] = {}
    for result in report["results"]:
        own.setdefault(result["scenario"], {})[result["architecture"]] = result
    pairs = [(scenario, of.get(against["old"]), of.get(against["new"])) for scenario, of in own.items()]
    differ = [(s, _cell(old), _cell(new)) for s, old, new in pairs if _judged(old) != _judged(new)]
    alike = len(pairs) - len(differ)
    return Beside(against["old"], against["new"], differ, alike, against["counts"], against["unseen"])


def _judged(result: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
    return None if result is None else (*_kind(result), result["violated"])


def _kind(result: Mapping[str, Any]) -> tuple[str, int]:
    return result["verdict"], len(result["trace"] or ())


def _cell(result: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if result is None:
        return None
    steps = len(result["trace"] or ())
    sign = SIGNS[result["verdict"]] + (str(steps) if steps else "")
    return {name: result[name] for name in ("architecture", "scenario", "verdict", "violated")} | {"sign": sign}


def _sound(report: Report) -> set[str]:
    """The rows that fail nothing: only their prices mean something."""
    refuted = {r["architecture"] for r in report["results"] if r["verdict"] in REFUTED}
    return {arch["name"] for arch in report["architectures"]} - refuted


def _by_workload(report: Report) -> dict[str, list[Mapping[str, Any]]]:
    sound, found = _sound(report), dict[str, list[Mapping[str, Any]]]()
    for cost in report["costs"]:
        if cost["architecture"] in sound:
            found.setdefault(cost["workload"], []).append(cost)
    return found


def _plots(report: Report) -> Iterator[Plot]:
    """A bar from the lowest to the highest price for each group of rows with the same price, one plot per workload."""
    left, room, line = 150, 150, 18
    for workload, costs in _by_workload(report).items():
        groups = folded({cost["architecture"]: microseconds(cost["price"]) for cost in costs})
        price = {cost["architecture"]: cost["price"] for cost in costs}
        most = max(max(one["high"] for one in price.values()), 1)
        bars = []
        for number, names in enumerate(groups):
            low, high = (round(room * price[names[0]][end] / most) for end in ("low", "high"))
            more = f" +{len(names) - 1}" if len(names) > 1 else ""
            width = max(high - low, 2)
            shown = microseconds(price[names[0]])
            bars.append(Bar(names[0] + more, shown, left + low, number * line, width, left + low + width + 6))
        said = "; ".join(f"{bar.name}: {bar.price}" for bar in bars)
        yield Plot(workload, f"Prices of {workload} in microseconds: {said}", len(bars) * line + 4, bars)


def _fronts(report: Report) -> Iterator[Front]:
    """Flushes against pages held back, where rows differ in both."""
    for workload, costs in _by_workload(report).items():
        by_place = folded({c["architecture"]: (c["counts"]["flushes"], c["counts"]["max_held"]) for c in costs})
        counts = {c["architecture"]: (c["counts"]["flushes"], c["counts"]["max_held"]) for c in costs}
        places = [counts[names[0]] for names in by_place]
        (x0, x1), (y0, y1) = ((min(axis), max(axis)) for axis in zip(*places, strict=True))
        if x0 == x1 or y0 == y1:
            continue
        points = []
        for names, (x, y) in zip(by_place, places, strict=True):
            best = not any(a <= x and b <= y and (a, b) != (x, y) for a, b in places)
            name = names[0] + (f" +{len(names) - 1}" if len(names) > 1 else "")
            points.append(Point(name, 64 + 380 * (x - x0) // (x1 - x0), 254 - 236 * (y - y0) // (y1 - y0), best))
        said = "; ".join(f"{n[0]}: {x} flushes, {y} held" for n, (x, y) in zip(by_place, places, strict=True))
        yield Front(workload, f"{workload}: {said}", (x0, x1), (y0, y1), points)
