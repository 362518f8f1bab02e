"""What the suite asks of a row and what it does not: its hooks, and the scenarios that need what it lacks."""

from __future__ import annotations

from dataclasses import dataclass

from core.conformance import SUITE
from core.plugins.arch import PluginError, optional_unknown, requires
from core.run.before import preload
from core.table.row import Row

preload(__name__)


@dataclass(frozen=True)
class Ability:
    """`lacking`: what a row lacks, by the scenarios that need it.

    `requires` is what its plugin says of the version of hooks and words, `ignored` its optional hooks that this
    version does not have.
    """

    architecture: str
    lacking: dict[str, str]
    requires: str = ""
    ignored: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class AbilityJob:
    """Sets up a row and asks it; its result is Ability."""

    row: Row

    @property
    def guest(self) -> str:
        """The third party whose code is run."""
        return self.row.guest

    def wrong(self, answer: Ability) -> str:
        """Why `answer` cannot be; '' if it can."""
        unknown = [name for name in answer.lacking if name not in SUITE]
        return f"there is no scenario {unknown[0]}" if unknown else ""

    def run(self) -> Ability:
        """Set up the architecture, and search nothing."""
        try:
            arch = self.row.arch()
        except PluginError as error:
            return self.failed(str(error))
        found = {scenario.id: lacking for scenario in SUITE.values() if (lacking := scenario.lacking(arch))}
        return Ability(self.row.name, found, requires(arch.plugin), optional_unknown(arch.plugin))

    def failed(self, reason: str) -> Ability:
        """The result of a job that raised, hung or died."""
        return Ability(self.row.name, {}, problem=" ".join(reason.split()))
