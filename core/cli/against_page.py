"""What `compare A --against B --format html` writes: the page of both, which begins with what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.base.printable import all_printable
from core.cli.arguments import bounds_of
from core.cli.pictures import with_recordings
from core.cli.report import Subject, document, memory_of
from core.explore.check import SEED
from reports.page.page import write

if TYPE_CHECKING:
    import argparse

    from core.cli.side import Side
    from core.table.jobs import VerdictJob
    from core.table.recorded_jobs import WithRecording


def page(
    new: Side,
    old: Side,
    recordings: Sequence[WithRecording],
    cells: Sequence[VerdictJob],
    unseen: str,
    arguments: argparse.Namespace,
) -> str:
    """The page; `recordings` are of both sides, as `cells`; `unseen` says what a pass of the new one leaves open."""
    sides = (old, new)
    subjects = [Subject(s.row.name, s.row.plugin, s.row.era.name, s.row.stated, s.row.problem) for s in sides]
    settings = {
        "seed": SEED,
        "searcher": arguments.searcher,
        "bounds": bounds_of(arguments),
        "memory": memory_of(subjects, arguments.memory),
    }
    costs = {side.row.name: side.counted.counts for side in sides}
    report = document(subjects, [result for side in sides for result in side.results], costs, settings)
    against = {"old": old.row.name, "new": new.row.name, "unseen": unseen, "counts": counts(old, new)}
    return write(with_recordings(report, recordings, cells) | {"against": all_printable(against)})


def counts(old: Side, new: Side) -> list[dict[str, Any]]:
    """The counts that differ, by workload."""
    found = []
    for load, now in new.counted.counts.items():
        was: Mapping[str, int] = old.counted.counts.get(load, {})
        for name in dict.fromkeys([*now, *was]):
            if was.get(name, 0) != now.get(name, 0):
                found.append({"workload": load, "count": name, "old": was.get(name, 0), "new": now.get(name, 0)})
    return found
