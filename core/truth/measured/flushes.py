"""Measured cells: how a running 6.18 kernel flushed, against what core/mm predicts from the page tables' contents.

One JSON object a line (gzip): a mapping with its page-table entries just before one system call, and the flushes that
the stock tracepoint tlb:tlb_flush reported during it (`seq`), or, in the order files, every flush between the pages
zapped under each hold of the lock (`order`).  The prediction runs the operation's program on the entries, on x86 with
the rules of 6.18; nothing is fitted to the cells.

What the tracepoint shows of a flush is [ipi, local, remote, under the page-table lock]: 4 KiB pages in "remote IPI
send"; strides flushed here; what CPU 1 reported.  Who is asked, and who answers what, is flush_tlb_mm_range() and
flush_tlb_func() in arch/x86/mm/tlb.c.

Data types
    Row           one line, as read
    Comparison    core.truth.golden.traces's: 'equal', 'different' with the reason, 'not modelled', or 'error'
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.machine.ipi import take_ipi
from core.machine.op import Cpu, Op, Outcome
from core.machine.schedule import ScheduleError, run
from core.mm.era import ERAS
from core.mm.syscalls import CALLS, Mapping
from core.plugins.arch import Arch, PluginError, load_object, set_up
from core.truth.golden.traces import Comparison
from core.truth.lines import FileError, Shape, check_pages, json_object, read_lines
from core.truth.measured.page_tables import SHMEM, SPECIAL, MeasuredSpace, Row, lay_out

KERNEL = "6.18"
PLUGIN = "arch_plugins.x86_618:X86618"
HERE, THERE = Cpu(0), Cpu(1)

RUNS = [(int, [(str, int)])]

FIELDS: dict[str, Shape] = {
    "id": str,
    "kind": str,
    "state": str,
    "pages": int,
    "op": str,
    "start_vpn": int,
    "ptes": RUNS,
    "ptes_below?": RUNS,
    "floor?": int,
    "ceil?": int,
    "thread?": str,
    "seq?": [(int | None, int | str | None, int | str | None, bool)],
    "order?": [(int, list)],
    "lazy_switch_events?": [int],
}
"""What both kinds of files have in every line, and what it must be."""

Seen = list[Any]


def read_rows(path: Path) -> Iterator[Row]:
    """The cells of a file of JSON lines; FileError at the first line that is none."""
    for where, line in read_lines(path):
        row = json_object(where, line, FIELDS)
        if "seq" not in row and "order" not in row:
            raise FileError(f"{where}: expected a key 'seq' (flushes) or 'order'")
        for key in ("ptes", "ptes_below"):
            check_pages(where, (repeat * nr for repeat, runs in row.get(key) or () for _, nr in runs))
        yield row


def compare_file(path: Path) -> Iterator[Comparison]:
    """Predict every cell of a file and compare it with what was measured."""
    arch = set_up("x86-6.18", load_object(PLUGIN), PLUGIN)
    for row in read_rows(Path(path)):
        yield compare(row, arch)


def compare(row: Row, arch: Arch) -> Comparison:
    """Predict one cell and compare it."""
    if row["op"] not in CALLS:
        return Comparison(row["id"], KERNEL, "not modelled", f"operation {row['op']}")
    try:
        observed = observe(row, arch)
    except (PluginError, ScheduleError, KeyError, ValueError, TypeError, IndexError) as error:
        return Comparison(row["id"], KERNEL, "error", f"{type(error).__name__}: {error}")
    if "order" in row:
        detail = _order_difference(row, observed)
    else:
        detail = _difference(row, observed.flushes)
    return Comparison(row["id"], KERNEL, "different" if detail else "equal", detail)


# ---- prediction ----------------------------------------------------------------------------------------------


@dataclass
class Observer:
    """Sees the events of one operation as the tracepoints would show them.

    `exiting`: the mm has no users any more, and this CPU has it loaded lazily.  `remote`: 'none' if CPU 1 is not in
    mm_cpumask, 'loaded' if it runs the mm, 'elsewhere' if it is in the mask and runs something else.
    """

    space: MeasuredSpace
    kind: str
    exiting: bool
    remote: str
    locked: int = 0
    flushes: list[Seen] = field(default_factory=list)
    order: list[list[Any]] = field(default_factory=list)
    freed: int = 0
    _zapped: dict[str, int] = field(default_factory=dict)

    def emit(self, event: tuple[Any, ...]) -> None:
        """One event of core/mm."""
        kind = event[0]
        if kind == "lock":
            self.locked += 1
        elif kind == "unlock":
            self._add_mm_rss_vec()
            self.locked -= 1
        elif kind == "flush_tlb_mm_range":
            self._add_mm_rss_vec()
            self._flush(event[1])
        elif kind == "clear" or kind == "clear_pmd":
            self._zap(event[1], event[2])
        elif kind == "free":
            self.freed += sum(1 for page, _ in event[2] if isinstance(page, int) and self.space.kind[page] in "aH")

    def _zap(self, addr: int, nr: int) -> None:
        entry = self.space.types[addr]
        if entry not in SPECIAL:
            file = "SHMEM" if self.kind in SHMEM else "FILE"
            counter = "ANON" if entry in "aH" else file
            self._zapped[counter] = self._zapped.get(counter, 0) + nr

    def _add_mm_rss_vec(self) -> None:
        for counter in ("FILE", "ANON", "SHMEM"):
            if counter in self._zapped:
                self.order.append(["z", self._zapped[counter], counter])
        self._zapped.clear()

    def _flush(self, info: Any) -> None:
        ptl = self.locked > 0
        self.order.append(["F", info.strides, 2 if ptl else 1])
        if self.remote == "none":
            local, ipi, remote = info.strides, None, None
        else:
            ipi = info.pages
            asked_lazy = info.freed_tables
            local = ("lazy" if asked_lazy else None) if self.exiting else info.strides
            remote = info.strides if self.remote == "loaded" else ("wrong" if asked_lazy else None)
            if self.remote == "elsewhere" and asked_lazy:
                self.remote = "none"
        self.flushes.append([ipi, local, remote, ptl])


def observe(row: Row, arch: Arch) -> Observer:
    """Run the cell's operation and return what the tracepoints would show."""
    space = lay_out(row, arch.facts)
    exiting = row["op"] == "exit"
    thread = row.get("thread", "none")
    remote = "none" if thread == "none" else ("loaded" if thread == "spin" and not exiting else "elsewhere")
    cpus = frozenset({HERE}) if remote == "none" else frozenset({HERE, THERE})
    mm = space.mm(arch, ERAS[KERNEL], cpus)
    observer = Observer(space, row["kind"], exiting, remote)
    at = Mapping(space.vma, tuple(space.below), row.get("floor", 0), row.get("ceil", 0))
    run(CALLS[row["op"]](mm, at), space.cells, _only, observer.emit, [take_ipi(mm.task.tid, THERE, ())])
    return observer


def _only(op: Op, outcomes: Any) -> Outcome:
    raise ScheduleError(f"{op.name} has {len(outcomes)} outcomes; a measured operation has no choice")


# ---- comparison ----------------------------------------------------------------------------------------------


def _difference(row: Row, flushes: list[Seen]) -> str:
    measured = row["seq"]
    if measured is None:  # exit of a single thread: a lazy CPU switches to init_mm once and is never asked again
        seen = row.get("lazy_switch_events")
        expected = 1 if flushes else 0
        return (
            "" if not seen or all(n == expected for n in seen) else f"switches: predicted {expected}, measured {seen}"
        )
    if measured == flushes:
        return ""
    return (
        f"predicted {len(flushes)} {json.dumps(_fold(flushes))}, measured {len(measured)} {json.dumps(_fold(measured))}"
    )


def _order_difference(row: Row, observer: Observer) -> str:
    measured = [event for repeat, event in row["order"] for _ in range(repeat) if event[0] != "f"]
    if measured != observer.order:
        return _miss(observer.order, measured)
    freed = sum(repeat * event[1] for repeat, event in row["order"] if event[0] == "f")
    if row.get("free_count_exact") and freed != observer.freed:
        return f"predicted {observer.freed} freed, measured {freed}"
    return ""


def _miss(predicted: list[Any], measured: list[Any]) -> str:
    return (
        f"predicted {len(predicted)} {json.dumps(_fold(predicted))}, "
        f"measured {len(measured)} {json.dumps(_fold(measured))}"
    )


def _fold(items: list[Any]) -> list[Any]:
    """[[repeat, item], ...]: equal neighbours are merged."""
    folded: list[list[Any]] = []
    for item in items:
        if folded and folded[-1][1] == item:
            folded[-1][0] += 1
        else:
            folded.append([1, item])
    return folded
