"""The automaton of a thread: learned states, projected on the words of the model, minimised.

A learned automaton has a state for each snapshot of the thread.  What it asks for in a state is a word.  The projection
leaves out states with a hidden word: whatever its answer, the thread must then go on to the same visible state, or the
hidden word decides something, which is an error.  Two states are one if they ask for the same word, from the same line,
and go on alike after every answer (partition refinement).

What remains is rows: a word, the next row by its answer, and the line of the C.  They are few (6 to 200), and all that
the explorer needs: a coroutine with one integer walks them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.tree.errors import TreeError
from core.tree.vocabulary import Word


@dataclass
class LearnedState:
    """A learned state: what is asked for, where, and the next state by answer. `word` is None at the end."""

    word: Word | None
    site: int
    hidden: bool
    result: int = 0
    next: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AutomatonRow:
    """A minimised state. `word` is None at the end of the thread, which returns `result`."""

    __shootdown_entity__ = True

    word: Word | None
    line: str
    next: dict[int, int]
    result: int = 0


@dataclass(frozen=True, eq=False)
class CAutomaton:
    """A thread's automaton. `learned` states became its rows; `reached` are the lines of C that it makes requests
    from, and `hidden` the words that were left out.
    """

    __shootdown_entity__ = True

    rows: tuple[AutomatonRow, ...]
    learned: int = 0
    reached: tuple[int, ...] = ()
    hidden: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """As lists and dictionaries that `from_data` reads."""
        rows = [[row.word, row.line, sorted(row.next.items()), row.result] for row in self.rows]
        return {"rows": rows, "learned": self.learned, "reached": self.reached, "hidden": self.hidden}

    def to_json(self) -> str:
        """As text that `from_json` reads."""
        return json.dumps(self.to_data(), separators=(",", ":"))


def from_json(text: str) -> CAutomaton:
    """The automaton that `CAutomaton.to_json` wrote."""
    return from_data(json.loads(text))


def from_data(data: dict[str, Any]) -> CAutomaton:
    """The automaton that `CAutomaton.to_data` made."""
    rows = tuple(
        AutomatonRow(None if word is None else Word(*word), line, dict(following), result)
        for word, line, following, result in data["rows"]
    )
    return CAutomaton(rows, data["learned"], tuple(data["reached"]), tuple(data["hidden"]))


def automaton_of(states: Sequence[LearnedState], line: Callable[[int], str]) -> CAutomaton:
    """Project and minimise learned states, of which the first is the start; `line` names the place of a site.

    TreeError if a hidden word decides what is done next, or is asked for without end.
    """
    lines = [line(state.site) if state.word else "" for state in states]
    visible = _behind_hidden(states, lines)
    starts = {0: visible[0]}
    kept = sorted({one for group in visible.values() for one in group})
    classes = _minimised(states, lines, visible, kept)
    _one_way(states, lines, visible, classes)
    order: dict[int, int] = {}
    rows: list[AutomatonRow] = []
    todo = [next(iter(starts[0]))]
    order[classes[todo[0]]] = 0
    while todo:
        state = states[todo.pop(0)]
        following = {}
        for answer, to in state.next.items():
            target = min(visible[to])
            if classes[target] not in order:
                order[classes[target]] = len(order)
                todo.append(target)
            following[answer] = order[classes[target]]
        rows.append(AutomatonRow(state.word, line(state.site) if state.word else "", following, state.result))
    reached = tuple(sorted({state.site for state in states if state.word}))
    left_out = sorted({f"{state.word} at {at}" for state, at in zip(states, lines, strict=True) if state.hidden})
    return CAutomaton(tuple(rows), len(states), reached, tuple(left_out))


def _behind_hidden(states: Sequence[LearnedState], lines: Sequence[str]) -> dict[int, frozenset[int]]:
    """For each state the visible states that follow: itself, or those behind hidden words."""
    found: dict[int, frozenset[int]] = {}
    for start in range(len(states)):
        todo, met, ends = [start], {start}, set()
        while todo:
            at = todo.pop()
            if not states[at].hidden:
                ends.add(at)
                continue
            for to in states[at].next.values():
                if to not in met:
                    met.add(to)
                    todo.append(to)
        if not ends:
            raise TreeError(f"{lines[start]}: waits in a loop for which no answer is an end: {states[start].word}")
        found[start] = frozenset(ends)
    return found


def _minimised(
    states: Sequence[LearnedState], lines: Sequence[str], visible: dict[int, frozenset[int]], kept: Sequence[int]
) -> dict[int, int]:
    """The class of each visible state.

    A class is divided by the classes to which its states go on.  One part keeps the number, and a state is looked at
    again only if one to which it goes on is in a new class (Hopcroft): most are looked at a few times.
    """
    edges = {at: [visible[to] for _, to in sorted(states[at].next.items())] for at in kept}
    before: dict[int, list[int]] = {at: [] for at in kept}
    for at, following in edges.items():
        for to in {one for ends in following for one in ends}:
            before[to].append(at)
    classes = _numbered(
        {at: (states[at].word, lines[at], states[at].result, tuple(sorted(states[at].next))) for at in kept}
    )
    sizes = Counter(classes.values())
    again: Collection[int] = kept
    while again:
        moved = _divided(again, edges, classes, sizes)
        again = dict.fromkeys(one for at in moved for one in before[at])
    return classes


def _divided(
    looked_at: Iterable[int],
    edges: dict[int, list[frozenset[int]]],
    classes: dict[int, int],
    sizes: Counter[int],
) -> list[int]:
    """Divide the classes of some states; those that are in a new class.

    The other states of a class go on to what they did before, all to the same: they are one part, which keeps the
    number.  If there is none, the largest does.
    """
    parts: dict[int, dict[Hashable, list[int]]] = {}
    for at in looked_at:
        follows = tuple([frozenset([classes[one] for one in ends]) for ends in edges[at]])
        parts.setdefault(classes[at], {}).setdefault(follows, []).append(at)
    moved = []
    for number, of_class in parts.items():
        found = sorted(of_class.values(), key=len)
        if sum(map(len, found)) == sizes[number]:
            found.pop()
        for part in found:
            new = len(sizes)
            sizes[new] = len(part)
            sizes[number] -= len(part)
            classes.update(dict.fromkeys(part, new))
            moved += part
    return moved


def _numbered(keys: dict[int, Hashable]) -> dict[int, int]:
    numbers: dict[Hashable, int] = {}
    return {at: numbers.setdefault(key, len(numbers)) for at, key in keys.items()}


def _one_way(
    states: Sequence[LearnedState], lines: Sequence[str], visible: dict[int, frozenset[int]], classes: dict[int, int]
) -> None:
    """TreeError if what follows a state is not one class: then a hidden word decides."""
    for at, ends in visible.items():
        if len({classes[end] for end in ends}) > 1:
            raise TreeError(
                f"{lines[at]}: the hidden word {states[at].word} decides what is done next; give it a meaning"
            )
