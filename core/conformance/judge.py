"""One architecture, one scenario, one verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.base.cores import IdleCores
from core.base.errortext import describe
from core.conformance.scenario import Scenario
from core.conformance.verdict import Result
from core.explore import Limits, check, walk
from core.explore.check import Observe
from core.explore.model import Model, Verdict
from core.mm.era import Era
from core.plugins.arch import Arch
from core.plugins.purity import changed, snapshot

if TYPE_CHECKING:
    from core.conformance.large.scenarios import LargeRun


class Walks(NamedTuple):
    """Random walks instead of a search: how many, and the seed."""

    number: int
    seed: int = 0


def judge(
    arch: Arch,
    era: Era,
    scenario: Scenario | LargeRun,
    *,
    limits: Limits = Limits(),
    searcher: str = "auto",
    reductions: object = "default",
    walks: Walks | None = None,
    thorough: bool = False,
    observe: Observe | None = None,
    workers: int = 1,
    idle: IdleCores | None = None,
) -> Result:
    """The verdict of `arch` in `scenario`. An exception of a plugin becomes the verdict 'error'.

    `observe` is shown what a search has found (`core.explore.check`).  With `walks` the model is not searched but
    walked through at random; the verdict is then never 'pass'.  A large run is neither searched nor walked through;
    with `thorough` it makes its call on many more layouts.  `workers` are the threads of a large search,
    which uses `idle` cores too.
    """
    lacking = scenario.lacking(arch)
    if lacking:
        return Result(arch.name, scenario.id, scenario.tier, "unsupported", f"needs {lacking}")
    module = scenario.build.__module__ if isinstance(scenario, Scenario) else ""
    before, outside = snapshot(arch.plugin), snapshot(None, module)
    try:
        if not isinstance(scenario, Scenario):
            from core.conformance.large.judge import judge_large

            result = judge_large(arch, era, scenario, thorough)
        elif walks is not None:
            model = scenario.build(arch, era)
            verdict = walk(model, walks.seed, walks.number, limits=limits)
            result = _result(arch.name, scenario, model, verdict)
        else:
            model = scenario.build(arch, era)
            verdict = check(
                model,
                limits=limits,
                searcher=searcher,
                reductions=reductions,
                observe=observe,
                workers=workers,
                idle=idle,
            )
            result = _result(arch.name, scenario, model, verdict)
    except Exception as error:  # an exception of a plugin fails this verdict only
        return _error(arch.name, scenario, describe(error))
    remembered = changed(before, snapshot(arch.plugin)) or changed(outside, snapshot(None, module), "the scenario")
    return _error(arch.name, scenario, remembered) if remembered else result


def _error(name: str, scenario: Scenario | LargeRun, reason: str) -> Result:
    return Result(name, scenario.id, scenario.tier, "error", " ".join(reason.split()))


def _result(name: str, scenario: Scenario, model: Model, verdict: Verdict) -> Result:
    outcome, reason = "pass" if verdict.exhaustive else "bounded", ""
    if verdict.violated:
        outcome, reason = "fail", verdict.violated
    elif verdict.exhaustive and verdict.unreached:
        outcome, reason = "fail", f"vacuous: never reached {', '.join(verdict.unreached)}"
    return Result(
        name,
        scenario.id,
        scenario.tier,
        outcome,
        reason,
        verdict.exhaustive,
        verdict.states,
        verdict.transitions,
        verdict.depth,
        verdict.bounds,
        verdict.violated,
        verdict.sentence,
        verdict.trace,
        verdict.searcher,
        verdict.reductions,
        tuple(prop.name for prop in model.sometimes if prop.name not in verdict.unreached),
        verdict.unreached,
    )
