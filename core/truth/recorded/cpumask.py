"""Which CPUs are in mm_cpumask, as far as a recording tells.

A CPU enters the mask when it switches to the mm (arch/x86/mm/tlb.c:switch_mm_irqs_off()), which a recording shows by
the faults and calls there.  It leaves when a flush finds that it runs something else: flush_tlb_func() answers
'wrong'.  Not recorded is who sleeps: a thread that waits for mmap_lock runs when the lock is dropped (rwsem_wake()),
finds it taken again and goes on waiting, but its CPU is in the mask.

So some CPUs are in the mask for certain and others perhaps.  A flush traces I exactly if another CPU is in the mask.
That decides about the uncertain CPUs.  Where it contradicts the certain ones, the recording prevails.

Data types
    Cpumask     the CPUs that are in the mask, and those that may be
    Asked       which flushes of an operation find another CPU in the mask
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

UNNAMED = -1
"""A CPU that must be in the mask, since a flush was sent, but that no event and no answer names."""


class Asked(NamedTuple):
    """`flushes` are the numbers of those that find another CPU; `certain` of them do so without the recording's help.

    From `least` to `most` CPUs answer. `perhaps`: for some flushes it takes an uncertain CPU in the mask.
    """

    flushes: tuple[int, ...]
    certain: int
    least: int
    most: int
    perhaps: bool


@dataclass
class Cpumask:
    """`cpus` are in it for certain, `maybe` perhaps."""

    cpus: set[int] = field(default_factory=set)
    maybe: set[int] = field(default_factory=set)

    def ran(self, cpu: int) -> None:
        """The program did something there."""
        self.cpus.add(cpu)
        self.maybe.discard(cpu)

    def woken(self, cpu: int) -> None:
        """A thread of the program may have run there."""
        if cpu not in self.cpus:
            self.maybe.add(cpu)

    def answered(self, answers: Iterable[tuple[int, str]]) -> None:
        """CPUs have answered a flush: they were in the mask, and those that run something else have left it.

        A lazy CPU stays until it is asked again.
        """
        for cpu, answer in answers:
            self.cpus.discard(UNNAMED)
            self.maybe.discard(cpu)
            if answer == "wrong":
                self.cpus.discard(cpu)
            else:
                self.cpus.add(cpu)

    def ask(
        self, cpu: int, frees_tables: Sequence[bool], recorded: int, here: Collection[int], threads: Collection[int]
    ) -> Asked:
        """Flushes from `cpu`, of freed tables or not: a flush of freed tables asks all, another only `threads`.

        `recorded` is how many did ask, `here` are CPUs on which the program was the last to do something, `threads`
        those of them that another thread than the one that flushes has used last.
        """
        left, hopes = self.cpus - {cpu}, self.maybe - {cpu}
        found: list[int] = []
        hoped: list[int] = []
        least = most = 0
        for number, frees in enumerate(frees_tables):
            if left:
                found.append(number)
            elif hopes:
                hoped.append(number)
            asked = left | hopes
            most += len(asked if frees else asked & set(threads))
            if frees:
                least += len(left)
                left, hopes = left & set(here), hopes & set(here)
        more = min(max(recorded - len(found), 0), len(hoped))
        return Asked(tuple(sorted(found + hoped[:more])), len(found), least, most, bool(hoped))

    def others(self, cpu: int, asked: Asked, answers: Iterable[tuple[int, str]]) -> int:
        """How many CPUs besides `cpu` are in the mask during an operation, as far as the recording tells."""
        known = self.cpus | (self.maybe if len(asked.flushes) > asked.certain else set())
        named = {answered for answered, _ in answers} - known - {cpu}
        return len(known - {cpu}) + max(len(named) - (UNNAMED in known), 0)

    def correct(self, cpu: int, asked: Asked, recorded: int, alone: int, answers: Sequence[tuple[int, str]]) -> None:
        """What the flushes of an operation say about the mask: `recorded` asked others, `alone` found none to ask."""
        if alone and recorded < asked.certain:
            self.cpus = {cpu}
        if alone and asked.perhaps and recorded <= asked.certain:
            self.maybe = set()
        elif recorded > asked.certain and asked.perhaps:
            self.cpus |= self.maybe
            self.maybe = set()
        elif recorded and not self.cpus - {cpu} and not answers:
            self.cpus.add(UNNAMED)
        self.answered(answers)
