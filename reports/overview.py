"""The default view of a report: what somebody wants to know within a minute, in lines no wider than the terminal.

First a summary, then what is not as declared, then what fails as declared, grouped by its reason; verdicts by area,
rows with the same verdicts folded into one; prices last, of rows that fail nothing, and only where they differ.
`reports.tables` has every cell and every count.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from reports.gate import UNEXPECTED
from reports.tables import MAX_COLUMNS, SIGNS, interrupted, microseconds, notes, verdicts

Report = Mapping[str, Any]
Verdict = Mapping[str, Any]

PIPE = 80
"""Columns where stdout is no terminal."""

REFUTED = ("fail", "xfail")
SILENT = ("pass", "unsupported")
"""Verdicts that need no mention in an area: all of it is proved."""

MEANING = {"b": "bounded", "F": "fail", "x": "fail as declared", "X": "pass, against what is declared", "E": "in error"}
"""What a sign behind a number means in an area."""


class Failure(NamedTuple):
    """What has one reason: the rows by the scenarios they fail, and the shortest trace, of `row` in `scenario`."""

    reason: str
    rows: dict[tuple[str, ...], list[str]]
    row: str
    scenario: str
    steps: int


def text(report: Report, width: int | None = None) -> str:
    """The default view, `width` columns wide (default: the terminal's, or 80)."""
    columns = width or shutil.get_terminal_size((PIPE, 24)).columns
    parts = [summary(report, columns), _unexpected(report, columns), _declared(report, columns)]
    parts += [_matrix(report, columns), _prices(report, columns), _notes(report, columns)]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(report: Report, width: int) -> str:
    """How many are proved, what fails, whether anything is unexpected or unfinished: two sentences."""
    results = [r for r in report["results"] if not interrupted(r)]
    counted = {verdict: sum(r["verdict"] == verdict for r in results) for verdict in SIGNS}
    wrong = sum(number for verdict, number in counted.items() if verdict in UNEXPECTED)
    left = len(report["results"]) - len(results)
    failed = counted["fail"] + counted["xfail"]
    said = [f"{counted['pass']} proved"]
    said += [f"{counted['bounded']} bounded"] if counted["bounded"] else []
    said += [f"{failed} fail{'' if wrong else ', all as declared'}"] if failed else []
    said += [f"{counted['error']} in error"] if counted["error"] else []
    rows = _many(len(report["architectures"]), "architecture")
    scenarios = _many(len({r["scenario"] for r in report["results"]}), "scenario")
    expected = f"{wrong} not as declared" if wrong else "Nothing unexpected"
    finished = f"{left} not run: interrupted" if left else "what is bounded is not proved"
    finished = finished if left or counted["bounded"] else "nothing unfinished"
    lines = [f"{rows}, {scenarios}: {', '.join(said)}."]
    lines += [f"{expected}, {finished}. {counted['unsupported']} do not apply."]
    return "\n".join(_wrapped(lines, width))


def _unexpected(report: Report, width: int) -> str:
    wrong = [r for r in report["results"] if r["verdict"] in UNEXPECTED and not interrupted(r)]
    return _failures("Not as declared", wrong, width)


def _declared(report: Report, width: int) -> str:
    failed = [r for r in report["results"] if r["verdict"] == "xfail"]
    return _failures("What fails as declared, and where to look", failed, width)


def _failures(title: str, results: Sequence[Verdict], width: int) -> str:
    """`results` by their reasons: who fails what, and the command that shows the shortest trace."""
    lines = [title] if results else []
    for failure in by_reason(results):
        lines += wrap(failure.reason, width, initial_indent="  ", subsequent_indent="  ")
        for scenarios, rows in failure.rows.items():
            who = f"{', '.join(rows)}: {', '.join(scenarios)}"
            lines += wrap(who, width, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False)
        if failure.steps:
            lines.append(f"    > explain {failure.row} {failure.scenario}   ({failure.steps} steps)")
    return "\n".join(lines)


def by_reason(results: Sequence[Verdict]) -> list[Failure]:
    """What fails, by the reason that is declared or the property that is violated."""
    reasons: dict[str, list[Verdict]] = {}
    for result in results:
        reasons.setdefault(_reason(result), []).append(result)
    return [_failure(reason, alike) for reason, alike in reasons.items()]


def _reason(result: Verdict) -> str:
    """What arches.toml declares, or what is violated, in a sentence where there is one."""
    if result["verdict"] == "xfail":
        return str(result["reason"])
    sentence = f": {result['sentence']}" if result["verdict"] == "fail" and result["sentence"] else ""
    return f"{result['verdict']}: {result['reason']}{sentence}"


def _failure(reason: str, results: Sequence[Verdict]) -> Failure:
    scenarios: dict[str, list[str]] = {}
    for result in results:
        scenarios.setdefault(result["architecture"], []).append(result["scenario"])
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, failed in scenarios.items():
        rows.setdefault(tuple(failed), []).append(name)
    shown = min(results, key=lambda r: len(r["trace"] or ()) or 1 << 30)
    return Failure(reason, rows, shown["architecture"], shown["scenario"], len(shown["trace"] or ()))


def _matrix(report: Report, width: int) -> str:
    """Verdicts by scenario, where there are few and they fit; else by area."""
    if len({r["scenario"] for r in report["results"]}) <= MAX_COLUMNS:
        table = verdicts(report)
        if max(map(len, table.splitlines())) <= width:
            return table
    return _areas(report, width)


def _areas(report: Report, width: int) -> str:
    own: dict[str, list[Verdict]] = {arch["name"]: [] for arch in report["architectures"]}
    for result in report["results"]:
        own[result["architecture"]].append(result)
    areas = list(dict.fromkeys(r["area"] for r in report["results"] if r["verdict"] != "unsupported"))
    alike = folded({name: tuple((r["scenario"], r["verdict"]) for r in results) for name, results in own.items()})
    table = {
        names[0]: [_cell([r for r in own[names[0]] if r["area"] == area]) for area in areas]
        + [str(sum(r["verdict"] == kind for r in own[names[0]])) for kind in ("pass", "unsupported")]
        for names in alike
    }
    head = [*areas, "proved", "n/a"]
    seen = "".join(cell for row in table.values() for cell in row[: len(areas)] if cell != "ok")
    legend = ["ok: all that applies is proved", *(f"{sign}: {said}" for sign, said in MEANING.items() if sign in seen)]
    lines = wrap(f"Verdicts by area. {', '.join(legend)}", width)
    return "\n".join(lines + _table(head, table, alike, width))


def _cell(results: Sequence[Verdict]) -> str:
    """The verdicts of an area: 'ok', '-' where none applies, or how many are not proved, by sign."""
    loud = [r["verdict"] for r in results if r["verdict"] not in SILENT]
    if loud:
        return "".join(f"{loud.count(kind)}{sign}" for kind, sign in SIGNS.items() if kind in loud)
    return "ok" if any(r["verdict"] == "pass" for r in results) else "-"


def folded(of: Mapping[str, object]) -> list[list[str]]:
    """The names by equal values, in the order in which values first occur."""
    groups: dict[object, list[str]] = {}
    for name, value in of.items():
        groups.setdefault(value, []).append(name)
    return list(groups.values())


def _table(
    head: Sequence[str], rows: Mapping[str, Sequence[str]], alike: Iterable[Sequence[str]], width: int
) -> list[str]:
    """Columns that do not fit stand in a further block; in the first, a row names those that are the same."""
    stub = max(map(len, rows), default=0)
    sizes = [max(len(title), *(len(row[n]) for row in rows.values())) + 1 for n, title in enumerate(head)]
    lines: list[str] = []
    for block in _blocks(sizes, width - stub):
        first = not lines
        lines.append(" " * stub + "".join(head[n].rjust(sizes[n]) for n in block))
        for names in alike:
            lines.append(names[0].ljust(stub) + "".join(rows[names[0]][n].rjust(sizes[n]) for n in block))
            same = f"the same: {', '.join(names[1:])}" if first and names[1:] else ""
            lines += wrap(same, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return [line.rstrip() for line in lines]


def _blocks(sizes: Sequence[int], width: int) -> list[list[int]]:
    """The numbers of the columns, in blocks that are at most `width` wide, or have one column."""
    blocks: list[list[int]] = [[]]
    for n, size in enumerate(sizes):
        if blocks[-1] and sum(sizes[m] for m in blocks[-1]) + size > width:
            blocks.append([])
        blocks[-1].append(n)
    return blocks


def _prices(report: Report, width: int) -> str:
    """Prices of the rows that fail nothing; the others are named. '' if all fail, or nothing was counted."""
    failing = {r["architecture"] for r in report["results"] if r["verdict"] in (*REFUTED, "error")}
    workloads = list(dict.fromkeys(cost["workload"] for cost in report["costs"]))
    prices: dict[str, dict[str, str]] = {}
    for cost in report["costs"]:
        prices.setdefault(cost["architecture"], {})[cost["workload"]] = microseconds(cost["price"])
    proved = {name: [own.get(w, "") for w in workloads] for name, own in prices.items() if name not in failing}
    if not proved:
        return ""
    alike = folded({name: tuple(row) for name, row in proved.items()})
    lines = wrap("Price in microseconds, low to high, of rows that fail nothing", width)
    lines += _table(workloads, proved, alike, width)
    unpriced = [name for name in prices if name in failing]
    if unpriced:
        lines += wrap(f"no price, because they fail: {', '.join(unpriced)}", width, break_on_hyphens=False)
    return "\n".join(lines)


def _notes(report: Report, width: int) -> str:
    nowhere = _areas_nowhere(report)
    lines = [f"No row has what these areas need: {', '.join(nowhere)}."] if nowhere else []
    lines += ["Every cell and every count: -v. One trace: explain ARCH SCENARIO.", *notes(report)]
    return "\n".join(_wrapped(lines, width))


def _areas_nowhere(report: Report) -> list[str]:
    everywhere = dict.fromkeys(r["area"] for r in report["results"])
    return [a for a in everywhere if all(r["verdict"] == "unsupported" for r in report["results"] if r["area"] == a)]


def _wrapped(lines: Iterable[str], width: int) -> list[str]:
    return [part for line in lines for part in wrap(line, width)]


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
