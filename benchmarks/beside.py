"""The CPU time of start-up, cells and large runs beside another checkout of the project, measured in turn.

    python -m benchmarks.beside OTHER [--python OTHER/.venv/bin/python] [--row NAME]... [--rounds N] [--large] [--run]

Each figure is the least of N rounds, and in each round both are measured one behind the other: on a machine that does
other things only their ratio says anything.  A cell is one row in one scenario that applies to it, judged in a process
that judges all of them; rows must be in both.  Scenarios that both have are measured by themselves too.  Random layouts
are runs of 1 to 64 pages of any kind, counted by the accountant.  With `--large` the large runs are judged too, if both
have them.  With `--run` only the default run is measured, all its processes together, and how long it takes on a
machine that is quiet.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parents[1]

JUDGING = """
import gc, sys, time
from pathlib import Path
try:
    from core.table.rows import load
except ImportError:  # a checkout of before the rooms
    from core.config import load
import core.conformance as suite
gc.set_threshold(50_000)
large, only, names, cells = sys.argv[1] == "large", set(sys.argv[2].split()), sys.argv[3:], 0
rows = [row for row in load(Path("arches.toml")) if row.name in names]
skipped = ("long", "finding") if large else ("long", "finding", "large")
chosen = [s for s in getattr(suite, "SUITE", suite.SCENARIOS).values() if s.tier not in skipped]
if large:
    chosen = [s for s in chosen if s.tier == "large"]
if only:
    chosen = [s for s in chosen if s.id in only]
start = time.process_time()
for row in rows:
    arch = row.arch()
    for scenario in chosen:
        cells += suite.judge(arch, row.era, scenario).verdict != "unsupported"
print(cells, time.process_time() - start)
"""

SCENARIOS = """
import core.conformance as suite
print(*(s.id for s in getattr(suite, "SUITE", suite.SCENARIOS).values()))
"""

RANDOM = """
import sys
from benchmarks.ns_per_page import ERAS, SMP, load_object, nanoseconds, random_layout, set_up
print(nanoseconds(set_up(SMP, load_object(SMP), SMP), ERAS["6.12"], random_layout(int(sys.argv[1]))))
"""
RUNS = (20_000, 80_000)

RUN = """
import ctypes, os, resource, sys, tempfile, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: wardens that end behind the command are counted too
with tempfile.TemporaryDirectory() as output:
    start = time.monotonic()
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.dup2(2, 1)
        os.execv(sys.executable, [sys.executable, "-m", "core.compare", "run", "--output", output, *sys.argv[1:]])
    os.waitpid(pid, 0)
    took = time.monotonic() - start
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, took)
"""

COMMANDS = {
    "--help": ("--help",),
    "workloads, exit of 1 TiB": ("workloads", "--arch", "smp-6.2-fix", "--workload", "exit_anon"),
    "run, one small cell": ("run", "--arch", "smp-6.2-fix", "--scenario", "mapped-twice", "--no-costs"),
}


class Checkout(NamedTuple):
    """A tree of the project, and the interpreter that runs it."""

    root: Path
    python: str

    def cpu(self, *arguments: str) -> float:
        """Seconds of CPU time of a whole command."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)  # os.times() counts in ticks of 10 ms
        self._run(arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def scenarios(self) -> set[str]:
        """The ids of all scenarios."""
        return set(self._run(("-c", SCENARIOS)).split())

    def judging(self, kind: str, only: str, rows: list[str]) -> tuple[int, float]:
        """The cells that apply, of the scenarios `only` if any are named, and the seconds of CPU time that judging them
        takes."""
        cells, seconds = self._run(("-c", JUDGING, kind, only, *rows)).split()
        return int(cells), float(seconds)

    def random(self, runs: int) -> float:
        """Nanoseconds of CPU time that the accountant takes for a page of a random layout."""
        return float(self._run(("-c", RANDOM, str(runs))))

    def running(self) -> tuple[float, float]:
        """Seconds of CPU time, and from start to end, of the default run."""
        used, took = self._run(("-c", RUN)).split()
        return float(used), float(took)

    def _run(self, arguments: tuple[str, ...]) -> str:
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled once
        done = subprocess.run(
            [self.python, *arguments], cwd=self.root, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout


def least(rounds: int, ours: Checkout, other: Checkout, *command: str) -> tuple[float, float]:
    """The least CPU time of a command in each checkout."""
    pairs = [(ours.cpu(*command), other.cpu(*command)) for _ in range(rounds)]
    return min(ours for ours, _ in pairs), min(other for _, other in pairs)


def start_up(rounds: int, ours: Checkout, other: Checkout) -> None:
    """Print what commands take, in multiples of an interpreter that does nothing."""
    nothing = least(rounds, ours, other, "-c", "pass")
    for what, arguments in COMMANDS.items():
        here, there = least(rounds, ours, other, "-m", "core.compare", *arguments)
        print(f"{what}: {here / nothing[0]:.1f} times python -c pass, {there / nothing[1]:.1f} there")


def random_layouts(rounds: int, ours: Checkout, other: Checkout) -> None:
    """Print nanoseconds a page, and the ratio."""
    for runs in RUNS:
        pairs = [(ours.random(runs), other.random(runs)) for _ in range(rounds)]
        here, there = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
        print(f"random layout of {runs} runs: {here:.0f} ns a page, {there:.0f} there: {here / there:.2f}")


def judging(rounds: int, ours: Checkout, other: Checkout, kind: str, rows: list[str], only: str = "") -> None:
    """Print milliseconds a cell, and the ratios of a cell and of the whole; of scenarios `only` if any are named."""
    pairs = [(ours.judging(kind, only, rows), other.judging(kind, only, rows)) for _ in range(rounds)]
    (cells, here), (fewer, there) = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    if not cells or not fewer:
        print(f"{kind}: not in both")
        return
    each, before = here / cells, there / fewer
    print(
        f"{kind}: {cells} cells, {1000 * each:.1f} ms each; there {fewer} cells, {1000 * before:.1f} ms; "
        f"a cell {each / before:.2f}, the whole {here / there:.2f}"
    )


def running(rounds: int, ours: Checkout, other: Checkout) -> None:
    """Print what the default run takes, and the ratios."""
    pairs = [(ours.running(), other.running()) for _ in range(rounds)]
    for what, at in (("CPU time", 0), ("from start to end", 1)):
        here, there = (min(pair[side][at] for pair in pairs) for side in (0, 1))
        print(f"the default run, {what}: {here:.1f} s, {there:.1f} s there: {here / there:.2f}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside")
    parser.add_argument("other", type=Path)
    parser.add_argument("--python", default="")
    parser.add_argument("--row", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--run", action="store_true")
    given = parser.parse_args()
    own = given.other / ".venv/bin/python"
    ours = Checkout(HERE, sys.executable)
    other = Checkout(given.other.resolve(), given.python or (str(own.absolute()) if own.exists() else sys.executable))
    rows = given.row or ["smp-6.2-fix", "up-preempt"]
    if given.run:
        running(given.rounds, ours, other)
        return
    start_up(given.rounds, ours, other)
    random_layouts(given.rounds, ours, other)
    judging(given.rounds, ours, other, "suite", rows)
    both = ours.scenarios() & other.scenarios()
    judging(given.rounds, ours, other, "scenarios of both", rows, " ".join(sorted(both)))
    if given.large:
        judging(given.rounds, ours, other, "large", rows)


if __name__ == "__main__":
    main()
