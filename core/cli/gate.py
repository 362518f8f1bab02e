"""The exit status of a run, and of `diff`: the flags --fail-on, --baseline and --cost-threshold."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.cli.arguments import UsageError
from reports.gate import KINDS, failing


def add_gate(command: argparse.ArgumentParser) -> None:
    """Add what decides whether a run fails."""
    command.add_argument("--fail-on", choices=KINDS, help="what makes the exit status 1 (default bounded)")
    command.add_argument("--baseline", type=Path, metavar="FILE", help="an earlier JSON report: fail on what is worse")
    add_threshold(command)
    command.add_argument(
        "--junit-unfinished",
        choices=("skipped", "failure"),
        default="skipped",
        help="what a search that did not finish is in JUnit (default skipped, with its bound)",
    )
    command.add_argument(
        "--annotations",
        choices=("auto", "github", "none"),
        default="auto",
        help="tell GitHub what fails, on stderr (default: if $GITHUB_ACTIONS is true)",
    )


def add_threshold(command: argparse.ArgumentParser) -> None:
    """Add --cost-threshold."""
    command.add_argument(
        "--cost-threshold", type=percent, metavar="PERCENT", help="a count that rises by more than this is worse"
    )


def percent(text: str) -> float:
    """Parse a percentage of at least 0."""
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a percentage of at least 0, got {text!r}")
    return number


def baseline_of(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """The report that --baseline names. UsageError if it is none, or if --fail-on regression lacks one."""
    if arguments.baseline is None:
        if arguments.fail_on == "regression":
            raise UsageError("--fail-on regression: expected --baseline FILE, the report to compare with")
        return None
    return _read(arguments.baseline)


def status(report: Mapping[str, Any], baseline: Mapping[str, Any] | None, arguments: argparse.Namespace) -> int:
    """The exit status of a run, 0 or 1; says on stderr what changed since the baseline, and what fails the run."""
    found = []
    if baseline is not None:
        from reports.difference import changes

        found = changes(baseline, report, arguments.cost_threshold, partial=_restricted(arguments))
        for change in found:
            print(change, file=sys.stderr)
        print(f"{_summary(found)} since {arguments.baseline}", file=sys.stderr)
    kind = arguments.fail_on or ("bounded" if baseline is None else "regression")
    return 1 if failing(report, kind, found) else 0


def annotate(report: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Tell GitHub what fails, if that is wanted: on stderr, which its runners read as they read stdout."""
    if arguments.annotations == "github" or (
        arguments.annotations == "auto" and os.environ.get("GITHUB_ACTIONS") == "true"
    ):
        from reports.github import workflow_commands

        sys.stderr.write(workflow_commands(report))


def diff_command(arguments: argparse.Namespace) -> int:
    """Print the verdicts and counts that differ, one per line; exit status 1 if one is worse."""
    from reports.difference import changes, worse

    found = changes(_read(arguments.old), _read(arguments.new), arguments.cost_threshold)
    for change in found:
        print(change)
    print(_summary(found))
    return 1 if worse(found) else 0


def _restricted(arguments: argparse.Namespace) -> bool:
    """Does the command line select some of what a whole run would judge?"""
    return bool(arguments.scenario or arguments.arch or arguments.plugin or arguments.tier or arguments.shard)


def _summary(found: list[Any]) -> str:
    from reports.difference import worse

    bad = len(worse(found))
    return f"{len(found)} changed" + (f", {bad} worse" if bad else "")


def _read(path: Path) -> dict[str, Any]:
    from reports.difference import ReportError, read

    try:
        return read(path)
    except ReportError as error:
        raise UsageError(str(error)) from error
