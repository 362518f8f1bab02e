"""Programs drawn by Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from core.machine.op import Cell, Op, Outcome
from tests.explore.programs import read, write

CELLS = [Cell("c", n) for n in range(3)]

ACTIONS = st.tuples(st.sampled_from(["add", "write", "copy", "wait", "coin"]), st.integers(0, 2), st.integers(0, 2))


def program(actions: list[tuple[str, int, int]]) -> Any:
    async def run() -> None:
        for kind, one, two in actions:
            if kind == "copy":
                await write(CELLS[two], await read(CELLS[one]))
            elif kind == "coin":
                if await Op("coin", (), (CELLS[one],), lambda: [Outcome(0, (1,)), Outcome(1, (2,))]):
                    await write(CELLS[two], 0)
            elif kind == "wait":
                await Op("wait", (CELLS[one],), (), lambda v: [Outcome(None)] if v else [])
            else:
                await (
                    write(CELLS[one], two)
                    if kind == "write"
                    else Op("add", (CELLS[one],), (CELLS[one],), lambda v: [Outcome(None, ((v + 1) % 3,))])
                )

    return run
