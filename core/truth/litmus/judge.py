"""A test on a machine, and whether the machine agrees with what is published.

*Too strong* is the dangerous kind: the source allows the outcome, or a real machine showed it, and the machine does not
reach it; a proof on it could be wrong.  *Too weak* leads to false alarms.  Where the source lists all outcomes, the
sets are compared, since conditions hide most missing behaviours.

A test of the kernel's model says what every architecture has to keep: a machine that reaches less agrees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.memory_model.machine import Final
from core.memory_model.search import LIMIT, Found, explore
from core.memory_model.values import NotExpressible, describe
from core.truth.litmus.condition import holds, value_of
from core.truth.litmus.machines import machine_of
from core.truth.litmus.tests import LitmusTest

AGREE, TOO_STRONG, TOO_WEAK, NOT_EXPRESSIBLE = "agree", "too strong", "too weak", "not expressible"
RESULTS = (AGREE, TOO_STRONG, TOO_WEAK, NOT_EXPRESSIBLE)
SEEN = "seen"


@dataclass(frozen=True)
class Judgement:
    """What came of one test with one extension ('' none).

    `result` is one of RESULTS, or '' if nothing is published.  `apart` says why the test is not counted with the others
    ('' it is).  `reached` says whether the condition was, `same_set` whether the outcome sets are equal (None: no set
    is published)."""

    test: LitmusTest
    extension: str
    result: str
    detail: str
    apart: str = ""
    reached: bool | None = None
    same_set: bool | None = None
    states: int = 0


def judge(test: LitmusTest, architecture: str, extensions: tuple[str, ...], limit: int = LIMIT) -> Iterator[Judgement]:
    """`test` on the machine of `architecture`, once for each of `extensions` that has a verdict."""
    for extension in extensions:
        if extension in test.expected or (extension == "" and not any(x in test.expected for x in extensions)):
            yield _judge(test, architecture, extension, limit)


def _judge(test: LitmusTest, architecture: str, extension: str, limit: int) -> Judgement:
    try:
        found = explore(machine_of(test, architecture, extension), limit)
    except NotExpressible as reason:
        return Judgement(test, extension, NOT_EXPRESSIBLE, str(reason))
    if not found.exhaustive:
        return Judgement(test, extension, NOT_EXPRESSIBLE, f"more than {limit} states", states=found.states)
    finals = [x for x in found.finals if test.filter is None or holds(test.filter, x)]
    result, detail = _verdict(test, extension, finals)
    if not found.finals and test.expected.get(extension, "deadlock") != "deadlock":
        result, detail = TOO_STRONG, "no execution completes"
    missing, extra = _against_outcomes(test, finals) if extension == "" else ((), ())
    same = None if test.outcomes is None or extension else not missing and not extra
    if test.notation == "kernel":
        missing = ()
    if missing:
        result, detail = TOO_STRONG, f"outcomes missing: {_shown(missing)}"
    elif extra and result != TOO_STRONG:
        result, detail = TOO_WEAK, f"outcomes that the source does not allow: {_shown(extra)}"
    return Judgement(
        test,
        extension,
        result,
        detail,
        _apart(test, result),
        any(holds(test.condition, x) for x in finals),
        same,
        found.states,
    )


def _verdict(test: LitmusTest, extension: str, finals: list[Final]) -> tuple[str, str]:
    """Whether the condition is reached as published, and else what is wrong."""
    expected = test.expected.get(extension, "allowed" if test.evidence == SEEN else "")
    reached = any(holds(test.condition, x) for x in finals)
    if test.flag is not None and any(x.unbroken for x in finals) != test.flag:
        return (TOO_STRONG if test.flag else TOO_WEAK), "break-before-make: " + (
            "a violation that is not noticed" if test.flag else "noticed where there is none"
        )
    if expected == "allowed" and not reached and test.notation != "kernel":
        shape = f" (shape {test.raw['shape']})" if test.raw.get("shape") else ""
        shown = "a machine showed it" if extension not in test.expected else "allowed, but not reached"
        return TOO_STRONG, shown + shape
    if expected == "forbidden" and reached:
        return TOO_WEAK, "forbidden, but reached"
    if expected == "required" and not all(holds(test.condition, x) for x in finals):
        return TOO_WEAK, "every execution has it, but not here"
    if expected == "deadlock" and finals:
        return TOO_WEAK, "no execution completes, but one does here"
    return (AGREE if expected else ""), ""


def _apart(test: LitmusTest, result: str) -> str:
    """Why a test is not counted with the others; one that disagrees always is."""
    if result in (TOO_STRONG, TOO_WEAK) and "race" not in test.features:
        return ""
    if "race" in test.features:
        return "with a data race"
    if not result:
        return "without a verdict"
    return "that say nothing (vacuous)" if test.vacuous else ""


Rows = tuple[tuple[str, ...], ...]


def _against_outcomes(test: LitmusTest, finals: list[Final]) -> tuple[Rows, Rows]:
    """The published outcomes that were not reached, and those reached that are not published."""
    if test.outcomes is None:
        return (), ()
    reached = {tuple(value_of(place, x) for place in test.outcomes.places) for x in finals}
    missing = test.outcomes.rows - reached
    extra = reached - test.outcomes.rows
    return tuple(sorted(tuple(map(describe, x)) for x in missing)), tuple(
        sorted(tuple(map(describe, x)) for x in extra)
    )


def _shown(rows: Rows) -> str:
    return f"{', '.join(rows[0])}" + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")


__all__ = ["RESULTS", "Found", "Judgement", "judge"]
