"""What a recording comes to on some architectures, as one job: its counts added up, and how exact x86 is.

Data types
    Totals       counts by row; how often x86 was exact, and where not; what the recording lacks, and why it broke off
    Replaying    the job; answers Totals
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from core.plugins.arch import PluginError
from core.plugins.purity import remembering_nothing
from core.table.rows import Row
from core.truth.lines import FileError
from core.truth.recorded.differences import Replayed
from core.truth.recorded.replay import Gaps, replay


@dataclass
class Totals:
    """`exact` has [calls, exact, flushes recorded, predicted, IPIs recorded, predicted] by kind of call, and
    `missed` the calls that are not exact; `answers` of other CPUs to flushes: recorded, predicted at least, at most.

    `problems` are rows that could not be counted, with the reason; `broken` says what is wrong with the file, '' if
    nothing is.
    """

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    exact: dict[str, list[int]] = field(default_factory=dict)
    missed: list[Replayed] = field(default_factory=list)
    answers: list[int] = field(default_factory=lambda: [0, 0, 0])
    gaps: Gaps = field(default_factory=Gaps)
    broken: str = ""
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, call: Replayed) -> None:
        """One operation more."""
        self._compare(call)
        for name, counts in call.counts.items():
            sums = self.counts.setdefault(name, {})
            for key, value in counts.items():
                sums[key] = max(sums.get(key, 0), value) if key.startswith("max_") else sums.get(key, 0) + value

    def _compare(self, call: Replayed) -> None:
        """Replayeds are told apart by what they are about; of exit there is only what was sent."""
        kind = {"exit": "exit, what was sent"}.get(call.name)
        kind = kind or f"{call.name}, {'anonymous' if call.anonymous else 'file or shared'}"
        self.missed += [] if call.exact else [call]
        self.answers = [a + b for a, b in zip(self.answers, call.answers, strict=True)]
        values = (1, call.exact, len(call.measured), len(call.predicted), *call.asked)
        self.exact[kind] = [a + b for a, b in zip(self.exact.get(kind, [0] * 6), values, strict=True)]


@dataclass(frozen=True)
class Replaying:
    """The recording at `path` on some rows."""

    path: Path
    rows: tuple[Row, ...]

    def run(self) -> Totals:
        """Replay it all; a file that breaks off keeps what came before."""
        totals = Totals()
        archs = {row.name: (row.arch(), row.era) for row in self.rows}
        try:
            with ExitStack() as stack:
                for arch, _ in archs.values():
                    stack.enter_context(remembering_nothing(arch.plugin))
                for call in replay(self.path, archs, totals.gaps):
                    totals.add(call)
        except FileError as error:
            totals.broken = str(error)
        except PluginError as error:
            return self.failed(str(error))
        return totals

    def failed(self, reason: str) -> Totals:
        """Nothing counted."""
        return Totals(problems={row.name: " ".join(reason.split()) for row in self.rows})
