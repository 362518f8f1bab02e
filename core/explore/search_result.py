"""What a search found, whichever searcher it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from core.explore.model import Limits, Model


class Choice(NamedTuple):
    """Threads are numbered first, then daemons; `outcome` counts the outcomes of the operation."""

    agent: int
    outcome: int


@dataclass(slots=True)
class SearchResult:
    """`find_path()` is the way to the violation, from the start."""

    violated: str = ""
    sentence: str = ""
    find_path: Callable[[], list[Choice]] = list
    states: int = 0
    transitions: int = 0
    depth: int = 0
    exhaustive: bool = True
    bounds: str = ""
    interrupted: bool = False
    reached: set[str] = field(default_factory=set)

    def bound(self, what: str, frontier: int) -> bool:
        """Note that the search ends early, and why. Always True: it is over."""
        self.exhaustive = False
        self.bounds = f"{what}; depth {self.depth} completed, {frontier} states on the frontier"
        return True

    def interrupt(self, frontier: int) -> None:
        """Note that somebody pressed Ctrl-C."""
        self.interrupted = True
        self.bound("interrupted", frontier)


SENTENCES = {
    "deadlock": "Some thread has not ended, and none can take a step.",
    "assertion": "An assertion in a program failed.",
}


def first_violation(found: SearchResult, model: Model, name: str, sentence: str, stop: bool) -> None:
    """Note the name and the sentence of the first violation; an assertion in a step is 'assertion: message'."""
    assertion, _, message = name.partition(": ")
    found.violated = name = assertion if assertion == "assertion" else name
    found.sentence = sentence or model.sentences.get(name, "") or message or SENTENCES.get(name, "")
    if stop:
        found.exhaustive = False
        found.bounds = "stopped at the violation"


def deadline(limits: Limits, started: float | None) -> float | None:
    """When a search has to end that began at `started` (by time.monotonic(); None is now); None for never."""
    if limits.timeout is None:
        return None
    return (time.monotonic() if started is None else started) + limits.timeout
