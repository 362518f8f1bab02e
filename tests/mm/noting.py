"""The names of the operations of a program, in order."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from core.machine.op import Op


async def noting(program: Coroutine[Op, Any, Any], names: list[str]) -> Any:
    """Run `program` and append the name of each operation to `names` before it is done."""
    value = None
    while True:
        try:
            op = program.send(value)
        except StopIteration as stop:
            return stop.value
        names.append(op.name)
        value = await op
