"""Policies that remember something where the explorer cannot see it, so that it would judge them by an accident."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from arch_plugins.generic import Smp, flush_by_ipi
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest
from core.mm.mm import Mm

CALLS = itertools.count()
LONG = 1_000_000
"""Flushes after which a policy forgets to flush: no replay of a history gets that far."""


class CountsInAModule(Smp):
    """Flushes are skipped from some time on, by a C iterator of the module."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if next(CALLS) < LONG:
            await flush_by_ipi(mm, FlushRequest(start, end))


class CountsOnTheClass(Smp):
    """The same, as a class attribute."""

    calls = itertools.count()

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if next(self.calls) < LONG:
            await flush_by_ipi(mm, FlushRequest(start, end))


class CountsOnItself(Smp):
    """The same, of the instance."""

    def __init__(self) -> None:
        self.calls = itertools.count()

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if next(self.calls) < LONG:
            await flush_by_ipi(mm, FlushRequest(start, end))


def _counter() -> Iterator[int]:
    return itertools.count()


def _closing_over(counter: Iterator[int]) -> type:
    class Counts(Smp):
        """The same, in a closure."""

        @hookimpl
        async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
            if next(counter) < LONG:
                await flush_by_ipi(mm, FlushRequest(start, end))

    return Counts


CountsInAClosure = _closing_over(_counter())


class Chains(Smp):
    """itertools.chain on the class."""

    turns = itertools.chain((True for _ in range(LONG)), itertools.repeat(False))

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if next(self.turns):
            await flush_by_ipi(mm, FlushRequest(start, end))


class Generates(Smp):
    """A generator on the class."""

    turns = (n < LONG for n in range(1 << 40))

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if next(self.turns):
            await flush_by_ipi(mm, FlushRequest(start, end))


class Dices(Smp):
    """A random number generator of its own."""

    dice = random.Random(0)

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if self.dice.random() < 0.999999:
            await flush_by_ipi(mm, FlushRequest(start, end))


class Remembers:
    """Something with state of its own."""

    def __init__(self) -> None:
        self.calls = 0


class CountsInAnObject(Smp):
    """A number in an object that the class has."""

    memory = Remembers()

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        self.memory.calls += 1
        if self.memory.calls < LONG:
            await flush_by_ipi(mm, FlushRequest(start, end))


class CountsOnAFunction(Smp):
    """A number kept as an attribute of a function."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        calls = _counter.__dict__["calls"] = _counter.__dict__.get("calls", 0) + 1
        if calls < LONG:
            await flush_by_ipi(mm, FlushRequest(start, end))


class CountsInADefault(Smp):
    """A number in a default value."""

    def count(self, calls: list[int] = [0]) -> int:  # noqa: B006 - that is the mistake
        calls[0] += 1
        return calls[0]

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if self.count() < LONG:
            await flush_by_ipi(mm, FlushRequest(start, end))


class CountsInLocals(Smp):
    """Right: a counter of one call, whose iterator is itertools' too."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        calls = itertools.count(start)
        if next(calls) == start:
            await flush_by_ipi(mm, FlushRequest(start, end))
