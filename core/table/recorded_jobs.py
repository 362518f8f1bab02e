"""A verdict with what a picture of it needs: the trace with every cell's values, and the tables of the whole model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.conformance import LargeRun, museum, recorded
from core.conformance.outside import Outside
from core.conformance.verdict import Result
from core.explore.cursor import Choice
from core.explore.errors import ExploreError
from core.explore.rewalk import rewalk
from core.explore.transition_tables import TransitionTables
from core.plugins.arch import PluginError
from core.run.before import preload
from core.table.jobs import VerdictJob, scenario_named
from core.table.row import Row

preload(__name__)

MAX_TEXT = 16 << 20
"""Characters of a recording: a third party's may be of any size."""


@dataclass(frozen=True)
class WithRecording:
    """A verdict; `trace` and `model` are JSON as core.conformance.recorded has it, or '' where there is none.

    The texts come from a process that may have run foreign code: whoever reads them takes nothing for granted.
    """

    result: Result
    trace: str = ""
    model: str = ""


@dataclass(frozen=True)
class RecordedJob:
    """A verdict job; `whole`: with the tables of the model, else with the trace alone."""

    cell: VerdictJob
    whole: bool = False

    @property
    def guest(self) -> str:
        """The third parties whose code is run."""
        return self.cell.guest

    def wrong(self, answer: WithRecording) -> str:
        """Why `answer` is not one of this job; '' if it may be."""
        if max(len(answer.trace), len(answer.model)) > MAX_TEXT:
            return f"its recording is longer than {MAX_TEXT} characters"
        return self.cell.wrong(answer.result)

    def run(self) -> WithRecording:
        """Judge, and keep what the search has found."""
        recorder = _Recorder(self.whole)
        result = self.cell.judged(recorder)
        return WithRecording(result, recorder.trace, recorder.model)

    def failed(self, reason: str) -> WithRecording:
        """The result of a job that raised, hung or died."""
        return WithRecording(self.cell.failed(reason))


class _Recorder:
    """An observer of a search that keeps what it has found, as JSON."""

    def __init__(self, whole: bool) -> None:
        self.whole, self.trace, self.model = whole, "", ""

    def __call__(self, tables: TransitionTables, path: Sequence[Choice], violated: str) -> None:
        self.trace = _text(recorded.trace(tables, path, violated)) if path else ""
        self.model = _text(recorded.model(tables, path)) if self.whole else ""


@dataclass(frozen=True)
class ShownExhibit:
    """An exhibit of the museum: the verdict with the bug, recorded, and without it."""

    bug: WithRecording
    fixed: Result


@dataclass(frozen=True)
class ExhibitJob:
    """A historic bug, by its id; its result is ShownExhibit. Its row is called after it."""

    id: str
    guest: str = ""

    def run(self) -> ShownExhibit:
        """Judge with the bug and with the fix."""
        recorder, exhibit = _Recorder(whole=True), museum.find(self.id)
        if exhibit is None:
            return self.failed(f"there is no exhibit {self.id}")
        showing = museum.show(exhibit, observe=recorder)
        return ShownExhibit(
            WithRecording(replace(showing.bug, architecture=self.id), recorder.trace, recorder.model), showing.fixed
        )

    def failed(self, reason: str) -> ShownExhibit:
        """The result of a job that raised, hung or died."""
        broken = Result(self.id, "", "museum", "error", reason)
        return ShownExhibit(WithRecording(broken), broken)


@dataclass(frozen=True)
class Rewalked:
    """What a saved trace does now: at which step it `differs`, or which `problem` there was; both '' if it happens."""

    differs: str = ""
    problem: str = ""


@dataclass(frozen=True)
class RewalkJob:
    """A saved trace (reports/traces), as JSON, walked again on one row in one scenario; its result is Rewalked."""

    row: Row
    scenario: str | Outside
    trace: str

    @property
    def guest(self) -> str:
        """The third parties whose code is run."""
        return VerdictJob(self.row, self.scenario).guest

    def run(self) -> Rewalked:
        """Build the model and walk."""
        try:
            arch, scenario = self.row.arch(), scenario_named(self.scenario)
            if isinstance(scenario, LargeRun) or scenario.lacking(arch):
                return self.failed("the scenario is not for this row")
            return Rewalked(rewalk(scenario.build(arch, self.row.era), json.loads(self.trace)))
        except (PluginError, ExploreError) as error:
            return self.failed(str(error))

    def failed(self, reason: str) -> Rewalked:
        """The result of a job that raised, hung or died."""
        return Rewalked(problem=" ".join(reason.split()))


def _text(data: object) -> str:
    return "" if data is None else json.dumps(data, ensure_ascii=True, separators=(",", ":"))
