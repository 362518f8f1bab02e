"""What the symmetry of equal CPUs saves: `lost-dirty-crowd` with and without it, at any size.

    python -m benchmarks.crowd [--row smp-6.2-fix] [--config FILE] [--memory sc] [--timeout S] [USERS,PAGES ...]

For each size: the states, seconds of CPU time and the verdict, with all other reductions on.  `--memory sc`: without
the memory model of the row.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from core.cli.arguments import under
from core.cli.resolve_arch import choose
from core.conformance.scenarios.lost_dirty import crowd
from core.explore import Limits, check
from core.explore.reductions import ALL, SYMMETRY


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", default=["2,2", "3,2"], metavar="USERS,PAGES")
    parser.add_argument("--row", default="smp-6.2-fix", metavar="NAME")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--memory", choices=("sc",))
    parser.add_argument("--timeout", type=float, metavar="S")
    arguments = parser.parse_args()
    row = choose(arguments.row, config=arguments.config)
    if arguments.memory:
        row = under(row, arguments.memory)
    for size in arguments.sizes:
        users, pages = map(int, size.split(","))
        for name, reductions in (("with", ALL), ("without", ALL - {SYMMETRY})):
            model, started = crowd(users, pages)(row.arch(), row.era), time.process_time()
            verdict = check(model, reductions=reductions, limits=Limits(timeout=arguments.timeout))
            took = time.process_time() - started
            told = verdict.violated or verdict.bounds or "pass"
            print(f"{size:5} {name:8} {verdict.states:10} states {took:7.1f} s  {told}", flush=True)


if __name__ == "__main__":
    main()
