"""The ladder side by side with SPIN, interleaved so that drift of the machine affects both: A B C A B C ...

    python -m benchmarks.versus_spin [--model FILE.pml] [--policy DELAYED] [--rounds 3] [SIZE ...]

A size is CPUS,PAGES,STORES,ROUNDS.  `spin` and `gcc` must be installed.  Another Promela model gets -DPOLICY, -DCPUS,
-DPAGES, -DW and -DR.  Printed for each size: the best of all rounds, and the median of the ratios within a round.
`search` is pan's own time against the time inside the compiled search; `whole` is from source to verdict: spin, gcc and
pan against a python process.

pyperf is not used: it would run one side after the other and compare two means, which drift with the machine; the ratio
of two neighbouring runs does not.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

HERE = Path(__file__).parent
MODEL = HERE / "rmap_race.pml"
VIOLATING = ("EARLY", "NOFLUSH")
SIZES = ["2,1,2,2", "2,2,2,1", "2,2,3,2", "2,3,2,1", "3,2,2,1", "3,2,2,2"]


MEMORY = 4096
"""MiB that pan may use with several cores."""


class Run(NamedTuple):
    """Seconds of the search and of everything, states, transitions, and peak memory in bytes."""

    search: float
    whole: float
    states: int
    transitions: int
    memory: int


def spin(model: Path, policy: str, size: str, stops: bool, cores: int = 1, breadth: bool = True) -> Run:
    """Run spin -a, gcc and pan: breadth-first to the first violation (`stops`), or through the whole state space.

    With several `cores` pan goes breadth-first with all of them (-DBFS_PAR), or depth-first (-DNCORE) without
    `breadth`.
    """
    cpus, pages, stores, rounds = size.split(",")
    defines = [f"-DPOLICY={policy}", f"-DCPUS={cpus}", f"-DPAGES={pages}", f"-DW={stores}", f"-DR={rounds}"]
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        _ok(["spin", "-a", *defines, str(model.resolve())], place)
        options, go_on = (["-DBFS"], []) if stops else ([], ["-A"])
        if cores > 1 and breadth:
            options, go_on = ["-DBFS_PAR"], [*go_on, f"-u{cores}"]
        elif cores > 1:
            options = [f"-DNCORE={cores}", f"-DMEMLIM={MEMORY}"]
        _ok(["gcc", "-O3", "-DSAFETY", "-DNOREDUCE", *options, "-o", "pan", "pan.c"], place)
        told = _ok(["./pan", "-m1000000", "-w24", "-E", *go_on], place)
        whole = time.perf_counter() - started
    seconds = re.search(r"elapsed time ([0-9.e+-]+) seconds", told)
    states = re.search(r"([0-9.e+]+) states, stored", told)
    transitions = re.search(r"([0-9.e+]+) transitions", told)
    memory = re.search(r"([0-9.]+)\s+total actual memory usage", told)
    return Run(
        float(seconds.group(1)) if seconds else 0.0,
        whole,
        int(float(states.group(1))) if states else 0,
        int(float(transitions.group(1))) if transitions else 0,
        int(float(memory.group(1)) * 2**20) if memory else 0,
    )


def ours(policy: str, size: str, reductions: str) -> Run:
    """Run benchmarks.one_run in a process of its own."""
    started = time.perf_counter()
    told: dict[str, Any] = json.loads(
        _ok([sys.executable, "-m", "benchmarks.one_run", policy, size, reductions], str(HERE.parent))
    )
    whole = time.perf_counter() - started
    return Run(told["search"] or told["check"], whole, told["states"], told["transitions"], told["peak"])


def _ok(command: list[str], place: str) -> str:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr or done.stdout}")
    return done.stdout


def compare(model: Path, policy: str, size: str, rounds: int) -> None:
    """Run all rounds of one size and print them."""
    stops = policy in VIOLATING
    runs: dict[str, list[Run]] = {"spin": [], "plain": [], "reduced": []}
    for _ in range(rounds):
        runs["spin"].append(spin(model, policy, size, stops))
        runs["plain"].append(ours(policy, size, "none"))
        runs["reduced"].append(ours(policy, size, "all"))
    print(f"{policy} ({size})")
    for name, found in runs.items():
        search, whole = min(r.search for r in found), min(r.whole for r in found)
        ratio = [r.search / max(s.search, 0.005) for r, s in zip(found, runs["spin"], strict=True)]
        of_whole = [r.whole / s.whole for r, s in zip(found, runs["spin"], strict=True)]
        states, memory = found[0].states, found[0].memory
        each = f"{memory >> 20:5} MiB {memory / states:6.1f} B/state" if memory and states else ""
        print(
            f"  {name:8} {states:10} states  search {search:7.3f} s (x{median(ratio):.2f})"
            f"  whole {whole:7.3f} s (x{median(of_whole):.2f})  {each}",
            flush=True,
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", default=SIZES, metavar="SIZE")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--policy", default="DELAYED")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    missing = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    if missing:
        parser.error(f"not installed: {', '.join(missing)}")
    for size in arguments.sizes:
        compare(arguments.model, arguments.policy, size, arguments.rounds)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"largest process: {peak // 1024} MiB")


if __name__ == "__main__":
    main()
