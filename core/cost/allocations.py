"""The allocations of one zap: how many were made, and which of them fail."""

from __future__ import annotations

from collections.abc import Collection


class Allocations:
    """Counts allocations. Those whose ordinals (from 1) are in `failing` fail."""

    def __init__(self, failing: Collection[int]) -> None:
        self.failing = frozenset(failing)
        self.asked = 0

    def ask(self) -> bool:
        """Make one allocation; True if it succeeds."""
        self.asked += 1
        return self.asked not in self.failing

    def granted(self) -> int | None:
        """How many more allocations succeed before one fails; None if none will fail."""
        if not self.failing:
            return None
        following = [n for n in self.failing if n > self.asked]
        return min(following) - 1 - self.asked if following else None

    def failed_since(self, asked: int) -> bool:
        """Has an allocation failed since `asked` of them had been made?"""
        return any(asked < n <= self.asked for n in self.failing)
