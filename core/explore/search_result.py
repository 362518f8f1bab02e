"""What a search found, by either searcher."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from core.explore.model import Limits, Model


class Choice(NamedTuple):
    """One step: the number of the agent (threads first, then daemons) and of the operation's outcome."""

    agent: int
    outcome: int


@dataclass(slots=True)
class SearchResult:
    """The state of a search, as in Verdict; `find_path()` computes the path from the initial state to the violation."""

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
        """Note which limit ended the search and how many states are on the frontier. Returns True: it is over."""
        self.exhaustive = False
        self.bounds = f"{what}; depth {self.depth} completed, {frontier} states on the frontier"
        return True

    def interrupt(self, frontier: int) -> None:
        """Note that the search was interrupted (Ctrl-C)."""
        self.interrupted = True
        self.bound("interrupted", frontier)


SENTENCES = {
    "deadlock": "Some thread has not ended, and none can take a step.",
    "livelock": "From here on the threads never all end, whoever goes on: they wait for what cannot happen any more.",
    "assertion": "An assertion in a program failed.",
}


def first_violation(found: SearchResult, model: Model, name: str, sentence: str, stop: bool) -> None:
    """Record the first violation. An assertion that failed in a step is named 'assertion: message'."""
    assertion, _, message = name.partition(": ")
    found.violated = name = assertion if assertion == "assertion" else name
    found.sentence = sentence or model.sentences.get(name, "") or message or SENTENCES.get(name, "")
    if stop:
        found.exhaustive = False
        found.bounds = "stopped at the violation"


def deadline(limits: Limits, started: float | None) -> float | None:
    """The time.monotonic() at which a search that began at `started` (None: now) must end; None for no limit."""
    if limits.timeout is None:
        return None
    return (time.monotonic() if started is None else started) + limits.timeout
