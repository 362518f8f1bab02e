"""What is named on the command line and comes from outside the project: scenarios, workloads, rules.

Their code is foreign.  So it is never imported in the process that prints the report: a child loads each and discards
it (`Loading`), and says what the report needs, in words (`Described`); whoever uses it in another child loads it again.

Data types
    Described    something from outside as the rest of the project knows it
    Loading      a job that loads it
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from core.plugins.load import PluginError, Wanted

LOADING_TIMEOUT = 30.0
"""Seconds that importing it may take."""


@dataclass(frozen=True)
class Described:
    """What a reference names: the `digest` of the files it consists of, and what it may have read beside (`unseen`).

    `problem` says why it cannot be used, or is ''.
    """

    reference: str
    digest: str = ""
    problem: str = ""
    unseen: tuple[str, ...] = ()


OfKind = TypeVar("OfKind", bound=Described)


@dataclass(frozen=True)
class Loading:
    """A job that loads what `reference` names.  A subclass has `run`, whose type says what it is described by."""

    reference: str

    @property
    def guest(self) -> str:
        """The third party whose code is run."""
        return self.reference

    def run(self) -> Any:
        """Load it and discard it."""
        raise NotImplementedError

    def failed(self, reason: str) -> Any:
        """What raised, hung or killed its process as it was loaded."""
        raise NotImplementedError

    def wrong(self, answer: Any) -> str:
        """Why `answer` is not one of this job; '' if it may be."""
        return "" if answer.reference == self.reference else f"it is of {answer.reference}"

    def loaded(
        self, load: Callable[[str], Any], words: Callable[[Any], OfKind], of: Callable[[Any], object] = lambda _: None
    ) -> OfKind:
        """Call `load`; what `words` says of the result, with the digest of its files and of the classes of `of`."""
        from core.base.digest import digest  # hashing takes milliseconds to load
        from core.base.watch import watching

        before = frozenset(sys.modules)
        try:
            with watching() as seen:
                found = load(self.reference)
        except PluginError as error:
            failed: OfKind = self.failed(str(error))
            return failed
        return replace(words(found), digest=digest(of(found), before, seen), unseen=seen.words())


def one_line(reason: str) -> str:
    """A reason as one line."""
    return " ".join(reason.split())


def entry_points(of: Wanted) -> list[str]:
    """The names under which installed distributions offer what is wanted."""
    from importlib.metadata import entry_points as installed  # takes as long as the rest of this room

    return sorted(point.name for point in installed(group=of.group))


def described(job: Loading, of: Wanted) -> Any:
    """What `job` says of what FILE.py:NAME, MODULE:NAME or an entry point names; its code is run in a child only."""
    from core.run.isolate import isolated

    answer = isolated(job, LOADING_TIMEOUT)
    if answer.problem and not answer.problem.startswith(f"{of.what} "):
        return replace(answer, problem=f"{of.what} {job.reference}: loading it: {answer.problem}")
    return answer
