"""Where the time of one check goes, by phase.

    python -m benchmarks.phases POLICY CPUS,PAGES,STORES,ROUNDS [REDUCTIONS]

Seconds of CPU time: start and imports, the first search in plain Python, the random walk, each analysis of the plan,
loading the compiled searcher, the search in machine code, learning during it, checking the plan, and the rest.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from benchmarks.ladder import Size, ladder
from core.explore import bisimulation, check, partial_order
from core.explore import reductions as plans
from core.explore.reference import Search


class Phases:
    """Seconds by phase; time in a nested phase counts for the inner one only."""

    def __init__(self) -> None:
        self._since = time.process_time()
        self.seconds: Counter[str] = Counter({"start and imports": self._since})  # type: ignore[dict-item]
        self._inside = ["the rest"]

    def _switch(self) -> None:
        now = time.process_time()
        self.seconds[self._inside[-1]] += now - self._since  # type: ignore[assignment]
        self._since = now

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Context whose time counts for `name`."""
        self._switch()
        self._inside.append(name)
        try:
            yield
        finally:
            self._switch()
            self._inside.pop()

    def told(self) -> Counter[str]:
        """The seconds of all phases so far."""
        self._switch()
        return self.seconds

    def watch(self, place: Any, function: str, name: str) -> None:
        """Replace a function of `place` by one whose time counts for `name`."""
        inner = getattr(place, function)

        @wraps(inner)
        def timed(*args: Any, **more: Any) -> Any:
            with self.phase(name):
                return inner(*args, **more)

        setattr(place, function, timed)


def main(policy: str, size: str, reductions: str = "none") -> None:
    """Run and print."""
    phases = Phases()
    phases.watch(Search, "run", "first search, in Python")
    phases.watch(sys.modules["core.explore.check"], "wander", "wandering")
    phases.watch(plans, "find", "plan: symmetry")
    phases.watch(bisimulation, "classes", "plan: minimise")
    phases.watch(partial_order, "analyse", "plan: fusion")
    phases.watch(plans, "held", "does the plan hold?")
    with phases.phase("loading"):
        from core.explore.compiled.loaded_model import LoadedModel
        from core.explore.compiled.search import FastSearch
    phases.watch(LoadedModel, "learn", "learning in the search")
    phases.watch(LoadedModel, "learn_fused", "learning in the search")
    phases.watch(FastSearch, "__init__", "loading")
    phases.watch(FastSearch, "run", "search")
    chosen: Any = {"none": (), "all": "default"}.get(reductions, reductions.split("+"))
    stops = policy in ("EARLY", "NOFLUSH")
    verdict = check(ladder(policy, Size(*map(int, size.split(",")))), reductions=chosen, stop_at_violation=stops)
    seconds = phases.told()
    whole = seconds.total()
    print(f"{policy} ({size}), reductions {reductions}: {verdict.states} states in {whole:.2f} s")
    for name, took in seconds.most_common():
        if took > 0.0005:
            print(f"  {name:24} {took:7.3f} s {100 * took / whole:5.1f} %")


if __name__ == "__main__":
    main(*sys.argv[1:])
