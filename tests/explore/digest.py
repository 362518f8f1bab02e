"""Prints what is learned of programs that use much of Python, as one line: equal on every supported interpreter.

python -m tests.explore.digest
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

from benchmarks.ladder import POLICIES, Size, ladder
from core.explore.model import Limits, Model
from core.explore.reference import Search
from core.explore.transition_tables import TransitionTables
from core.machine.op import Op, Outcome
from tests.explore.programs import X, Y, add, drop, model, read, take, write


class Colour(Enum):
    """An atom."""

    RED = 1
    GREEN = 2


@dataclass
class Bag:
    """Mutable, and shared between frames."""

    items: list[int] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)


def coin(*sides: Any) -> Op:
    """Any of `sides`."""
    return Op("coin", (), (), lambda: [Outcome(side) for side in sides])


async def loops() -> None:
    """Iterators, enumerate, zip, reversed, nested loops, a half-evaluated expression."""
    for number, _colour in enumerate(Colour):
        for left, right in zip(range(2), reversed(range(2)), strict=True):
            await write(X, number + left * right + await coin(0, 1))
    total = 1 + await read(X) * (2 + await read(Y))
    await write(Y, (total + len([colour.name for colour in Colour])) % 3)


async def structures() -> None:
    """Mutable values with aliases, closures, defaults, partial, sets, a comprehension."""
    bag = Bag()
    other = bag
    limit = await coin(1, 2)

    async def fill(value: int, into: Bag = bag) -> None:
        while len(into.items) < limit:
            into.items.append(value)
            into.seen[f"v{value}"] = {value, limit}
            await add_modulo(X)

    await fill(await coin(0, 1))
    twice = partial(pow, 2)
    await write(Y, twice(len(other.items)) % 3)
    await write(X, sum([value + 1 for value in other.items]) % 3)


async def guarded() -> None:
    """try, finally, with, match, a generator kept across awaits, a walrus, and a nested await."""

    def numbers() -> Iterator[int]:
        yield from (0, 1)

    given = numbers()
    try:
        await take(X)
        match await coin("a", ("b", 1)):
            case "a":
                await write(Y, next(given))
            case (_, count):
                await write(Y, count)
        if (seen := await nested(2)) is not None:
            raise KeyError(seen)
    except KeyError as error:
        await write(Y, len(error.args))
    finally:
        await drop(X)


async def nested(depth: int) -> int | None:
    """Awaits itself."""
    return await nested(depth - 1) if depth else await coin(None, 1)


def add_modulo(cell: Any) -> Op:
    """Counts to three."""
    return Op("count", (cell,), (cell,), lambda v: [Outcome(None, ((int(v) + 1) % 3,))])


def models() -> Iterator[Model]:
    """What is learned."""
    yield model(loops, increments)
    yield model(structures, increments)
    yield model(guarded, guarded)
    for policy in POLICIES:
        yield ladder(policy, Size(1, 2, 1, 1))


async def increments() -> None:
    """Somebody else."""
    await add(Y)


def automata(one: Model) -> str:
    """The automata of a model, with every known answer, as text without addresses."""
    tables = TransitionTables(one)
    Search(tables, Limits(), False).run()
    lines = []
    for thread, rows in zip(one.threads, tables.rows, strict=True):
        for local, row in enumerate(rows):
            what = "ended" if row is None else f"{row.op.name} {row.reads} {row.writes} {list(row.moves.items())}"
            lines.append(f"{thread.name} {local} {what}")
    return "\n".join([*lines, repr(list(map(str, tables.cells))), repr(tables.values)])


def main() -> None:
    """Print one line."""
    texts = [automata(one) for one in models()]
    counts = ",".join(str(len(text.splitlines())) for text in texts)
    print(counts, hashlib.sha256("\n\n".join(texts).encode()).hexdigest())


if __name__ == "__main__":
    main()
