"""Mutants of instructions: an operand that is short, starts late, steps too far, or is of the last level or one CPU.

The mutants of core.conformance.mutate change what a flush is believed to do; these leave that alone and change what is
executed, which only large runs look at.  A mutant is one change of the operands of all instructions of one name.  It is
killed by a large run that fails on one of LAYOUTS.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

from core.conformance.large.judge import run_on
from core.conformance.large.layout import LargeLayout, LargeVma, PageRun
from core.conformance.large.scenarios import LARGE, LargeRun
from core.machine.insn import Operand
from core.machine.op import Op, doing
from core.mm.era import Era
from core.plugins.arch import Arch

CHANGES: dict[str, Callable[[Operand], Operand | None]] = {
    "none": lambda of: None,
    "one less": lambda of: None if of.nr == 1 else of._replace(nr=of.nr and of.nr - 1),
    "the first only": lambda of: of._replace(nr=of.nr and 1),
    "from the second": lambda of: of._replace(start=of.start + of.stride * of.size) if of.nr else of,
    "twice the stride": lambda of: of._replace(stride=2 * of.stride) if (of.nr or 1) > 1 else of,
    "of the last level": lambda of: of._replace(leaf=True),
    "of this CPU": lambda of: of._replace(everywhere=False),
}
"""What becomes of an operand; None is none at all.  A change that changes nothing is no mutant."""

LAYOUTS = (
    LargeLayout((LargeVma(0, (PageRun("anon", 1),)),), 2),
    LargeLayout((LargeVma(0, (PageRun("anon", 3),)),), 2),
    LargeLayout((LargeVma(5, (PageRun("anon", 40), PageRun("file-dirty", 2))),), 2, 1),
    LargeLayout((LargeVma(1, (PageRun("anon", 600),)),), 2),
    LargeLayout((LargeVma(0, (PageRun("anon", 1), PageRun("huge", 1), PageRun("anon", 1))),), 2),
    LargeLayout((LargeVma(0, (PageRun("huge", 2),)),), 2),
    LargeLayout((LargeVma(0, (PageRun("anon", 1), PageRun("empty", (1 << 21) - 2), PageRun("anon", 1))),), 2),
)
"""Few pages, more than most ceilings, more than a table, huge pages, and a range that only range instructions cross."""


class OperandMutant(NamedTuple):
    """`change` applied to every operand of the instructions called `name`."""

    change: str
    name: str

    def __str__(self) -> str:
        return f"{self.change}: {self.name}"


def mutants(arch: Arch, era: Era) -> list[OperandMutant]:
    """All changes that make a difference to some instruction of the unchanged runs, by name."""
    met: dict[str, set[Operand]] = {}
    for scenario, layout in _runs(arch):
        run_on(arch, era, _recording(scenario, met), layout)
    return [
        OperandMutant(change, name)
        for name in sorted(met)
        for change, make in CHANGES.items()
        if any(make(of) != of for of in met[name])
    ]


def killer(arch: Arch, era: Era, mutant: OperandMutant) -> str:
    """The first large run that fails with the mutant, '' if none does."""
    for scenario, layout in _runs(arch):
        if run_on(arch, era, _with(scenario, mutant), layout) is not None:
            return scenario.id
    return ""


def _runs(arch: Arch) -> Iterator[tuple[LargeRun, LargeLayout]]:
    for scenario in LARGE.values():
        if not scenario.lacking(arch):
            yield from ((scenario, layout) for layout in LAYOUTS if _suits(scenario, layout))


def _suits(scenario: LargeRun, layout: LargeLayout) -> bool:
    """Calls that take pages one by one have small ones alone, and as many as they can be asked for."""
    kinds = {piece.kind for area in layout.areas for piece in area.pieces}
    return scenario.id in ("large-munmap", "large-dontneed", "large-exit") or not kinds & {"huge", "empty"}


def _recording(scenario: LargeRun, met: dict[str, set[Operand]]) -> LargeRun:
    async def do(op: Op) -> Any:
        if op.event is not None and op.event[0] == "insn":
            met.setdefault(op.event[2], set()).update(op.event[4:])
        return await op

    return _watched(scenario, do)


def _with(scenario: LargeRun, mutant: OperandMutant) -> LargeRun:
    change = CHANGES[mutant.change]

    async def do(op: Op) -> Any:
        if op.event is None or op.event[0] != "insn" or op.event[2] != mutant.name or not op.event[4:]:
            return await op
        other = copy(op)
        kept = tuple(of for of in map(change, op.event[4:]) if of is not None)
        other.event = (*op.event[:4], *(kept or (Operand(0, 0),)))
        return await other

    return _watched(scenario, do)


def _watched(scenario: LargeRun, do: Callable[[Op], Coroutine[Op, Any, Any]]) -> LargeRun:
    program = scenario.call.program
    return replace(scenario, call=replace(scenario.call, program=lambda mm, machine: doing(program(mm, machine), do)))


ARGUED: dict[tuple[str, OperandMutant], str] = {
    (
        "arm64-range",
        OperandMutant("of the last level", "TLBI_VAE1IS"),
    ): "tables go in flushes of whole strides, which are an even number of pages: range instructions take all of them",
    (
        "x86-invlpgb",
        OperandMutant("of the last level", "INVLPGB_ALL_NONGLOBALS"),
    ): "executed by reclaim alone, which frees no table",
    ("s390", OperandMutant("from the second", "IDTE")): "the next page lies in the same huge page, which goes with it",
    ("s390", OperandMutant("of the last level", "IPTE")): "of one entry; a table goes behind an IDTE of the whole mm",
}
"""By row and mutant: why nobody can reach what the changed instruction leaves."""
