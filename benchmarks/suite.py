"""The time of the conformance suite on each architecture of arches.toml.

    python -m benchmarks.suite [--row NAME]... [--searcher auto|reference|fast] [--reductions all|none]
                               [-p PROCESSES] [-o FILE.json] [any other option of pyperf]

pyperf starts each round in a process of its own, which judges every scenario once.  Each round therefore has the costs
that a user's run has, and the spread is that between runs.  Needs `shootdown[bench]`.  `pyperf compare_to OLD.json
NEW.json` says what became slower.
"""

from __future__ import annotations

from argparse import Namespace

import pyperf

from core.conformance import SCENARIOS, judge
from core.table.row import Row
from core.table.rows import load


def suite(row: Row, searcher: str, reductions: object) -> None:
    """Judge every scenario once on one row."""
    arch = row.arch()
    for scenario in SCENARIOS.values():
        judge(arch, row.era, scenario, searcher=searcher, reductions=reductions)


def _pass_on(command: list[str], arguments: Namespace) -> None:
    """Pass our options on to the worker processes (pyperf's add_cmdline_args)."""
    for name in arguments.row:
        command += ["--row", name]
    command += ["--searcher", arguments.searcher, "--reductions", arguments.reductions]


def main() -> None:
    """The command line."""
    runner = pyperf.Runner(
        processes=3, values=1, warmups=0, loops=1, program_args=("-m", "benchmarks.suite"), add_cmdline_args=_pass_on
    )
    runner.argparser.add_argument("--row", action="append", default=[], metavar="NAME")
    runner.argparser.add_argument("--searcher", default="auto", choices=["auto", "reference", "fast"])
    runner.argparser.add_argument("--reductions", default="all", choices=["all", "none"])
    arguments = runner.parse_args()
    reductions: object = "default" if arguments.reductions == "all" else ()
    for row in load(None):
        if not row.problem and (not arguments.row or row.name in arguments.row):
            runner.bench_func(row.name, suite, row, arguments.searcher, reductions)


if __name__ == "__main__":
    main()
