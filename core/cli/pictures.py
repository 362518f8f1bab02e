"""What `run --format html` has beside a report: recordings to step through, the museum, the findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.base.printable import all_printable
from core.cli.arguments import UsageError
from core.conformance import FINDINGS, SUITE
from core.conformance.outside import Outside
from reports.page.page import NoJinja, require_jinja

if TYPE_CHECKING:
    from core.table.jobs import VerdictJob
    from core.table.recorded_jobs import ExhibitJob, ShownExhibit, WithRecording


def ready_for_pictures() -> None:
    """See, before any work, that the page can be made. UsageError if it cannot."""
    try:
        require_jinja()
    except NoJinja as error:
        raise UsageError(str(error)) from None


def exhibits() -> list[ExhibitJob]:
    """The jobs that show the museum."""
    from core.conformance.museum import EXHIBITS
    from core.table.recorded_jobs import ExhibitJob

    return [ExhibitJob(exhibit.id) for exhibit in EXHIBITS]


def with_pictures(
    report: Mapping[str, Any],
    judged: Sequence[WithRecording],
    shown: Sequence[ShownExhibit],
    cells: Sequence[VerdictJob],
) -> dict[str, Any]:
    """`report` with the recordings of its cells and of the museum, and with what the page says of scenarios."""
    from core.cli.report import result_of

    outside = [cell.scenario for cell in cells if isinstance(cell.scenario, Outside)]
    scenarios = {s.id: {"title": s.title, "origin": s.origin} for s in (*SUITE.values(), *outside)}
    bugs = [one.bug for one in shown]
    more: dict[str, Any] = {
        "scenarios": scenarios,
        "museum": [_bug(one) for one in shown],
        "museum_results": [result_of(one.result) for one in bugs],
        "findings": [{"id": f.id, "title": f.title, "origin": f.origin} for f in FINDINGS.values()],
    }
    recordings = [
        {"architecture": r.result.architecture, "scenario": r.result.scenario, "trace": r.trace, "model": r.model}
        for r in (*judged, *bugs)
    ]
    return {**report, **all_printable(more), "recordings": recordings}


def _bug(shown: ShownExhibit) -> dict[str, str]:
    from core.conformance import museum

    bug, fixed = shown.bug.result, shown.fixed
    exhibit = museum.find(bug.architecture)
    told = {"commit": "", "cve": "", "wrong": bug.reason} if exhibit is None else _told(exhibit)
    found = f"{bug.verdict}({len(bug.trace)})" if bug.trace else bug.verdict
    return {"id": bug.architecture, "scenario": bug.scenario, **told, "found": found, "fixed": fixed.verdict}


def _told(exhibit: Any) -> dict[str, str]:
    return {"commit": exhibit.commit, "cve": exhibit.cve, "wrong": exhibit.wrong}
