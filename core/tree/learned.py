"""What is known of a unit's C by the automata that were learned: what was left out, and what was never reached."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from core.tree.automata import digest_of
from core.tree.automaton import CAutomaton, from_json
from core.tree.row import Built
from core.tree.sites import all_sites, lines_of

OPERANDS = re.compile(r" 0x[0-9a-f]+")
"""Of a word, and addresses that no place has a name for."""


class LearnedOfC(NamedTuple):
    """Of the functions that were learned: their number, the `hidden` words with their lines, and the lines of the unit
    with requests that none of them reaches.
    """

    functions: int
    hidden: tuple[str, ...]
    unreached: tuple[str, ...]


def learned(built: Built) -> LearnedOfC:
    """What the automata say that are kept beside a unit."""
    automata = list(_kept(built))
    lines = lines_of(built.unit.library, all_sites(built.unit.library))
    reached = {lines[site] for one in automata for site in one.reached if site in lines}
    left = {line for line in lines.values() if line.partition("/")[2]} - reached
    hidden = {OPERANDS.sub("", word) for one in automata for word in one.hidden}
    return LearnedOfC(len(automata), tuple(sorted(hidden)), tuple(left))


def _kept(built: Built) -> Iterator[CAutomaton]:
    for file in sorted(built.unit.directory.glob(f"automata-{digest_of(built.reference)}/*.json")):
        yield from_json(file.read_text(encoding="utf-8"))


def by_file(lines: Iterable[str]) -> list[str]:
    """'mm/mmu_gather.c: 23, 40-42' of lines 'mm/mmu_gather.c:23': neighbours are one range."""
    numbered = sorted((path, int(number)) for path, _, number in (line.rpartition(":") for line in lines))
    return [
        f"{path}: {', '.join(_ranges([number for _, number in group]))}"
        for path, group in groupby(numbered, lambda one: one[0])
    ]


def _ranges(numbers: list[int]) -> Iterator[str]:
    for _, group in groupby(enumerate(numbers), lambda one: one[1] - one[0]):
        found = [number for _, number in group]
        yield str(found[0]) if len(found) == 1 else f"{found[0]}-{found[-1]}"
