"""A function of mm/ at work in C (shim/generic_mm.h): what the model remembers of it between two of its words.

C names what it works on by numbers and bits.  What they stand for is here: a word is a call of the model's own text on
behalf of an MmHands, and its answer is as much of the result as C looks at.  The words are said by subject:
`_mm_entries` (of page tables), `_mm_tables`, `_mm_pages`, `_mm_flushes`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.machine.pte import Entry, Present, pte_present
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm, Vma
from core.mm.mmu_gather import MmuGather
from core.mm.page_vma_mapped import MappedEntry
from core.mm.pgtable import NO_PAGE
from core.tree.vocabulary import Answers, Rule, Word

OF_CHILD = 1 << 32
"""CHILD_ENTRY of shim/mm_fork.h."""


@dataclass
class MmHands:
    """A function of mm/ at work: its pages count from `base`, which the highest table maps first.

    `table` names the page-table lock that is held, and `second` that of another table.  `entry` is the entry that was
    read last, `new` what it has become; `upper` is an entry of a table above, and `pmd` the address whose pmd is
    locked.  `of_table`: the pmd is that of a table.  `change` is what pte_modify() makes of an entry.

    In a fork the child's entries are `child` pages further on.  In rmap.c `page` is looked for at `addr`, or `nr` pages
    are, and may have been `found`; `ubc` is the task's batch.  In migrate.c, and for a copy, `becomes` takes the place
    of the page, and `collected` is (page, address) of what has been replaced.  In a page fault (`faults`) `orig` is the
    entry that was read first, which maps `page`.  In a split `deposited` is the table that maps the parts, whose
    entries are `further` on.  In madvise.c `page` is that of the entry that was read last (`follows`), and `folio` its
    folio, as (first page, pages); `split` are the first pages of folios that have been split, `isolated` those of
    folios that are off their list.

    In hugetlb.c (`hugetlb`) a pud leads to the table that is shared.  A fault that finds nothing maps `page`, if need
    be in the first of `tables` that is free, which becomes `new_table`.  In khugepaged (`collapses`) `page` is that of
    the entry that was read last, and the table is taken `aside`, as is one that is left.
    """

    mm: Mm
    base: int = 0
    vma: Vma | None = None
    tlb: MmuGather | None = None
    table: int = 0
    second: int = 0
    entry: Any = None
    new: Entry = None
    upper: Any = None
    pmd: int = 0
    of_table: bool = False
    addr: int = 0
    nr: int = 1
    page: int = 0
    child: int = 0
    becomes: int | None = None
    collected: list[tuple[int, int]] = field(default_factory=list)
    deposited: int | None = None
    further: int = 0
    hugetlb: bool = False
    collapses: bool = False
    aside: int | None = None
    faults: bool = False
    follows: bool = False
    folio: tuple[int, int] = (0, 1)
    split: set[int] = field(default_factory=set)
    isolated: list[int] = field(default_factory=list)
    tables: Sequence[int] | None = None
    new_table: int | None = None
    orig: Entry = None
    found: MappedEntry | None = None
    ubc: UnmapBatch = field(default_factory=UnmapBatch)
    change: Callable[[Present], Entry] | None = None

    def entry_at(self, number: int) -> int:
        """Where an entry is that C names by its page: elsewhere if its table has been moved, or in a child."""
        if number >= OF_CHILD:
            return self.base + number - OF_CHILD + self.child
        return self.base + number + self.further if self.found is None else self.found.addr

    @property
    def frame(self) -> int:
        """The page that the entry maps; in a fault, that of the entry that was read first."""
        return self.page if self.faults or self.follows else page_of(self.entry)

    def follow(self, entry: Entry) -> None:
        """In madvise.c: `entry`, which is present, has been read."""
        if self.follows and pte_present(entry):
            self.page = entry.frame
            found = self.mm.folio(self.page)
            self.folio = (self.page, 1) if found[0] in self.split else found

    @property
    def gather(self) -> MmuGather:
        """The gather of a function that has one."""
        assert self.tlb is not None
        return self.tlb


class NoPage(Exception):
    """The C asks of a page, and the entry is none of a page."""


def page_of(entry: Any) -> int:
    """The page that an entry maps, or that it has in a migration. NoPage for an empty one, and for a table."""
    frame: int | None = getattr(entry, "frame", None)
    if frame is None:
        raise NoPage
    return frame


Call = Callable[[MmHands, Word], Awaitable[object]]


def call(kinds: str, what: Call, answers: Answers | None = None, place: str = "*") -> Rule:
    """A word that is `what`, of which C looks at nothing, or at the answer as a number."""

    async def do(of: MmHands, word: Word) -> int:
        try:
            said = await what(of, word)
        except NoPage:
            await violation(word, NO_PAGE)
            return 0
        return 0 if answers is None else int(said)  # type: ignore[call-overload]

    return Rule(kinds, place, do, *(() if answers is None else (answers,)))


def violation(word: Word, name: str) -> Op:
    """A step that does nothing but violate the property `name`."""
    return Op(str(word), (), (), lambda: [Outcome(None, (), name)], order=Order.PLAIN)


async def nothing_more(word: Word, name: str) -> None:
    """Violate the property `name`. There the interleaving ends: nothing is known of what C does then."""
    await violation(word, name)
    await Op(str(word), (), (), list, order=Order.PRIVATE)


def known(kinds: str, what: Callable[[MmHands, Word], object], answers: Answers | None = None) -> Rule:
    """The same of something that nobody else can change."""

    async def at_once(of: MmHands, word: Word) -> object:
        return what(of, word)

    return call(kinds, at_once, answers)


def index(word: Word) -> int:
    """Of an entry of 8 bytes, in the table that its place names."""
    return int(word.place.partition("+")[2] or 0) // 8
