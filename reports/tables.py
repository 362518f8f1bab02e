"""The report as tables, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from core.run import INTERRUPTED
from reports.gate import UNEXPECTED
from reports.grid import grid

MAX_COLUMNS = 12
"""With up to this many scenarios, each has a column of its own."""

ALIKE = 3
"""Errors with the same message that are listed one by one."""

SIGNS = {"pass": ".", "bounded": "b", "fail": "F", "xfail": "x", "xpass": "X", "unsupported": "-", "error": "E"}
"""Verdicts as single characters."""

NOT_RUN = "?"
"""The sign of a verdict that an interrupted run did not reach."""

LEGEND = (
    "pass: no violation in any reachable state. bounded: none within the bounds, of large-* on the layouts tried. "
    "fail(n): a violation, with a shortest trace of n steps. "
    "xfail(n): a failure that arches.toml declares. n/a: the architecture lacks what the scenario needs. "
    "As signs: . pass, b bounded, F fail, x xfail, X xpass, - n/a, E error, ? not run."
)

COST_LEGEND = (
    "A price ranges from the lowest to the highest published cost of flushes, IPIs and TLB instructions (`prices`); + "
    "means that some counts have no price. Do not compare the cost of an architecture that fails."
)

COST_COLUMNS = ("flushes", "pte_flushes", "ipis", "lock_holds", "batch_pages", "max_held", "max_delayed")


def verdicts(report: Mapping[str, Any], markdown: bool = False) -> str:
    """One row per architecture: a verdict per scenario, the states explored, and how many searches were exhaustive.

    With more than MAX_COLUMNS scenarios a verdict is a single sign, and the scenarios are numbered below the table.
    """
    scenarios = list(dict.fromkeys(result["scenario"] for result in report["results"]))
    wide = len(scenarios) <= MAX_COLUMNS
    rows, results = [], by_architecture(report)
    for arch in report["architectures"]:
        own = {r["scenario"]: r for r in results.get(arch["name"], ())}
        ran = [r for r in own.values() if r["verdict"] not in ("unsupported", "error")]
        cells = [_cell(own[s]) for s in scenarios] if wide else _signs(own, scenarios)
        rows.append([arch["name"], *cells, sum(r["states"] for r in ran), _exhaustive(own.values())])
    columns = [_heading(s) for s in scenarios] if wide else [_ruler(len(scenarios)), "not passed (trace)"]
    headers = ["architecture", *columns, "states", "exhaustive"]
    table = grid(rows, headers, markdown=markdown, numbers=False, right=(len(headers) - 2,))
    return table if wide else f"{table}\n\n{_numbered(scenarios)}"


def by_architecture(report: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The results of each architecture, in their order."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for result in report["results"]:
        found.setdefault(result["architecture"], []).append(result)
    return found


def _exhaustive(results: Collection[Mapping[str, Any]]) -> str:
    """'yes', or how many of the searches saw every state: one that finds a violation stops there."""
    searched = [r for r in results if r["verdict"] != "unsupported" and r["tier"] != "large"]
    whole = sum(r["exhaustive"] and not r["violated"] for r in searched)
    return "yes" if whole == len(searched) > 0 else f"{whole} of {len(searched)}"


def _signs(own: Mapping[str, Mapping[str, Any]], scenarios: Sequence[str]) -> list[str]:
    """All verdicts as a string of signs, and the numbers of the scenarios that did not pass, with trace lengths."""
    signs = "".join(NOT_RUN if interrupted(own[s]) else SIGNS[own[s]["verdict"]] for s in scenarios)
    groups = " ".join(signs[i : i + 10] for i in range(0, len(signs), 10))
    bad = [(n, own[s]) for n, s in enumerate(scenarios, 1) if _is_bad(own[s])]
    return [groups, ", ".join(f"{n}({len(r['trace'] or ())})" for n, r in bad)]


def _is_bad(result: Mapping[str, Any]) -> bool:
    return result["verdict"] not in ("pass", "unsupported") and not interrupted(result)


def interrupted(result: Mapping[str, Any]) -> bool:
    """Is the result an error only because the run was interrupted before?"""
    return bool(result["verdict"] == "error" and result["reason"] == INTERRUPTED)


def _ruler(count: int) -> str:
    """1, 11, 21, ... above the groups of ten."""
    return " ".join(str(first).ljust(10) for first in range(1, count + 1, 10)).rstrip()


def _numbered(scenarios: Sequence[str]) -> str:
    names = [f"{n} {s}" for n, s in enumerate(scenarios, 1)]
    width = max(map(len, names)) + 2
    lines = ["".join(name.ljust(width) for name in names[i : i + 4]).rstrip() for i in range(0, len(names), 4)]
    return "\n".join(lines)


def costs(report: Mapping[str, Any], markdown: bool = False) -> str:
    """One row per architecture and workload: counts and price."""
    rows = []
    for cost in report["costs"]:
        counts = [cost["counts"][c] for c in COST_COLUMNS]
        rows.append([cost["architecture"], cost["workload"], *counts, microseconds(cost["price"])])
    return grid(rows, ["architecture", "workload", *COST_COLUMNS, "price in us"], markdown=markdown)


def microseconds(price: Mapping[str, Any]) -> str:
    """A price range in microseconds; + if some counts have no price."""
    more = "+" if price["unpriced"] else ""
    return f"{price['low'] / 1000:.0f} to {price['high'] / 1000:.0f}{more}"


class Bug(NamedTuple):
    """A historic bug: the verdict with the bug (`found`) and with the fix (`fixed`), and the states of the latter."""

    id: str
    commit: str
    cve: str
    wrong: str
    found: str
    fixed: str
    states: int


def museum(bugs: Sequence[Bug]) -> str:
    """One row per historic bug: the verdict without its fix, and with it."""
    headers = ["bug", "fixed by", "CVE", "what goes wrong", "unfixed", "fixed", "states"]
    return grid(bugs, headers, numbers=False, wrapped={1: 14, 2: 16, 3: 60})


def power(scenarios: Sequence[str], killers: Sequence[Collection[str]]) -> str:
    """One row per scenario: how many mutants it kills, and how many it alone. `killers` has one entry per mutant."""
    rows = []
    for name in scenarios:
        killed = [by for by in killers if name in by]
        rows.append([name, len(killed), sum(len(by) == 1 for by in killed)])
    return grid(rows, ["scenario", "kills", "alone"])


def problems(report: Mapping[str, Any]) -> str:
    """Every result that is not as declared, one per line; many equal errors of an architecture share a line."""
    told: dict[tuple[str, str], list[str]] = {}
    for result in report["results"]:
        if result["verdict"] in UNEXPECTED and not interrupted(result):
            what = result["architecture"], f"{result['verdict']}: {result['reason']}"
            told.setdefault(what, []).append(result["scenario"])
    lines = []
    for (architecture, reason), scenarios in told.items():
        alike = reason.startswith("error") and len(scenarios) > ALIKE
        names = [f"{scenarios[0]} and {len(scenarios) - 1} others"] if alike else scenarios
        lines += [f"{architecture} {name}: {reason}" for name in names]
    return "\n".join(lines)


def text(report: Mapping[str, Any]) -> str:
    """The report as text, for the terminal."""
    parts = [verdicts(report), LEGEND]
    if report["costs"]:
        parts += [costs(report), COST_LEGEND]
    wrong = problems(report)
    left = sum(map(interrupted, report["results"]))
    if left:
        parts.append(f"Interrupted: {left} of {len(report['results'])} were not run")
    if wrong:
        parts.append(f"Not as declared:\n{wrong}")
    parts += notes(report)
    return "\n\n".join(parts) + "\n"


def markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown; what a plugin or a configuration calls something is text in it, and no markup."""
    report = _as_text(report)
    parts = ["# Shootdown", "## Correctness", verdicts(report, markdown=True), LEGEND]
    if report["costs"]:
        parts += ["## Cost", costs(report, markdown=True), COST_LEGEND]
    wrong = problems(report)
    if wrong:
        parts += ["## Not as declared", "\n".join(f"- {line}" for line in wrong.splitlines())]
    parts += notes(report)
    return "\n\n".join(parts) + "\n"


MARKUP = str.maketrans({char: f"\\{char}" for char in "\\`*[]|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})
"""Characters that Markdown obeys in the middle of a line, as text; an underscore within a word is none of them."""


def _as_text(value: Any) -> Any:
    """Plain data with what Markdown would obey in its texts escaped."""
    if isinstance(value, str):
        return value.translate(MARKUP)
    if isinstance(value, Mapping):
        return {key: _as_text(item) for key, item in value.items()}
    return [_as_text(item) for item in value] if isinstance(value, list) else value


def reproducibility(report: Mapping[str, Any]) -> str:
    """The versions and settings that reproduce the report, and how other people's code was contained."""
    suite = report["suite"]
    contained = f"; others' code contained by {suite['containment']}" if suite.get("containment") else ""
    package = f"shootdown {suite['shootdown']}, hooks {suite['hooks']}, " if "shootdown" in suite else ""
    return (
        f"suite {suite['version']}, {package}Python {suite['python']}, searcher {suite['searcher']}, "
        f"memory model {suite['memory_model']}, bounds {suite['bounds']}, seed {suite['seed']}{contained}"
    )


def plugins(report: Mapping[str, Any]) -> str:
    """The third parties' plugins of the report and their versions; of one in a file the digest. '' for none."""
    told = []
    for arch in report["architectures"]:
        if arch.get("digest"):
            known = arch["distribution"] or f"digest {arch['digest'][:12]}"
            told.append(f"{arch['name']} ({known})")
    return f"plugins: {', '.join(told)}" if told else ""


def windows(report: Mapping[str, Any]) -> str:
    """The evidence that what is proved is not vacuous: the windows of the scenarios that the searches have been in."""
    proved = [r for r in report["results"] if r["verdict"] == "pass" and r.get("reached")]
    missed = [r for r in report["results"] if r["verdict"] == "bounded" and r.get("unreached")]
    told = [f"{sum(len(r['reached']) for r in proved)} windows reached in {len(proved)} proofs"] if proved else []
    return "; ".join([*told, *([f"{len(missed)} searches stopped before theirs"] if missed else [])])


def notes(report: Mapping[str, Any]) -> list[str]:
    """What every report ends with: the evidence, the versions of plugins, and what reproduces it."""
    return [line for line in (windows(report), plugins(report), reproducibility(report)) if line]


def _cell(result: Mapping[str, Any]) -> str:
    verdict: str = result["verdict"]
    if interrupted(result):
        return "not run"
    if verdict in ("fail", "xfail") and result["trace"]:
        return f"{verdict}({len(result['trace'])})"
    return "n/a" if verdict == "unsupported" else verdict


def _heading(scenario: str) -> str:
    return scenario.replace("-", "\n") if len(scenario) > 8 else scenario
