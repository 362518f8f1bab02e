"""How long the conformance suite takes on each architecture of arches.toml.

    python -m benchmarks.suite [--row NAME]... [--searcher auto|reference|fast] [--reductions all|none]
                               [-p PROCESSES] [-o FILE.json] [any other option of pyperf]

pyperf starts each round in a process of its own, which judges every scenario once: so each pays for what a user's run
pays for, and the spread is that between runs.  It needs `shootdown[bench]`.  `pyperf compare_to OLD.json NEW.json` says
what became slower.
"""

from __future__ import annotations

from argparse import Namespace

import pyperf

from core.conformance import SCENARIOS, judge
from core.table.rows import Row, load


def suite(row: Row, searcher: str, reductions: object) -> None:
    """Every scenario once."""
    arch = row.arch()
    for scenario in SCENARIOS.values():
        judge(arch, row.era, scenario, searcher=searcher, reductions=reductions)


def _pass_on(command: list[str], asked: Namespace) -> None:
    """What the processes that measure are told."""
    for name in asked.row:
        command += ["--row", name]
    command += ["--searcher", asked.searcher, "--reductions", asked.reductions]


def main() -> None:
    """The command line."""
    runner = pyperf.Runner(
        processes=3, values=1, warmups=0, loops=1, program_args=("-m", "benchmarks.suite"), add_cmdline_args=_pass_on
    )
    runner.argparser.add_argument("--row", action="append", default=[], metavar="NAME")
    runner.argparser.add_argument("--searcher", default="auto", choices=["auto", "reference", "fast"])
    runner.argparser.add_argument("--reductions", default="all", choices=["all", "none"])
    asked = runner.parse_args()
    reductions: object = "default" if asked.reductions == "all" else ()
    for row in load(None):
        if not row.problem and (not asked.row or row.name in asked.row):
            runner.bench_func(row.name, suite, row, asked.searcher, reductions)


if __name__ == "__main__":
    main()
