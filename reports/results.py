"""A report as plain objects, for programs and notebooks: `load(FILE)`, or `core.notebook.results(...)` of a run.

Data types
    CellResult  one architecture in one scenario
    Cost        one architecture in one workload: its counts and its price
    Results     a whole report; pandas makes data frames of it, and a notebook shows it as a table
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.difference import read
from reports.gate import UNEXPECTED, unfinished
from reports.overview import summary
from reports.separated import VERDICT
from reports.tables import notes

if TYPE_CHECKING:
    from pandas import DataFrame

WIDE = 1000
"""Columns of a line that a browser wraps."""

COLOURS = {"pass": "#1a7f37", "unsupported": "#6e7781", "bounded": "#9a6700", "xfail": "#9a6700"}
"""Of verdicts, beside their words; any other is WRONG."""

WRONG = "#cf222e"


@dataclass(frozen=True)
class CellResult:
    """One architecture in one scenario, as in the report (reports/schema.json); `steps` is the length of the trace."""

    architecture: str
    scenario: str
    area: str
    tier: str
    verdict: str
    reason: str
    exhaustive: bool
    states: int
    transitions: int
    depth: int
    bounds: str
    steps: int
    seconds: float | None
    trace: tuple[Mapping[str, Any], ...] = ()

    @property
    def expected(self) -> bool:
        """Is it as declared, and finished?"""
        as_it_is = {"verdict": self.verdict, "tier": self.tier}
        return self.verdict not in UNEXPECTED and not unfinished(as_it_is)


SAME = (*VERDICT, "bounds")
"""What a CellResult has as the report has it."""


@dataclass(frozen=True)
class Cost:
    """One architecture in one workload: counts, and the price from `low` to `high` in nanoseconds."""

    architecture: str
    workload: str
    counts: Mapping[str, int]
    low: int
    high: int
    unpriced: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """A whole report. `report` is all of it, as plain data."""

    report: Mapping[str, Any]
    verdicts: tuple[CellResult, ...]
    costs: tuple[Cost, ...]

    def of(self, architecture: str, scenario: str) -> CellResult:
        """The verdict of `architecture` in `scenario`. KeyError if there is none."""
        for verdict in self.verdicts:
            if (verdict.architecture, verdict.scenario) == (architecture, scenario):
                return verdict
        raise KeyError(f"{architecture} {scenario}")

    def verdicts_frame(self) -> DataFrame:
        """A row for each verdict, without traces. ImportError without pandas: pip install 'shootdown[notebook]'."""
        return _frame([{k: v for k, v in asdict(one).items() if k != "trace"} for one in self.verdicts])

    def costs_frame(self) -> DataFrame:
        """A row for each architecture and workload: every count, and the price in nanoseconds. ImportError as above."""
        return _frame(
            [
                {"architecture": one.architecture, "workload": one.workload, **one.counts}
                | {"low_ns": one.low, "high_ns": one.high, "unpriced": " ".join(one.unpriced)}
                for one in self.costs
            ]
        )

    def __repr__(self) -> str:
        return " ".join(summary(self.report, WIDE).split("\n"))

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, the verdicts, traces to unfold."""
        parts = [f"<p>{escape(repr(self))}</p>", _table(self.verdicts), *map(_trace, self.verdicts)]
        parts += [f"<p><small>{escape(line)}</small></p>" for line in notes(self.report)]
        return "\n".join(part for part in parts if part)


def load(path: str | Path) -> Results:
    """The results in a report, JSON or JSON Lines. ReportError if the file is none, OSError if it is not read."""
    return results_of(read(Path(path)))


def results_of(report: Mapping[str, Any]) -> Results:
    """The objects of a report."""
    cells = report.get("timing", {}).get("cells", ())
    times = {(cell["architecture"], cell["scenario"]): cell["seconds"] for cell in cells}
    return Results(
        report, tuple(_verdict(result, times) for result in report["results"]), tuple(map(_cost, report["costs"]))
    )


def _verdict(result: Mapping[str, Any], times: Mapping[tuple[str, str], float]) -> CellResult:
    trace = tuple(result["trace"] or ())
    own: dict[str, Any] = {name: result[name] for name in SAME}
    seconds = times.get((result["architecture"], result["scenario"]))
    return CellResult(**own, steps=len(trace), seconds=seconds, trace=trace)


def _cost(cost: Mapping[str, Any]) -> Cost:
    price = cost["price"]
    unpriced = tuple(price["unpriced"])
    return Cost(cost["architecture"], cost["workload"], cost["counts"], price["low"], price["high"], unpriced)


def _frame(rows: list[dict[str, Any]]) -> DataFrame:
    import pandas

    return pandas.DataFrame(rows)


def _table(verdicts: Sequence[CellResult]) -> str:
    """A row for each scenario, a column for each architecture."""
    rows = list(dict.fromkeys(v.architecture for v in verdicts))
    cells = {(v.architecture, v.scenario): v for v in verdicts}
    head = "".join(f"<th>{escape(name)}</th>" for name in ("scenario", *rows))
    body = [
        f"<tr><td>{escape(scenario)}</td>{''.join(_cell(cells.get((row, scenario))) for row in rows)}</tr>"
        for scenario in dict.fromkeys(v.scenario for v in verdicts)
    ]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _cell(verdict: CellResult | None) -> str:
    if verdict is None:
        return "<td></td>"
    said = f"{verdict.verdict}({verdict.steps})" if verdict.steps else verdict.verdict
    why = escape(verdict.reason or verdict.bounds, quote=True)
    return f'<td style="color:{COLOURS.get(verdict.verdict, WRONG)}" title="{why}">{escape(said)}</td>'


def _trace(verdict: CellResult) -> str:
    """The trace of a verdict, folded; '' if there is none."""
    lines = [f"{n:3} CPU{step['cpu']} {step['thread']}: {step['step']}" for n, step in enumerate(verdict.trace, 1)]
    where = f"{verdict.architecture} {verdict.scenario}: {verdict.reason}"
    body = escape("\n".join(lines))
    return f"<details><summary>{escape(where)}</summary><pre>{body}</pre></details>" if lines else ""
