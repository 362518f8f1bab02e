"""What is known of a unit's C by the automata that were learned: what was left out, and what was never reached."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from core.tree.automaton import from_json
from core.tree.hybrid import FromC
from core.tree.row import Built
from core.tree.shipped import all_kept, tables
from core.tree.sites import all_sites, lines_of

OPERANDS = re.compile(r" 0x[0-9a-f]+")
"""Of a word, and addresses that no place has a name for."""


class LearnedOfC(NamedTuple):
    """The functions that were run, the `hidden` words with their lines, and the sites `reached` (core.tree.sites)."""

    functions: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    reached: frozenset[int] = frozenset()

    def joined(self, other: LearnedOfC) -> LearnedOfC:
        """Both together."""
        return LearnedOfC(*(mine | its for mine, its in zip(self, other, strict=True)))  # type: ignore[arg-type]


def forget_learned(plugin: object) -> None:
    """Of an architecture whose hooks are C, forget what has been run: another scenario begins."""
    if isinstance(plugin, FromC):
        plugin.automata.forget()


def learned_of(plugin: object) -> LearnedOfC:
    """Of an architecture whose hooks are C, what its programs have run since `forget_learned`; nothing of any other."""
    known = plugin.automata.known() if isinstance(plugin, FromC) else {}
    hidden = frozenset(OPERANDS.sub("", word) for one in known.values() for word in one.hidden)
    reached = frozenset(site for one in known.values() for site in one.reached)
    return LearnedOfC(frozenset(known), hidden, reached)


def hidden_words(built: Built, own: Path) -> list[str]:
    """The hidden words of all automata of a unit that have been learned and kept, also in the cache `own`."""
    if not built.learns:
        return sorted(
            {OPERANDS.sub("", word) for one in tables(built.unit.directory).values() for word in one["hidden"]}
        )
    found: set[str] = set()
    for path in all_kept(built.unit, built.reference, own):
        found.update(OPERANDS.sub("", word) for word in from_json(path.read_text(encoding="utf-8")).hidden)
    return sorted(found)


def unreached(built: Built, learned: LearnedOfC) -> list[str]:
    """The lines of a unit with requests that no function has reached; of tables they are not known."""
    if not built.learns:
        return []
    lines = lines_of(built.unit.library, all_sites(built.unit.library))
    reached = {lines[site] for site in learned.reached if site in lines}
    return sorted({line for line in lines.values() if line.partition("/")[2]} - reached)


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
