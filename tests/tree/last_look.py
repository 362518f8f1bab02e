"""Hands of a made-up thread of C, which know what its last look has found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from core.tree.vocabulary import Word


@dataclass
class LastLook:
    """What the last look has found."""

    found: int = 0
    following: Word | None = None

    def copy(self) -> Self:
        """Of a thread that goes on elsewhere."""
        return replace(self)

    def saved(self) -> int:
        """What belongs to the thread's state."""
        return self.found

    def restore(self, saved: int) -> None:
        """The state in which it was saved."""
        self.found = saved
