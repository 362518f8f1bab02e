"""Stale entries that CPUs may still have: the only part of a TLB that matters to a policy.

Every CPU of the mm has cached every entry by the time it is changed, and keeps it until it is flushed.  An entry that
is still set may be cached again at any time, so a flush before the change does not count.  A TLB of any size is
therefore represented by the stale entries alone, whose number the gather bounds.

It is kept twice: as the operations of the policy leave the cells (*believed*), and as the instructions do that it
reports (*emitted*, core.machine.insn).

Data types
    Item        a stale entry: `key` is its first page, or the `UpperOf` a table's first page
    Held        a CPU that still has one
    Stale       the items of every CPU
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from core.machine.insn import Operand
from core.machine.op import Cpu
from core.machine.tlb import Entry, Upper

NEAR = 64
"""Pages that are looked for together."""

WIDE = NEAR * NEAR
"""Pages of an item that is always looked at: the upper entries of whole regions, which are few."""


def _near(first: int, pages: int) -> range:
    """The numbers of the NEAR pages in which these are."""
    return range(first // NEAR, (first + pages - 1) // NEAR + 1)


class UpperOf(int):
    """The virtual page number of a table's first page, where it stands for the upper entry that points to the table.

    Compares with numbers as what it is, and equals no page.
    """

    def __hash__(self) -> int:
        return hash(("upper", int(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UpperOf) and int(self) == int(other)

    def __ne__(self, other: object) -> bool:
        return not self == other


class Item(NamedTuple):
    """`pages` from `key` on, which `cached` is what a CPU has of."""

    key: int
    pages: int
    cached: Entry | Upper

    @property
    def addrs(self) -> Iterable[int]:
        """Where a request may mean it: any page of a huge page, the first of a table."""
        return (self.key,) if isinstance(self.key, UpperOf) else range(self.key, self.key + self.pages)

    @property
    def places(self) -> Collection[int | None]:
        """The numbers of the NEAR pages in which it is; None if it is WIDE."""
        return (None,) if self.pages > WIDE else _near(self.key, self.pages)


class Held(NamedTuple):
    """`cpu` still has `item`; `believed`: by the policy's own operations, otherwise by its instructions alone."""

    cpu: Cpu
    item: Item
    believed: bool


class Stale:
    """The items that each of `cpus` has. Who has one is a set of CPUs as bits."""

    def __init__(self, cpus: Sequence[Cpu]) -> None:
        self.cpus = tuple(cpus)
        self.named = False
        """Some instruction has named its operands: the policy has to answer for them."""
        self.items: dict[int, Item] = {}
        """By every address where a request may mean it: those that somebody believes to have."""
        self.believed: dict[int, int] = {}
        """By key of those."""
        self.emitted: dict[int, int] = {}
        """The same by what instructions have named: an item stays here until it has been invalidated everywhere."""
        self.all: dict[int, Item] = {}
        """By key, of both."""
        self._near: dict[int | None, dict[int, Item]] = {}
        """The same by the NEAR pages in which some of theirs are: a policy may flush thousands of pages one by one."""
        self.of_frame: dict[int, int] = {}
        """Keys, by the page that the entry mapped."""

    @property
    def addrs(self) -> Iterable[int]:
        """The addresses that some CPU believes to have."""
        return self.items.keys()

    def owe(self, item: Item) -> None:
        """The entry is gone, and everybody has it."""
        for addr in item.addrs:
            self.items[addr] = item
        if isinstance(item.cached, Entry):
            self.of_frame[item.cached.frame] = item.key
        if item.key in self.all:
            self._drop(self.all[item.key])
        self.all[item.key] = item
        for at in item.places:
            self._near.setdefault(at, {})[item.key] = item
        self.believed[item.key] = self.emitted[item.key] = (1 << len(self.cpus)) - 1

    def cached(self, cpu: Cpu, addr: int) -> Entry | Upper | None:
        """What the CPU believes to have at `addr`."""
        item = self.items.get(addr)
        return item.cached if item is not None and self.believed[item.key] >> cpu & 1 else None

    def forget(self, cpu: Cpu, addr: int) -> None:
        """The CPU believes that it has forgotten what it had at `addr`."""
        item = self.items.get(addr)
        if item is None:
            return
        had = self.believed[item.key]
        left = self.believed[item.key] = had & ~(1 << cpu)
        if left == had:
            return
        if not self.named:
            self.emitted[item.key] = left
        if not left:
            for at in item.addrs:
                del self.items[at]
            self._settle(item)

    def execute(self, cpu: Cpu, of: Operand) -> None:
        """Instructions have been executed on `cpu`."""
        self.named = True
        kept = 0 if of.everywhere else ~(1 << cpu)
        for item in self._hit(of):
            self.emitted[item.key] &= kept
            self._settle(item)

    def _hit(self, of: Operand) -> list[Item]:
        return [
            item
            for item in self._near_to(of)
            if of.hits(item.key, item.pages) and not (of.leaf and isinstance(item.cached, Upper))
        ]

    def _near_to(self, of: Operand) -> Collection[Item]:
        """The items that an instruction may hit, and some more."""
        if of.nr is None:
            return self.all.values()
        places = _near(of.start - of.start % of.size, (of.nr - 1) * of.stride + of.size)
        if len(places) >= len(self.all):
            return self.all.values()
        return {key: item for at in (None, *places) for key, item in self._near.get(at, {}).items()}.values()

    def _drop(self, item: Item) -> None:
        del self.all[item.key]
        for at in item.places:
            del self._near[at][item.key]

    def _settle(self, item: Item) -> None:
        """What nobody has any more, by either count, is of no more interest."""
        if self.believed[item.key] or self.emitted[item.key]:
            return
        self._drop(item)
        del self.believed[item.key], self.emitted[item.key]
        if isinstance(item.cached, Entry) and self.of_frame.get(item.cached.frame) == item.key:
            del self.of_frame[item.cached.frame]

    def holder(self, key: int) -> Held | None:
        """A CPU that has the item of `key`: as the policy believes, or else by the instructions that it has named."""
        believed = self.believed[key]
        left = believed or self.emitted[key]
        if not left:
            return None
        return Held(self.cpus[(left & -left).bit_length() - 1], self.all[key], bool(believed))
