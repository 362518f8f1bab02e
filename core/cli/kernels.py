"""The subcommands that compare the programs with real kernels: `golden` and `measured`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from core.truth.golden.traces import Comparison
from core.truth.shipped import ground_truth


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommands with argparse's add_parser."""
    golden = add("golden", help="replay traces of the kernel's own gather and zap code")
    golden.add_argument("files", nargs="+", type=ground_truth, metavar="FILE")
    golden.set_defaults(command=golden_command)

    measured = add("measured", help="predict the flushes of running kernels, case by case")
    measured.add_argument("files", nargs="+", type=ground_truth, metavar="FILE")
    measured.set_defaults(command=measured_command)


def golden_command(arguments: argparse.Namespace) -> int:
    """Replay every trace; print each difference, and the counts at the end."""
    from core.truth.golden.traces import compare, read_cases

    return _hold_against(arguments.files, lambda path: map(compare, read_cases(path)))


def measured_command(arguments: argparse.Namespace) -> int:
    """Predict every measurement; print each difference, and the counts at the end."""
    from core.truth.emulated import instructions
    from core.truth.measured import flushes

    def comparisons(path: Path) -> Iterable[Comparison]:
        return instructions.compare_file(path) if instructions.recognises(path) else flushes.compare_file(path)

    return _hold_against(arguments.files, comparisons)


def _hold_against(paths: list[Path], comparisons: Callable[[Path], Iterable[Comparison]]) -> int:
    """Print the comparisons. A damaged file makes the exit status 2; its cases before the damage still count."""
    from core.truth.lines import FileError

    counts = {"equal": 0, "different": 0, "not modelled": 0, "error": 0}
    remarks: dict[str, int] = {}
    status = 0
    for path in paths:
        try:
            for comparison in comparisons(path):
                counts[comparison.outcome] += 1
                if comparison.outcome in ("different", "error"):
                    print(f"{comparison.id}: {comparison.detail}")
                elif comparison.detail:
                    remark = comparison.detail + (": not modelled yet" if comparison.outcome == "not modelled" else "")
                    remarks[remark] = remarks.get(remark, 0) + 1
        except FileError as error:
            print(f"shootdown: {error}", file=sys.stderr)
            status = 2
    for remark, number in sorted(remarks.items()):
        print(f"{remark}: {number}")
    different = counts["different"] + counts["error"]
    print(f"{counts['equal']} equal, {different} different, {counts['not modelled']} not modelled yet")
    return status or (1 if different else 0)
