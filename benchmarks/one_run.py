"""One check of the ladder in a process of its own; prints JSON.

    python -m benchmarks.one_run POLICY CPUS,PAGES,STORES,ROUNDS [REDUCTIONS [SEARCHER]]

`search` is the time inside the compiled searches alone, with their machine code loaded; `check` the time of the whole
check, with learning, planning and loading; `peak` the process's peak memory, Python included.  The caller can time the
rest.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from functools import partial, partialmethod
from typing import Any

from benchmarks.ladder import Size, ladder
from core.explore import check
from core.explore.numeric import available


def main(policy: str, size: str, reductions: str = "none", searcher: str = "auto") -> None:
    """Run and print."""
    chosen: Any = {"none": (), "all": "default"}.get(reductions, reductions.split("+"))
    searches = _timed_searches()
    started = time.perf_counter()
    verdict = check(
        ladder(policy, Size(*map(int, size.split(",")))),
        searcher=searcher,
        reductions=chosen,
        stop_at_violation=policy in ("EARLY", "NOFLUSH"),
    )
    told = {
        "states": verdict.states,
        "transitions": verdict.transitions,
        "depth": verdict.depth,
        "violated": verdict.violated,
        "trace": len(verdict.trace),
        "searcher": verdict.searcher,
        "reductions": verdict.reductions,
        "check": time.perf_counter() - started,
        "search": sum(searches),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
    }
    print(json.dumps(told))


def _timed_searches() -> list[float]:
    """A list that gets the seconds of each compiled search from now on.  Loads the compiled searcher only if it is
    used.
    """
    told: list[float] = []
    job: Any = sys.modules["core.explore.check"]._Job
    search = job._search

    def timed_run(run: Any, self: Any) -> Any:
        self.step()  # nothing to expand yet: this only loads the machine code
        started = time.perf_counter()
        found = run(self)
        told.append(time.perf_counter() - started)
        return found

    def with_timed_runs(*arguments: Any) -> Any:
        from core.explore.compiled.search import FastSearch

        run = FastSearch.run
        FastSearch.run = partialmethod(partial(timed_run, run))  # type: ignore[assignment]
        try:
            return search(*arguments)
        finally:
            FastSearch.run = run  # type: ignore[method-assign]

    if available():
        job._search = with_timed_runs
    return told


if __name__ == "__main__":
    main(*sys.argv[1:])
