"""One architecture in one large run: all of its layouts hold, or the smallest that was found does not."""

from __future__ import annotations

from core.conformance.large.generate import shrunk
from core.conformance.large.layout import LargeLayout
from core.conformance.large.run import CallRun, LargeFailure, placed
from core.conformance.large.scenarios import LargeRun
from core.conformance.properties import SENTENCES
from core.conformance.verdict import Result
from core.explore.learn import watchdog
from core.mm.era import Era
from core.plugins.arch import Arch

PATIENCE = 60.0
"""Seconds that one call may take."""


def judge_large(arch: Arch, era: Era, scenario: LargeRun, thorough: bool = False) -> Result:
    """Make the call on each layout. Where all hold the verdict is bounded by them. Raises what the plugin does."""
    tried: dict[LargeLayout, None] = {}
    span = arch.facts.ptes_per_table
    for layout in scenario.layouts(span, thorough):
        here = placed(arch, layout)
        if here in tried:
            continue
        tried[here] = None
        broken = run_on(arch, era, scenario, here)
        if broken is not None:
            return _failed(arch, era, scenario, broken)
    bounds = f"{len(tried)} layouts, one schedule of each"
    return Result(arch.name, scenario.id, scenario.tier, "bounded", bounds=bounds)


def run_on(arch: Arch, era: Era, scenario: LargeRun, layout: LargeLayout, traced: bool = False) -> LargeFailure | None:
    """The call on one layout; what is broken, None if nothing is."""
    with watchdog(f"{scenario.id}: no end after {PATIENCE:g} s, on {layout}", PATIENCE):
        return CallRun(arch, era, scenario.call, layout, traced).result()


def _failed(arch: Arch, era: Era, scenario: LargeRun, first: LargeFailure) -> Result:
    def breaks(layout: LargeLayout) -> bool:
        broken = run_on(arch, era, scenario, layout)
        return broken is not None and broken.name == first.name

    broken = run_on(arch, era, scenario, shrunk(first.layout, breaks), traced=True)
    assert broken is not None
    sentence = f"{SENTENCES.get(broken.name, '')} {broken.what}. Layout: {broken.layout}.".strip()
    return Result(
        arch.name,
        scenario.id,
        scenario.tier,
        "fail",
        broken.name,
        violated=broken.name,
        sentence=sentence,
        depth=len(broken.trace),
        trace=broken.trace,
    )
