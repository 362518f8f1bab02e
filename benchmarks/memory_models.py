"""What a memory model costs in states: every scenario of a row under it, against sequential consistency.

    python -m benchmarks.memory_models ROW... [--model tso|weak] [--config FILE] [--each] [--plain]

Both sides are searched to the end, with all reductions (`--plain`: with none), also models so small that `check` would
make no plan.  Scenarios that fail under one of the two are left out: a search ends at a violation.  Printed are the
median, the 90th percentile and the largest ratio, and the largest where sequential consistency has 500 states or more.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import median

from core.cli.resolve_arch import choose
from core.conformance import SCENARIOS
from core.conformance.large.scenarios import LargeRun
from core.conformance.memory_model import memory_model
from core.explore import Limits, Model, reductions
from core.explore.errors import ExploreError, NewStore
from core.explore.ordered import again, tables_of
from core.explore.reductions import ALL, PlanBroken
from core.explore.reference import Search
from core.explore.symmetry import NotSymmetric

LEARN = 2_000
"""States searched before a plan is made."""

LARGE = 500
"""Reduced states from which on a ratio counts apart."""


def states(model: Model, names: frozenset[str], limits: Limits) -> int | None:
    """The states of the whole search with reductions `names`; None if a property fails, or a limit is hit."""
    tables = tables_of(model, before=bool(names))
    while True:
        try:
            first = Search(tables, limits, True, LEARN if names else None).run()
            if first.violated:
                return None
            if not names:
                return first.states if first.exhaustive else None
            plan = reductions.make(tables, names)
            found = Search(tables, limits, True, plan=plan).run()
            if found.violated or not found.exhaustive:
                return None
            if reductions.held(tables, plan):
                return found.states
        except NewStore:
            tables = again(tables)
        except NotSymmetric:
            names -= {reductions.SYMMETRY, reductions.PAGES}
        except PlanBroken:
            continue


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", metavar="ROW")
    parser.add_argument("--model", choices=("tso", "weak"), help="that of the row, if it is not given")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--each", action="store_true", help="print each scenario")
    parser.add_argument("--plain", action="store_true", help="without reductions")
    parser.add_argument("--only", default="", metavar="TEXT", help="scenarios whose id contains TEXT")
    parser.add_argument("--most", type=int, default=60_000, metavar="N", help="leave out what has more states")
    arguments = parser.parse_args()
    names, limits = frozenset() if arguments.plain else ALL, Limits(max_states=arguments.most)
    for name in arguments.rows:
        row = choose(name, config=arguments.config)
        arch = row.arch()
        ratios: list[tuple[float, int, str]] = []
        for scenario in SCENARIOS.values():
            if isinstance(scenario, LargeRun) or scenario.lacking(arch) or arguments.only not in scenario.id:
                continue
            model = scenario.build(arch, row.era)
            kind = arguments.model or arch.facts.memory_model
            if model.memory is None:
                continue
            try:
                before = states(replace(model, memory=None), names, limits)
                after = states(replace(model, memory=memory_model(kind)), names, limits)
            except ExploreError as error:
                print(f"{scenario.id}: {error}")
                continue
            if before is None or after is None:
                continue
            ratios.append((after / before, before, scenario.id))
            if arguments.each:
                print(f"{name:14} {scenario.id:24} {before:8} {after:8} {after / before:7.2f}", flush=True)
        ratios.sort()
        if not ratios:
            continue
        plain = [ratio for ratio, _, _ in ratios]
        large = max((r for r in ratios if r[1] >= LARGE), default=(0.0, 0, "none"))
        print(
            f"{name}: {len(ratios)} scenarios, median {median(plain):.2f}, "
            f"90 % {plain[len(plain) * 9 // 10]:.2f}, most {plain[-1]:.2f} ({ratios[-1][2]}), "
            f"of {LARGE} states or more {large[0]:.2f} ({large[2]}, {large[1]} states)",
            flush=True,
        )


if __name__ == "__main__":
    main()
