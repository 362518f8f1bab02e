"""One check in a process of its own; prints JSON.

    python -m benchmarks.one_run POLICY CPUS,PAGES,STORES,ROUNDS [REDUCTIONS [SEARCHER [WORKERS]]]

POLICY is one of the ladder's, or CROWD, of USERS,PAGES: the scenario `lost-dirty-crowd` on smp-6.2-fix.  `search` is
the time inside the compiled searches alone, with their machine code loaded, and `learning` the part of it that is spent
in Python, to learn what is not known; `check` is the time of the whole check, with planning and loading; `cpu` the
processor time of all workers in `search`; `peak` the process's peak memory, Python included.  The caller can time the
rest.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from benchmarks.ladder import Size, ladder
from core.cli.resolve_arch import choose
from core.conformance.scenarios.lost_dirty import crowd
from core.explore import Model, check
from core.explore.numeric import available


def model(policy: str, size: str) -> Model:
    """The ladder's model, or the crowd's."""
    numbers = tuple(map(int, size.split(",")))
    if policy != "CROWD":
        return ladder(policy, Size(*numbers))
    row = choose("smp-6.2-fix")
    return crowd(*numbers)(row.arch(), row.era)


def main(policy: str, size: str, reductions: str = "none", searcher: str = "auto", workers: str = "1") -> None:
    """Run and print."""
    chosen: Any = {"none": (), "all": "default"}.get(reductions, reductions.split("+"))
    one = model(policy, size)
    spent = _timed()
    started = time.perf_counter()
    verdict = check(
        one,
        searcher=searcher,
        reductions=chosen,
        stop_at_violation=policy in ("EARLY", "NOFLUSH"),
        workers=int(workers),
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
        **{name: spent[name] for name in ("search", "learning", "cpu", "searches")},
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
    }
    print(json.dumps(told))


def _timed() -> Counter[str]:
    """What gets the seconds of the compiled searches from now on, and how many there were.

    Loads the compiled searcher only if it is used.
    """
    spent: Counter[str] = Counter()
    job: Any = sys.modules["core.explore.check"]._Job
    search = job._search

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            spent[name] += time.perf_counter() - started  # type: ignore[assignment]

    def within(name: str, inner: Any) -> Any:
        @wraps(inner)
        def run(*arguments: Any) -> Any:
            with timed(name):
                return inner(*arguments)

        return run

    def with_timed_runs(*arguments: Any) -> Any:
        from core.explore.compiled.loaded_model import LoadedModel
        from core.explore.compiled.search import FastSearch

        run = FastSearch.run
        if not spent["searches"]:
            for name in ("learn", "learn_fused"):
                setattr(LoadedModel, name, within("learning", getattr(LoadedModel, name)))

        def timed_run(self: Any) -> Any:
            self.step()  # nothing to expand yet: this only loads the machine code
            spent["searches"] += 1
            before = time.process_time()
            try:
                with timed("search"):
                    return run(self)
            finally:
                spent["cpu"] += time.process_time() - before  # type: ignore[assignment]

        FastSearch.run = timed_run  # type: ignore[method-assign]
        try:
            return search(*arguments)
        finally:
            FastSearch.run = run  # type: ignore[method-assign]

    if available():
        job._search = with_timed_runs
    return spent


if __name__ == "__main__":
    main(*sys.argv[1:])
