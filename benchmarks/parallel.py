"""One search by several workers beside one, interleaved so that drift of the machine affects both: 1 2 S 1 2 S ...

    python -m benchmarks.parallel [--workers 2] [--rounds 3] [--busy] [POLICY:SIZE:REDUCTIONS ...]

A model is one of the ladder's (DELAYED:2,3,2,1:none), or the crowd (CROWD:3,2:all).  Printed for each: the best of all
rounds, and the medians of one worker's seconds by those of several in the same round, of the searches and of the whole
check.  `processor` is the processor time of all workers by that of one: what going together costs.  `apart` is what the
cores can give: as many searches by one worker each, all at once, gain so much on one after another.  With --busy a
process spins on the last core meanwhile.  If `spin` and `gcc` are installed, SPIN searches the ladder's models too,
with one core, and breadth first and depth first with as many as there are workers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.versus_spin import MODEL, Run, spin

HERE = Path(__file__).parent

MODELS = ["DELAYED:2,3,2,1:none", "DELAYED:2,3,2,1:all", "DELAYED:3,2,2,2:all", "CROWD:2,2:all", "CROWD:3,2:all"]

SPINNING = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"

Told = dict[str, Any]


def ours(model: str, workers: int, times: int = 1) -> list[Told]:
    """What benchmarks.one_run says of a model, when it is run so many times at once."""
    policy, size, reductions = model.split(":")
    command = [sys.executable, "-m", "benchmarks.one_run", policy, size, reductions, "auto", str(workers)]
    runs = [subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True) for _ in range(times)]
    said = [run.communicate()[0] for run in runs]
    if any(run.returncode for run in runs):
        raise SystemExit(f"{' '.join(command)} failed")
    return [json.loads(one) for one in said]


@contextmanager
def spinning(busy: bool) -> Iterator[None]:
    """Context in which a process spins on the last core."""
    if not busy:
        yield
        return
    core = max(os.sched_getaffinity(0))
    process = subprocess.Popen([sys.executable, "-c", SPINNING, str(core)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def compare(model: str, workers: int, rounds: int, with_spin: bool) -> None:
    """Run all rounds of one model and print them."""
    pairs: list[tuple[Told, Told]] = []
    apart: list[float] = []
    others: list[tuple[Run, Run, Run]] = []
    policy, size, _ = model.split(":")
    for _ in range(rounds):
        [one], [several] = ours(model, 1), ours(model, workers)
        pairs.append((one, several))
        apart.append(workers * one["search"] / max(told["search"] for told in ours(model, 1, workers)))
        if with_spin and policy != "CROWD":
            together = [spin(MODEL, policy, size, False, workers, breadth) for breadth in (True, False)]
            others.append((spin(MODEL, policy, size, False), together[0], together[1]))
    same = ("states", "transitions", "depth", "violated", "trace", "reductions", "searches")
    for one, several in pairs:
        if any(one[key] != several[key] for key in same):
            raise SystemExit(f"{model}: {workers} workers found something else: {several}, not {one}")
    print(f"{model}: {pairs[0][0]['states']} states")
    for number, told in ((1, [one for one, _ in pairs]), (workers, [several for _, several in pairs])):
        search, whole = min(t["search"] for t in told), min(t["check"] for t in told)
        peak = min(t["peak"] for t in told) >> 20
        print(f"  {number} of ours  search {search:7.3f} s  whole {whole:7.3f} s  {peak:5} MiB")
    gains = [f"{name} x{median(a[key] / b[key] for a, b in pairs):.2f}" for name, key in KEYS]
    print(f"  gained: {', '.join(gains)}; processor x{median(b['cpu'] / a['cpu'] for a, b in pairs):.2f}", end="")
    print(f"; apart x{median(apart):.2f}", flush=True)
    if others:
        alone, breadth, depth = (min(run.search for run in runs) for runs in zip(*others, strict=True))
        print(f"  SPIN       search {alone:7.3f} s", end="; ")
        print(f"{workers} cores: breadth first {breadth:7.3f} s, depth first {depth:7.3f} s", flush=True)


KEYS = (("search", "search"), ("whole", "check"))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS, metavar="POLICY:SIZE:REDUCTIONS")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", action="store_true")
    arguments = parser.parse_args()
    with_spin = shutil.which("spin") is not None and shutil.which("gcc") is not None
    for model in arguments.models:
        for workers in (1, arguments.workers):
            ours(model, workers)  # the machine code is made
        with spinning(arguments.busy):
            compare(model, arguments.workers, arguments.rounds, with_spin)


if __name__ == "__main__":
    main()
