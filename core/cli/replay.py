"""The subcommand `replay`: what a recorded program costs on every architecture, and how exact x86 is."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.costs import COLUMNS, add_rows, answer_of, chosen_model, chosen_rows, hold_text, tell
from core.cost.price_model import PriceModel
from core.table.row import Row
from core.truth.shipped import ground_truth
from reports.grid import grid

if TYPE_CHECKING:
    from core.truth.recorded.differences import Flushes, Replayed
    from core.truth.recorded.totals import Totals

MOST_SHOWN = 20
"""Differences of one kind in the table; `--format json` has all."""

SCHEMA = {"name": "shootdown-replay", "version": 1}


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    command = add("replay", help="the cost of a recorded program's changes of its mappings on every architecture")
    command.add_argument("file", type=ground_truth, metavar="RECORDING")
    add_rows(command, "only this row of arches.toml")
    command.add_argument("--format", choices=("table", "json"), default="table", help="json lists every difference")
    command.set_defaults(command=replay_command)


def replay_command(arguments: argparse.Namespace) -> int:
    """Replay on each row, and compare x86 with the recording.

    Exit status 1 if anything is not as recorded or a row cannot be counted, 2 if the file is damaged.
    """
    from core.truth.recorded.totals import Replaying

    rows, problems = chosen_rows(arguments, None)
    base = chosen_model(arguments.prices)
    totals = Replaying(arguments.file, tuple((row.name, row.arch, row.era) for row in rows if not row.foreign)).run()
    if totals.broken:
        print(f"shootdown: {totals.broken}", file=sys.stderr)
    for row in rows:
        if row.foreign:
            alone = Replaying(arguments.file, ((row.name, row.arch, row.era),), row.guest)
            own: Totals = answer_of(alone, row, arguments.timeout)
            totals.counts |= own.counts
            totals.problems |= own.problems
    priced = [row for row in rows if totals.counts.get(row.name)]
    if arguments.format == "json":
        print(json.dumps(document(arguments.file, totals, priced, base, problems), indent=1))
    else:
        _print_prices(totals, priced, base)
        _print_exactness(totals)
        _print_differences(totals)
        _print_gaps(totals)
    status = tell(problems | totals.problems)
    return 2 if totals.broken else 1 if totals.kinds else status


# ---- text ----------------------------------------------------------------------------------------------------


def _print_prices(totals: Totals, rows: list[Row], base: PriceModel) -> None:
    recorded, _ = totals.flushes
    unexplained = f"{totals.unexplained} of {recorded}"
    lines: list[list[Any]] = []
    for row in rows:
        sums, model = totals.counts[row.name], row.model(base)
        per_flush = f"{sums['pages_freed'] / max(sums['flushes'], 1):.1f}"
        more = [sums["pages_freed"], per_flush, str(model.price(sums)), unexplained, hold_text(model, sums)]
        lines.append([row.name, *[sums[c] for c in COLUMNS], *more])
    price = [f"price ({base.name})", "flushes unexplained"]
    print(grid(lines, ["architecture", *COLUMNS, "pages freed", "per flush", *price, "longest lock hold"]))
    print()


def _print_exactness(totals: Totals) -> None:
    headers = ["x86 6.18 against the recording", "calls", "exact", "flushes recorded", "predicted"]
    lines = [[kind, *values] for kind, values in sorted(totals.exact.items())]
    print(grid(lines, [*headers, "IPIs recorded", "predicted"]))
    recorded, predicted = totals.flushes
    print(f"flushes: {recorded} recorded, {predicted} predicted")
    answers, least, most = totals.answers
    span = str(least) if least == most else f"{least} to {most}"
    print(f"answers of other CPUs: {answers} recorded, {span} predicted")


def _print_differences(totals: Totals) -> None:
    """What is not as recorded, kind by kind, and what no operation explains."""
    for kind, count in totals.kinds.items():
        of = f"{count.operations} operations, " if count.operations else ""
        explained = "explained" if kind.explained else "unexplained"
        print(f"{explained}: {kind.name}: {of}{count.flushes} flushes: {kind.why}")
        some = [replayed for replayed in totals.different if replayed.kind == kind]
        for replayed in some[:MOST_SHOWN]:
            print(f"different: line {replayed.line}: {replayed.difference}")
        if len(some) > MOST_SHOWN:
            print(f"different: {len(some) - MOST_SHOWN} more of this kind: --format json has them")


def _print_gaps(totals: Totals) -> None:
    from core.truth.recorded.replay import APPROXIMATIONS

    if totals.gaps.joined:
        print(f"by the recording: {totals.gaps.joined} flushes asked a CPU that {WAITER}")
    if str(totals.gaps):
        print(f"incomplete: {totals.gaps}; what was lost is missing here too")
    for text in APPROXIMATIONS:
        print(f"approximation: {text}")


WAITER = "is in mm_cpumask if a thread that waited for mmap_lock had run there; that it was sent says so"


# ---- JSON ----------------------------------------------------------------------------------------------------


def document(
    path: Path, totals: Totals, rows: list[Row], base: PriceModel, problems: Mapping[str, str]
) -> dict[str, Any]:
    """All of it as plain data: prices in nanoseconds, flushes as in the recording."""
    from core.truth.recorded.replay import APPROXIMATIONS

    recorded, predicted = totals.flushes
    kinds = totals.kinds
    return {
        "schema": SCHEMA,
        "recording": str(path),
        "broken": totals.broken,
        "costs": [_cost(row, totals, base) for row in rows],
        "operations": [_exactness(name, values) for name, values in sorted(totals.exact.items())],
        "flushes": {"recorded": recorded, "predicted": predicted, "unexplained": totals.unexplained},
        "answers": dict(zip(("recorded", "least", "most"), totals.answers, strict=True)),
        "kinds": [{**kind._asdict(), **asdict(count)} for kind, count in kinds.items()],
        "differences": [_difference(replayed) for replayed in totals.different],
        "gaps": asdict(totals.gaps),
        "approximations": list(APPROXIMATIONS),
        "problems": {**problems, **totals.problems},
    }


def _cost(row: Row, totals: Totals, base: PriceModel) -> dict[str, Any]:
    counts, model = totals.counts[row.name], row.model(base)
    price = model.price(counts)
    cost = {"model": base.name, "low": price.low, "high": price.high, "text": str(price)}
    return {"architecture": row.name, "counts": counts, "price": cost, "unexplained": totals.unexplained}


def _exactness(name: str, values: list[int]) -> dict[str, Any]:
    operations, exact, recorded, predicted, sent, asked = values
    flushes, ipis = {"recorded": recorded, "predicted": predicted}, {"recorded": sent, "predicted": asked}
    return {"operation": name, "count": operations, "exact": exact, "flushes": flushes, "ipis": ipis}


def _difference(replayed: Replayed) -> dict[str, Any]:
    assert replayed.kind is not None
    return {
        "line": replayed.line,
        "operation": replayed.name,
        "pages": replayed.pages,
        "recorded": _flushes(replayed.measured),
        "predicted": _flushes(replayed.predicted),
        "asked": {"recorded": replayed.asked[0], "predicted": replayed.asked[1]},
        "kind": replayed.kind.name,
        "explained": replayed.kind.explained,
        "why": replayed.kind.why,
    }


def _flushes(flushes: Flushes) -> list[dict[str, Any]]:
    return [{"strides": strides, "locked": locked} for strides, locked in flushes]
