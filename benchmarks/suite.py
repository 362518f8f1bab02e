"""How long the conformance suite takes on each architecture of arches.toml, and on how many states.

python -m benchmarks.suite [--searcher auto|reference|fast] [--reductions all|none] [ROW ...]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from core.config import load
from core.conformance import SCENARIOS, judge


def measure(names: Sequence[str], searcher: str, reductions: object) -> None:
    """One line for each row."""
    for row in load(None):
        if row.problem or (names and row.name not in names):
            continue
        arch, states, ran = row.arch(), 0, 0
        slowest, longest = "", 0.0
        started = time.perf_counter()
        for scenario in SCENARIOS.values():
            before = time.perf_counter()
            result = judge(arch, row.era, scenario, searcher=searcher, reductions=reductions)
            took = time.perf_counter() - before
            if result.verdict != "unsupported":
                ran, states = ran + 1, states + result.states
            if took > longest:
                slowest, longest = scenario.id, took
        took = time.perf_counter() - started
        print(
            f"{row.name:16} {took:7.2f} s  {ran:3} scenarios  {states:9} states  {slowest} {longest:.2f} s", flush=True
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--searcher", default="auto", choices=["auto", "reference", "fast"])
    parser.add_argument("--reductions", default="all", choices=["all", "none"])
    asked = parser.parse_args()
    measure(asked.rows, asked.searcher, "default" if asked.reductions == "all" else ())


if __name__ == "__main__":
    main()
