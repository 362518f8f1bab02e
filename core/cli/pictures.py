"""What `run --format html` has beside a report: recordings to step through, the museum, the findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import getdoc
from typing import TYPE_CHECKING, Any

from core.base.printable import all_printable
from core.cli.arguments import UsageError
from core.conformance import FINDINGS, SUITE, LargeRun
from core.conformance.outside import Outside
from reports.page.page import NoJinja, require_jinja

if TYPE_CHECKING:
    from core.conformance.scenario import Scenario
    from core.table.jobs import VerdictJob
    from core.table.recorded_jobs import ExhibitJob, RecordedJob, ShownExhibit, WithRecording


def ready_for_pictures() -> None:
    """See, before any work, that the page can be made. UsageError if it cannot."""
    try:
        require_jinja()
    except NoJinja as error:
        raise UsageError(str(error)) from None


def recorded(cells: Sequence[VerdictJob]) -> list[RecordedJob]:
    """The jobs that judge `cells` and record what the page steps through."""
    from core.table.recorded_jobs import RecordedJob

    return [RecordedJob(cell, whole=True) for cell in cells]


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

    bugs = [one.bug for one in shown]
    more: dict[str, Any] = {
        "museum": [_bug(one) for one in shown],
        "museum_results": [result_of(one.result) for one in bugs],
        "findings": [{"id": f.id, "title": f.title, "origin": f.origin} for f in FINDINGS.values()],
    }
    told: dict[str, Any] = all_printable(more)
    return with_recordings(report, [*judged, *bugs], cells) | told


def with_recordings(
    report: Mapping[str, Any], judged: Sequence[WithRecording], cells: Sequence[VerdictJob]
) -> dict[str, Any]:
    """`report` with what the page needs to step through its cells."""
    outside = [cell.scenario for cell in cells if isinstance(cell.scenario, Outside)]
    asked = (*SUITE.values(), *outside)
    scenarios = {s.id: {"title": s.title, "origin": s.origin, "scene": _scene(s)} for s in asked}
    recordings = [
        {"architecture": r.result.architecture, "scenario": r.result.scenario, "trace": r.trace, "model": r.model}
        for r in judged
    ]
    return {**report, "scenarios": all_printable(scenarios), "recordings": recordings}


def _scene(scenario: Scenario | LargeRun | Outside) -> str:
    """What the danger is: the first paragraph of the module that the scenario is in; '' for one from outside."""
    if isinstance(scenario, (Outside, LargeRun)):
        return ""
    described = getdoc(import_module(scenario.build.__module__)) or ""
    return " ".join(described.partition("\n\n")[0].split())


def _bug(shown: ShownExhibit) -> dict[str, str]:
    from core.conformance import museum

    bug, fixed = shown.bug.result, shown.fixed
    exhibit = museum.find(bug.architecture)
    told = {"commit": "", "cve": "", "wrong": bug.reason} if exhibit is None else _told(exhibit)
    found = f"{bug.verdict}({len(bug.trace)})" if bug.trace else bug.verdict
    return {"id": bug.architecture, "scenario": bug.scenario, **told, "found": found, "fixed": fixed.verdict}


def _told(exhibit: Any) -> dict[str, str]:
    return {"commit": exhibit.commit, "cve": exhibit.cve, "wrong": exhibit.wrong}
