"""The result of replaying a recording on some architectures: counts added up, and how exact x86 is.

Data types
    KindCount    how many differences there are of a kind
    Totals       counts by row; how often x86 was exact, and where not; what the recording lacks
    Replaying    the job; answers Totals
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from core.cost.workload_counts import REPORTED
from core.mm.era import Era
from core.plugins.arch import Arch, PluginError
from core.plugins.purity import remembering_nothing
from core.truth.lines import FileError
from core.truth.recorded.differences import DETACHED, TRUNCATED, UNOWNED, Kind, Replayed
from core.truth.recorded.replay import Gaps, replay


@dataclass
class KindCount:
    """How many `operations` of a recording differ in one way, and how many recorded `flushes` are theirs."""

    operations: int = 0
    flushes: int = 0


@dataclass
class Totals:
    """`exact` has [operations, exact, flushes recorded, predicted, IPIs recorded, predicted] by kind of operation, and
    `different` the operations that are not exact; `answers` of other CPUs: recorded, predicted at least, at most.

    `problems` are rows that could not be counted, with the reason; `broken` says what is wrong with the file, '' if
    nothing is.
    """

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    exact: dict[str, list[int]] = field(default_factory=dict)
    different: list[Replayed] = field(default_factory=list)
    answers: list[int] = field(default_factory=lambda: [0, 0, 0])
    gaps: Gaps = field(default_factory=Gaps)
    broken: str = ""
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, replayed: Replayed) -> None:
        """One operation more."""
        self._compare(replayed)
        for name, counts in replayed.counts.items():
            sums = self.counts.setdefault(name, {})
            for key, value in counts.items():
                sums[key] = max(sums.get(key, 0), value) if key.startswith("max_") else sums.get(key, 0) + value

    def _compare(self, replayed: Replayed) -> None:
        """Operations are told apart by what they are about; of exit there is only what was sent."""
        name = {"exit": "exit, what was sent"}.get(replayed.name)
        name = name or f"{replayed.name}, {'anonymous' if replayed.anonymous else 'file or shared'}"
        self.different += [] if replayed.exact else [replayed]
        self.answers = [a + b for a, b in zip(self.answers, replayed.answers, strict=True)]
        values = (1, replayed.exact, len(replayed.measured), len(replayed.predicted), *replayed.asked)
        self.exact[name] = [a + b for a, b in zip(self.exact.get(name, [0] * 6), values, strict=True)]

    @property
    def kinds(self) -> dict[Kind, KindCount]:
        """Differences by kind, most frequent first; flushes of no operation count as what they are."""
        counts: dict[Kind, KindCount] = {}
        for replayed in self.different:
            assert replayed.kind is not None
            count = counts.setdefault(replayed.kind, KindCount())
            count.operations += 1
            count.flushes += max(len(replayed.measured), len(replayed.predicted))
        gaps = self.gaps
        for kind, flushes in ((TRUNCATED, gaps.truncated), (DETACHED, gaps.detached), (UNOWNED, gaps.unowned)):
            if flushes:
                counts[kind] = KindCount(0, flushes)
        return dict(sorted(counts.items(), key=lambda item: (-item[1].operations, -item[1].flushes)))

    @property
    def flushes(self) -> tuple[int, int]:
        """How many were recorded, those of no operation included, and how many predicted."""
        operations = sum(values[2] for values in self.exact.values())
        recorded = operations + self.gaps.truncated + self.gaps.detached + self.gaps.unowned
        return recorded, sum(values[3] for values in self.exact.values())

    @property
    def unexplained(self) -> int:
        """Flushes of differences that nothing explains."""
        return sum(count.flushes for kind, count in self.kinds.items() if not kind.explained)


@dataclass(frozen=True)
class Replaying:
    """The recording at `path` on some architectures: by name, what sets one up in any process, and its era.

    `guest` is the third party whose plugin is among them, '' if all are the project's own.
    """

    path: Path
    archs: tuple[tuple[str, Callable[[], Arch], Era], ...]
    guest: str = ""

    def wrong(self, answer: Totals) -> str:
        """Why `answer` is not one of this job; '' if it may be."""
        names = {name for name, _, _ in self.archs}
        if not (answer.counts.keys() <= names and answer.problems.keys() <= names):
            return "it is of another row"
        lacking = [name for counts in answer.counts.values() for name in REPORTED if name not in counts]
        return f"it has no {lacking[0]}" if lacking else ""

    def run(self) -> Totals:
        """Replay it all; a file that breaks off keeps what came before."""
        totals = Totals()
        archs = {name: (set_up(), era) for name, set_up, era in self.archs}
        try:
            with ExitStack() as stack:
                for arch, _ in archs.values():
                    stack.enter_context(remembering_nothing(arch.plugin))
                for replayed in replay(self.path, archs, totals.gaps):
                    totals.add(replayed)
        except FileError as error:
            totals.broken = str(error)
        except PluginError as error:
            return self.failed(str(error))
        return totals

    def failed(self, reason: str) -> Totals:
        """The totals of a replay that raised, hung or died: nothing counted, and why."""
        return Totals(problems={name: " ".join(reason.split()) for name, _, _ in self.archs})
