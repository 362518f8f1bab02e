"""The verdict of one architecture in one scenario."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from core.explore.model import Step

VERDICTS = ("pass", "bounded", "fail", "xfail", "xpass", "unsupported", "error")
"""pass: no violation in any reachable state. bounded: none within the named bounds. fail: a violation, with a trace.
xfail, xpass: arches.toml declares a failure, and it failed, or is proved not to. unsupported: the architecture lacks a
capability that the scenario needs. error: the plugin raised, hung, or returned something invalid."""


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict of one row in one scenario; the other fields are as in core.explore.model.Verdict.

    `reached` and `unreached` are the windows of the scenario that the search has been in, and those it has not: a pass
    has reached all.  `seconds` is how long it took, which two runs do not agree on.
    """

    architecture: str
    scenario: str
    tier: str
    verdict: str
    reason: str = ""
    exhaustive: bool = False
    states: int = 0
    transitions: int = 0
    depth: int = 0
    bounds: str = ""
    violated: str = ""
    sentence: str = ""
    trace: tuple[Step, ...] = ()
    searcher: str = ""
    reductions: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)


def expected(result: Result, reason: str) -> Result:
    """`result`, for a row and scenario that arches.toml declares to fail, with the declared `reason`."""
    if result.verdict == "fail":
        return replace(result, verdict="xfail", reason=reason)
    if result.verdict == "pass":
        return replace(
            result, verdict="xpass", reason=f"declared to fail ({reason}), but passes: remove the declaration"
        )
    if result.verdict == "bounded":
        return replace(result, reason=f"declared to fail ({reason}), but no violation was found within the bounds")
    return result


def as_declared(result: Result) -> bool:
    """Is the verdict what arches.toml declares?  A bounded search counts: it found no violation."""
    return result.verdict in ("pass", "bounded", "xfail", "unsupported")
