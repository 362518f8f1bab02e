"""How one architecture fared in one scenario."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.explore.model import Step

VERDICTS = ("pass", "bounded", "fail", "xfail", "xpass", "unsupported", "error")
"""pass: no violation in any reachable state. bounded: none within the named bounds. fail: a violation, with its
trace. xfail, xpass: declared in arches.toml to fail, and it did, or it is proved not to. unsupported: the architecture
lacks a capability the scenario needs. error: the plugin raised, hung or answered nonsense."""


@dataclass(frozen=True, slots=True)
class Result:
    """One cell of the table. `trace` is a shortest counterexample; `bounds` says which limit was hit."""

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


def expected(result: Result, reason: str) -> Result:
    """The same result for a cell that arches.toml declares to fail, for `reason`."""
    if result.verdict == "fail":
        return replace(result, verdict="xfail", reason=reason)
    if result.verdict == "pass":
        return replace(result, verdict="xpass", reason=f"declared to fail ({reason}), but did not")
    if result.verdict == "bounded":
        return replace(result, reason=f"declared to fail ({reason}), which was not seen within the bounds")
    return result


def as_declared(result: Result) -> bool:
    """Is this what arches.toml declares? A bounded search found nothing wrong, which is all it can say."""
    return result.verdict in ("pass", "bounded", "xfail", "unsupported")
