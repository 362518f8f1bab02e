"""Steps from recorded tables, as the page takes them: it knows nothing of programs, operations or cells' meaning."""

from __future__ import annotations

from collections import deque
from typing import Any

State = tuple[int, ...]
Move = list[Any]


class Engine:
    """A state is the local states of the threads, then the value of every cell, all as numbers."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.threads = len(data["asserts"])
        self.start: State = (0,) * (self.threads + len(data["cells"]))
        self.known = [
            [None if row is None else {tuple(m[0]): m[1:] for m in row[2]} for row in rows] for rows in data["rows"]
        ]

    def moves(self, state: State, agent: int) -> list[Move]:
        """The moves of an agent, which are known for every state that can be reached."""
        local = state[agent] if agent < self.threads else 0
        known = self.known[agent][local]
        if known is None:
            return []
        reads = self.data["rows"][agent][local][1]
        return known[tuple(state[self.threads + cell] for cell in reads)]

    def after(self, state: State, agent: int, move: Move) -> State:
        """The state behind a move."""
        new = list(state)
        if agent < self.threads:
            new[agent] = move[0]
        for cell, value in zip(move[1][::2], move[1][1::2], strict=True):
            new[self.threads + cell] = value
        return tuple(new)

    def violates_by_step(self, move: Move) -> str:
        """The property that the move itself violates, or ''."""
        return self.data["strings"][move[3]] if len(move) > 3 else ""

    def violates(self, state: State) -> str:
        """The first property that does not hold in a state, or ''."""
        ended = all(self.known[agent][state[agent]] is None for agent in range(self.threads))
        for prop in self.data["properties"]:
            if prop["kind"] == "always" or (prop["kind"] == "at the end" and ended):
                values = [state[self.threads + cell] for cell in prop["reads"]]
                if values in prop["false_on"]:
                    return str(prop["name"])
        return ""

    def explore(self) -> tuple[int, int]:
        """The numbers of states and of steps, breadth first."""
        seen, todo, edges = {self.start}, deque([self.start]), 0
        while todo:
            state = todo.popleft()
            for agent in range(len(self.known)):
                behind = [self.after(state, agent, move) for move in self.moves(state, agent)]
                edges += len(behind)
                new = set(behind) - seen
                todo.extend(new)
                seen |= new
        return len(seen), edges
