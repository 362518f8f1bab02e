"""Traces as files: what `explain --save` and `--format` write, and the subcommand `replay-trace`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.base.printable import all_printable
from core.cli.arguments import UsageError, add_selection, chosen_scenario, under
from core.cli.report import SUITE_VERSION
from core.conformance import FINDINGS, SUITE
from core.explore.model import Step
from core.explore.text import columns
from core.table.recorded_jobs import RewalkJob, WithRecording
from core.table.row import Row
from core.table.rows import load
from reports.traces import itf, mermaid, shiviz, svg
from reports.traces.trace_file import SCHEMA, Trace, TraceError, ending, lines, read, title

LARGEST = 64 << 20
"""Bytes of a file that is read."""


def in_columns(trace: Trace) -> str:
    """The trace as kernel developers write races, one column per CPU."""
    steps = [Step(line.cpu, line.agent, line.step, tuple(line.changes)) for line in lines(trace)]
    return f"{title(trace)}\n\n{columns(steps)}\n\n{ending(trace)}\n"


def as_json(trace: Trace) -> str:
    """The file itself."""
    return json.dumps(trace, indent=1, ensure_ascii=False) + "\n"


FORMS: dict[str, Callable[[Trace], str]] = {
    "columns": in_columns,
    "json": as_json,
    "mermaid": mermaid.mermaid,
    "itf": itf.itf,
    "shiviz": shiviz.shiviz,
    "svg": svg.svg,
}
"""By their names for --format."""


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    replay = add("replay-trace", help="does a saved trace still happen, and if not, where does it end?")
    replay.add_argument("file", type=Path, metavar="FILE", help="a file of explain --save")
    replay.add_argument("--arch", default="", metavar="ARCH", help="on this row or plugin instead of the trace's own")
    replay.add_argument("--scenario", default="", metavar="ID", help="in this scenario instead of the trace's own")
    replay.add_argument("--format", choices=tuple(FORMS), help="print the trace in this form")
    add_selection(replay, arch=False)
    replay.set_defaults(command=replay_trace_command)


def replay_trace_command(arguments: argparse.Namespace) -> int:
    """Walk a saved trace again; exit status 0 if it still happens, 1 if not, with the step where it ends.

    A file may come from anybody, so no code that it names is run: a plugin, or a scenario from outside, is named on the
    command line.
    """
    from core.cli.resolve_arch import choose
    from core.run import pool

    trace = _read(arguments.file)
    if not arguments.arch and trace["architecture"] not in {row.name for row in load(arguments.config, [])}:
        raise UsageError(f"{arguments.file}: is of {trace['plugin']}, which is no row: name the plugin with --arch")
    if not arguments.scenario and trace["scenario"]["id"] not in {*FINDINGS, *SUITE}:
        raise UsageError(
            f"{arguments.file}: its scenario is no one's of the suite: name it with --scenario FILE.py:NAME"
        )
    row = under(choose(arguments.arch or trace["architecture"], arguments.era, arguments.config), trace["memory"])
    named = arguments.scenario or trace["scenario"]["id"]
    scenario = named if named in FINDINGS else chosen_scenario(named)
    with pool.executor("", 1) as workers:
        (answer,) = pool.run([RewalkJob(replace(row, expect={}), scenario, as_json(trace))], workers)
    if arguments.format:
        sys.stdout.write(FORMS[arguments.format](trace))
    else:
        told = f"no longer happens: {answer.differs}" if answer.differs else f"happens, {len(trace['steps'])} steps"
        print(f"{arguments.file}: {row.name} {named}: {told}")
    if answer.problem:
        raise UsageError(f"{arguments.file}: {row.name} {named}: {answer.problem}")
    if answer.differs and arguments.format:
        print(f"shootdown: {arguments.file}: no longer happens: {answer.differs}", file=sys.stderr)
    return 1 if answer.differs else 0


def trace_of(recorded: WithRecording, row: Row, scenario: Any, memory: str) -> Trace:
    """The trace of a verdict, with what it is about. UsageError if there is none."""
    result = recorded.result
    if not recorded.trace:
        raise UsageError(f"{result.architecture} {result.scenario}: {result.verdict}: there is no trace")
    about = {
        "schema": SCHEMA,
        "suite": SUITE_VERSION,
        "architecture": row.name,
        "plugin": row.plugin,
        "era": row.era.name,
        "memory": memory,
        "scenario": {"id": scenario.id, "title": scenario.title, "origin": scenario.origin},
    }
    return read(json.dumps(all_printable(about | json.loads(recorded.trace))))


def _read(file: Path) -> Trace:
    with file.open(encoding="utf-8", errors="replace") as opened:
        text = opened.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise UsageError(f"{file}: longer than {LARGEST} characters: no trace")
    try:
        return read(text)
    except TraceError as error:
        raise UsageError(f"{file}: {error}") from None
