"""The ladder's counts: expected and found.  Exit status 1 if any differs.

    python -m benchmarks.counts [--searcher fast|reference|spin] [--policy NAME]... [--larger]

All policies at all sizes of the table; with `--larger` also the sizes up to 40 million states (1.5 GB of memory), of
which only the number of states is known.  No reductions are used, and the search continues after a violation.  `spin`
runs SPIN on the same model in Promela, so that the model is compared too; SPIN counts the initial state as a
transition.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.ladder import LADDER, LARGER, POLICIES, Size, ladder
from benchmarks.versus_spin import MODEL, spin
from core.explore import check


class Case(NamedTuple):
    """A policy and size with their expected states and edges; -1 edges: not known."""

    policy: str
    size: Size
    states: int
    edges: int


def cases(policies: list[str], larger: bool) -> Iterator[Case]:
    """The cases to count, the largest last."""
    for policy in policies:
        for size, (states, edges) in LADDER[policy].items():
            yield Case(policy, size, states, edges)
    if larger and "DELAYED" in policies:
        for size, states in LARGER.items():
            yield Case("DELAYED", size, states, -1)


def count(case: Case, searcher: str) -> tuple[int, int]:
    """The states and edges found by a searcher, or by SPIN."""
    if searcher == "spin":
        run = spin(MODEL, case.policy, ",".join(map(str, case.size)), stops=False)
        return run.states, run.transitions - 1
    model = ladder(case.policy, case.size)
    verdict = check(model, searcher=searcher, reductions=(), stop_at_violation=False)
    return verdict.states, verdict.transitions


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searcher", default="fast", choices=["fast", "reference", "spin"])
    parser.add_argument("--policy", action="append", choices=POLICIES)
    parser.add_argument("--larger", action="store_true")
    arguments = parser.parse_args()
    different = 0
    print(f"{'policy':8} {'size':9} {'states':>10} {'found':>10} {'edges':>10} {'found':>10}")
    for case in cases(arguments.policy or list(POLICIES), arguments.larger):
        started = time.perf_counter()
        states, edges = count(case, arguments.searcher)
        took = time.perf_counter() - started
        equal = states == case.states and case.edges in (-1, edges)
        different += not equal
        wanted = "-" if case.edges < 0 else str(case.edges)
        size = ",".join(map(str, case.size))
        told = "equal" if equal else "DIFFERENT"
        print(
            f"{case.policy:8} {size:9} {case.states:10} {states:10} {wanted:>10} {edges:10}  {took:7.2f} s  {told}",
            flush=True,
        )
    print(f"{different} different")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
