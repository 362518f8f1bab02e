"""The accountant's time per page, beside that of the kernel's own C code.

python -m benchmarks.ns_per_page TIMING.json [--stepped PAGES] [--random RUNS]

TIMING.json is a list of objects with kernel, kind, page_structs ('hot' or 'cold'), pages, min_ns_per_page and
worst_run_median_ns_per_page: the time to zap and gather that many pages in C.  The accountant counts the same layout
with acceleration, then the first pages of it one by one, and at last a random layout of short runs.  The C figures are
the least of several runs in one process; so are these, in CPU time, and not pyperf's mean over processes.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from core.cost.accountant import Accountant
from core.cost.layout import Layout
from core.mm.era import ERAS, Era
from core.plugins.arch import Arch, load_object, set_up
from reports.grid import grid

SMP = "arch_plugins.generic:Smp"
KINDS = ("none", "swap", "anon_clean", "anon_dirty", "file_clean", "file_dirty")
KEYS = {"kernel": str, "kind": str, "page_structs": str, "pages": int}
TIMES = ("min_ns_per_page", "worst_run_median_ns_per_page")

Row = dict[str, Any]


class TimingError(Exception):
    """An invalid timing file; the message names the file, the row and what was expected."""


def read_timing(path: Path) -> list[Row]:
    """The rows of the file. TimingError if it is invalid."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TimingError(f"{path}: {error}") from None
    if not isinstance(rows, list) or not rows:
        raise TimingError(f"{path}: expected a list of objects")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise TimingError(f"{path}, row {number}: expected an object, got {row!r:.60}")
        for key, kind in KEYS.items():
            if not isinstance(row.get(key), kind):
                raise TimingError(f"{path}, row {number}: {key}: expected {kind.__name__}, got {row.get(key)!r}")
        for key in TIMES:
            if not isinstance(row.get(key), int | float):
                raise TimingError(f"{path}, row {number}: {key}: expected a number, got {row.get(key)!r}")
        if row["kernel"] not in ERAS:
            raise TimingError(f"{path}, row {number}: kernel: expected one of {', '.join(ERAS)}, got {row['kernel']!r}")
        if row["kind"] not in KINDS:
            raise TimingError(f"{path}, row {number}: kind: expected one of {', '.join(KINDS)}, got {row['kind']!r}")
    return rows


def nanoseconds(arch: Arch, era: Era, layout: Layout, by_page: bool = False) -> float:
    """CPU nanoseconds per page to count one unmap, the best of three; `by_page` without any acceleration."""
    best = float("inf")
    for _ in range(3):
        accountant = Accountant(arch, era, layout, skip=not by_page, long_runs=not by_page)
        before = time.process_time_ns()
        accountant.count()
        best = min(best, (time.process_time_ns() - before) / layout.end)
    return best


def measure(rows: list[Row], stepped: int) -> list[list[Any]]:
    """The table: one line for each kernel and kind of page."""
    arch, table = set_up(SMP, load_object(SMP), SMP), []
    for kernel, kind in dict.fromkeys((row["kernel"], row["kind"]) for row in rows):
        own = [row for row in rows if (row["kernel"], row["kind"]) == (kernel, kind)]
        pages, era = max(row["pages"] for row in own), ERAS[kernel]
        periods = nanoseconds(arch, era, Layout([(kind, pages)]))
        by_page = nanoseconds(arch, era, Layout([(kind, min(pages, stepped))]), by_page=True)
        hot, cold = (_span([row for row in own if row["page_structs"] == how]) for how in ("hot", "cold"))
        table.append([kernel, kind, pages, hot, cold, f"{periods:.3f}", f"{by_page:.0f}"])
    return table


def _span(rows: list[Row]) -> str:
    if not rows:
        return "-"
    return f"{min(row[TIMES[0]] for row in rows)} to {max(row[TIMES[1]] for row in rows)}"


def random_layout(runs: int) -> Layout:
    """A layout of `runs` runs of 1 to 64 pages of random kinds."""
    rng = random.Random(1)
    return Layout([(rng.choice(KINDS), rng.randint(1, 64)) for _ in range(runs)])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("timing", type=Path, metavar="TIMING.json")
    parser.add_argument("--stepped", type=int, default=4096, metavar="PAGES", help="pages to go over one by one")
    parser.add_argument("--random", type=int, default=20000, metavar="RUNS", help="runs of the random layout")
    arguments = parser.parse_args()
    try:
        rows = read_timing(arguments.timing)
    except TimingError as error:
        print(f"ns_per_page: {error}", file=sys.stderr)
        return 2
    headers = ["kernel", "kind", "pages", "C, hot", "C, cold", "by periods", "page by page"]
    print(grid(measure(rows, arguments.stepped), headers, numbers=False))
    layout = random_layout(arguments.random)
    each = nanoseconds(set_up(SMP, load_object(SMP), SMP), ERAS["6.12"], layout)
    print(
        f"random layout, {arguments.random} runs, {layout.end} pages: {each:.0f} ns a page, {1e3 / each:.2f} M a second"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
