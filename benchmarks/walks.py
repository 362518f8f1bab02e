"""How often random walks find a known bug, beside the bound that PCT guarantees.

    python -m benchmarks.walks [--walks 1000] [--seed 1] [--rows] [ID ...]

For each exhibit of the museum (with --rows also each row and scenario that arches.toml expects to fail): `n` agents,
`k` shared accesses in a walk, and `d`, one more than the preemptions of the shortest trace, which is at least the depth
of the bug. `bound` is 1/(n k^(d-1)) per 1000 walks.  Then the hits per 1000 walks of each scheduler, and of all.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from core.conformance import SCENARIOS, museum
from core.conformance.scenario import Scenario
from core.explore import Model, check
from core.explore.schedulers import Priorities, Races, Weighted
from core.explore.transition_tables import TransitionTables
from core.explore.walk import many
from core.table.rows import load
from reports.grid import grid

STEPS = 1000
"""Steps of a walk at most."""

KINDS = (Priorities, Weighted, Races)


def museum_models() -> Iterator[tuple[str, Model]]:
    """The model of every exhibit, with the bug in."""
    for exhibit in museum.EXHIBITS:
        scenario = museum.scenario_of(exhibit)
        if isinstance(scenario, Scenario):  # a large run has one schedule
            arch, era = museum.subject(exhibit)
            broken, old = exhibit.with_bug(arch, era)
            yield exhibit.id, scenario.build(broken, old)


def row_models() -> Iterator[tuple[str, Model]]:
    """The model of every row and scenario that arches.toml expects to fail."""
    for row in load(None):
        for scenario in () if row.problem else row.expect:
            yield f"{row.name} {scenario}", SCENARIOS[scenario].build(row.arch(), row.era)


def preemptions(model: Model) -> int:
    """How often the shortest trace switches away from a thread that has later steps."""
    trace = check(model).trace
    last = {step.thread: number for number, step in enumerate(trace)}
    return sum(one.thread != two.thread and last[one.thread] > at + 1 for at, (one, two) in enumerate(pairwise(trace)))


def measure(name: str, model: Model, walks: int, seed: int) -> list[object]:
    """One line of the table for a model."""
    walked, hits, shared = Counter[str](), Counter[str](), 0
    tables = TransitionTables(model)
    for walk in many(tables, seed, walks, STEPS, []):
        walked[walk.kind] += 1
        hits[walk.kind] += walk.broken is not None
        shared += walk.shared
    n, k, d = len(tables.rows) + len(tables.daemons), shared / walks, preemptions(model) + 1
    each = [1000 * hits[kind.__name__] / max(walked[kind.__name__], 1) for kind in KINDS]
    found = [f"{rate:.1f}" for rate in (*each, 1000 * hits.total() / walks)]
    return [name, n, f"{k:.0f}", d, f"{1000 / (n * k ** (d - 1)):.1g}", *found]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--walks", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--rows", action="store_true", help="also what arches.toml expects to fail")
    arguments = parser.parse_args()
    models = [*museum_models(), *(row_models() if arguments.rows else ())]
    table = [
        measure(*model, arguments.walks, arguments.seed)
        for model in models
        if not arguments.ids or model[0] in arguments.ids
    ]
    headers = ["bug", "n", "k", "d", "bound", *[kind.__name__.lower() for kind in KINDS], "all"]
    print(grid(table, headers, markdown=True, numbers=False, right=range(1, 9)))


if __name__ == "__main__":
    main()
