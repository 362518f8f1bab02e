"""The report as tables, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from core.conformance.museum import Showing

LEGEND = (
    "pass: no violation in any reachable state. fail(n): a violation, shortest trace of n steps. "
    "xfail(n): the same, as declared in arches.toml. n/a: the architecture lacks what the scenario needs."
)

COST_LEGEND = (
    "Prices take flushes and IPIs to cost what they do on x86 (`prices` has the sources); + means that some counts "
    "have no price. An architecture that fails is not to be compared by cost."
)

COST_COLUMNS = ("flushes", "pte_flushes", "ipis", "lock_holds", "batch_pages", "max_held", "max_delayed")


def verdicts(report: Mapping[str, Any], style: str) -> str:
    """One row per architecture: a verdict per scenario, states explored, and whether all of it is exhaustive."""
    scenarios = list(dict.fromkeys(result["scenario"] for result in report["results"]))
    rows = []
    for arch in report["architectures"]:
        own = {r["scenario"]: r for r in report["results"] if r["architecture"] == arch["name"]}
        ran = [r for r in own.values() if r["verdict"] not in ("unsupported", "error")]
        proved = all(r["exhaustive"] or r["violated"] for r in ran) and bool(ran)
        cells = [_cell(own[s]) if s in own else "" for s in scenarios]
        states = sum(r["states"] for r in ran)
        rows.append([arch["name"], *cells, states, "yes" if proved else "no"])
    headers = ["architecture", *[_heading(s) for s in scenarios], "states", "exhaustive"]
    return tabulate(rows, headers, tablefmt=style, disable_numparse=True, colalign=_align(len(headers), 2))


def costs(report: Mapping[str, Any], style: str) -> str:
    """One row per architecture and workload with the counts."""
    rows = []
    for cost in report["costs"]:
        counts = [cost["counts"][c] for c in COST_COLUMNS]
        rows.append([cost["architecture"], cost["workload"], *counts, _microseconds(cost["price"])])
    return tabulate(rows, ["architecture", "workload", *COST_COLUMNS, "price in us"], tablefmt=style)


def _microseconds(price: Mapping[str, Any]) -> str:
    """From the lowest to the highest source; a plus says that some counts have no price."""
    more = "+" if price["unpriced"] else ""
    return f"{price['low'] / 1000:.0f} to {price['high'] / 1000:.0f}{more}"


def museum(showings: Sequence[Showing]) -> str:
    """One row per historic bug: found with it, proved without it."""
    rows = []
    for showing in showings:
        exhibit, bug, fixed = showing.exhibit, showing.bug, showing.fixed
        found = f"{bug.verdict}({len(bug.trace)})" if bug.trace else bug.verdict
        rows.append([exhibit.id, exhibit.commit, exhibit.cve, exhibit.wrong, found, fixed.verdict, fixed.states])
    headers = ["bug", "fixed by", "CVE", "what goes wrong", "with it", "without", "states"]
    return tabulate(
        rows, headers, tablefmt="simple", disable_numparse=True, maxcolwidths=[None, 14, 16, 60] + [None] * 3
    )


def problems(report: Mapping[str, Any]) -> str:
    """Every result that is not as declared, a line each."""
    lines = []
    for result in report["results"]:
        if result["verdict"] in ("fail", "xpass", "error"):
            where = f"{result['architecture']} {result['scenario']}"
            lines.append(f"{where}: {result['verdict']}: {result['reason']}")
    return "\n".join(lines)


def text(report: Mapping[str, Any]) -> str:
    """The terminal's report."""
    parts = [verdicts(report, "simple"), LEGEND]
    if report["costs"]:
        parts += [costs(report, "simple"), COST_LEGEND]
    wrong = problems(report)
    if wrong:
        parts.append(f"Not as declared:\n{wrong}")
    parts.append(reproducibility(report))
    return "\n\n".join(parts) + "\n"


def markdown(report: Mapping[str, Any]) -> str:
    """The same as Markdown."""
    parts = ["# Shootdown", "## Correctness", verdicts(report, "github"), LEGEND]
    if report["costs"]:
        parts += ["## Cost", costs(report, "github"), COST_LEGEND]
    wrong = problems(report)
    if wrong:
        parts += ["## Not as declared", "\n".join(f"- {line}" for line in wrong.splitlines())]
    parts.append(reproducibility(report))
    return "\n\n".join(parts) + "\n"


def reproducibility(report: Mapping[str, Any]) -> str:
    """What it takes to get the same report again."""
    suite = report["suite"]
    return (
        f"suite {suite['version']}, Python {suite['python']}, searcher {suite['searcher']}, "
        f"memory model {suite['memory_model']}, bounds {suite['bounds']}, seed {suite['seed']}"
    )


def _cell(result: Mapping[str, Any]) -> str:
    verdict: str = result["verdict"]
    if verdict in ("fail", "xfail") and result["trace"]:
        return f"{verdict}({len(result['trace'])})"
    return "n/a" if verdict == "unsupported" else verdict


def _heading(scenario: str) -> str:
    return scenario.replace("-", "\n") if len(scenario) > 8 else scenario


def _align(columns: int, right: int) -> list[str]:
    return ["left"] * (columns - right) + ["right"] * (right - 1) + ["left"]
