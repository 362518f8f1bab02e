"""The job that compares the programs of two rows in one scenario (core.explore.same)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.base.errortext import describe
from core.conformance import LargeRun
from core.conformance.outside import Outside
from core.explore import Limits
from core.explore.same import Sameness, same
from core.plugins.arch import PluginError
from core.run.before import preload
from core.table.jobs import scenario_named
from core.table.row import Row
from core.tree.learned import LearnedOfC, forget_learned, learned_of

preload(__name__, "arch_plugins.generic")


@dataclass(frozen=True)
class Compared:
    """The rows `first` and `second` in a scenario: what was found, or why nothing was: `lacking` or a `problem`.

    `learned` is what the second has run of its C, if it has any.
    """

    first: str
    second: str
    scenario: str
    found: Sameness | None = None
    lacking: str = ""
    problem: str = ""
    learned: LearnedOfC = LearnedOfC()

    @property
    def equal(self) -> bool:
        """Is there no difference, up to what was searched?"""
        return self.found is not None and not self.found.differences


@dataclass(frozen=True)
class EqualJob:
    """Whether two rows run the same programs in a scenario; answers Compared."""

    first: Row
    second: Row
    scenario: str | Outside
    limits: Limits = Limits()

    @property
    def guest(self) -> str:
        """The third parties whose code is run."""
        scenario = self.scenario.reference if isinstance(self.scenario, Outside) else ""
        return "\n".join(filter(None, (self.first.guest, self.second.guest, scenario)))

    def wrong(self, answer: Compared) -> str:
        """Why `answer` is not one of this job; '' if it may be."""
        want = self.failed("")
        same_job = (answer.first, answer.second, answer.scenario) == (want.first, want.second, want.scenario)
        return "" if same_job else f"it is of {answer.first}, {answer.second} and {answer.scenario}"

    def run(self) -> Compared:
        """Build both models and compare them."""
        problem = self.first.problem or self.second.problem
        if problem:
            return self.failed(problem)
        try:
            first, second = self.first.arch(), self.second.arch()
            scenario = scenario_named(self.scenario)
            lacking = "a large run is one schedule" if isinstance(scenario, LargeRun) else scenario.lacking(first)
            if lacking or isinstance(scenario, LargeRun):
                return self._answer(lacking=lacking)
            forget_learned(second.plugin)
            models = scenario.build(first, self.first.era), scenario.build(second, self.second.era)
            found = same(*models, limits=self.limits)
            return replace(self._answer(found=found), learned=learned_of(second.plugin))
        except PluginError as error:
            return self.failed(str(error))
        except Exception as error:
            return self.failed(describe(error))

    def failed(self, reason: str) -> Compared:
        """The result of a job that raised, hung or died."""
        return self._answer(problem=" ".join(reason.split()))

    def _answer(self, found: Sameness | None = None, lacking: str = "", problem: str = "") -> Compared:
        scenario = self.scenario if isinstance(self.scenario, str) else self.scenario.id
        return Compared(self.first.name, self.second.name, scenario, found, lacking, problem)
