"""Contiguous blocks (core.machine.contpte) are changed in part: the rest must not bring back what has gone.

A wrong unfold

CPU0 user                      CPU1 MADV_DONTNEED of page 1
load(0): caches the block
                               clear the entry of page 1, and leave the bit in that of page 0
                               flush page 1
load(0): the walk fills the whole block again, by what the entry of page 0 says
                               return
load(1): reads a page that is gone
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from core.conformance.properties import SENTENCES, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import Program, World, pick, returned
from core.explore.model import Model, Property
from core.machine.contpte import BREAK_BEFORE_MAKE, torn, user_access
from core.machine.op import Cpu, Op
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import newer_cell, ref_cell, tlb_cell
from core.mm.era import Era
from core.mm.memory import handle_write_fault
from core.mm.mm import Mm, Vma
from core.mm.mprotect import wrprotect
from core.mm.page import pg_dirty_cell
from core.mm.syscalls import dup_mmap, madvise_dontneed, mprotect
from core.plugins.arch import Arch

BLOCK = 2
PARTS = ((0, 1), (1, 2), (0, 2))
CHILD = 2 * BLOCK
"""Where the child's entries are: in a table of their own."""


def folded(arch: Arch, era: Era, pages: int, entry: Pte, anon: bool, **more: object) -> World:
    """A large folio of `pages` pages, mapped at as many addresses by contiguous blocks of two entries."""
    mapped: dict[int, Pte | None] = {addr: entry._replace(frame=addr, cont=True) for addr in range(pages)}
    folio = range(pages)
    small = {"cont_ptes": BLOCK, "ptes_per_table": 2 * BLOCK}
    return World(
        arch,
        era,
        mapped,
        frozenset(folio if anon else ()),
        geometry=small,
        more={"folio": lambda page: (0, pages), **more},
    )


def block_at(addr: int) -> range:
    """The addresses of the block of `addr`."""
    return range(addr - addr % BLOCK, addr - addr % BLOCK + BLOCK)


def access(mm: Mm, addr: int, store: bool) -> Op:
    """One access of user code; a block maps the pages of the same numbers."""
    return user_access(mm.task.cpu, addr, block_at(addr), block_at(addr), store)


def uses(addrs: Sequence[int], store: bool, times: int = 2) -> Program:
    """User code that stays with one of `addrs`, and ends at a page fault."""

    async def program(mm: Mm) -> None:
        addr = addrs[await pick(len(addrs))]
        for _ in range(times):
            if await access(mm, addr, store) == "fault":
                return

    return program


def whole(cpus: Sequence[Cpu], addrs: Sequence[int]) -> Property:
    """Always: break before make."""
    n = len(addrs)
    cells = (*map(pte_cell, addrs), *(tlb_cell(cpu, addr) for cpu in cpus for addr in addrs))

    def holds(*state: object) -> bool:
        return not any(torn(state[i % n], entry) for i, entry in enumerate(state[n:]))

    return Property(BREAK_BEFORE_MAKE, SENTENCES[BREAK_BEFORE_MAKE], cells, holds)


def dirty_known(pages: int, addrs: Sequence[int]) -> Property:
    """At the end: if a page of the folio is newer than the disk, PG_dirty or an entry of it says so."""

    def holds(pg_dirty: bool, *state: object) -> bool:
        newer, ptes = state[:pages], state[pages:]
        return pg_dirty or not any(newer) or any(isinstance(pte, Pte) and pte.dirty for pte in ptes)

    reads = (pg_dirty_cell(0), *map(newer_cell, range(pages)), *map(pte_cell, addrs))
    return Property("no-lost-dirty", SENTENCES["no-lost-dirty"], reads, holds)


def changes(parts: Sequence[tuple[int, int]], call: Callable[[Mm, int, int], Coroutine[Op, Any, None]]) -> Program:
    """A call on one of `parts`; when it returns, no CPU may do there what the page table does not allow."""

    async def program(mm: Mm) -> None:
        start, end = parts[await pick(len(parts))]
        await call(mm, start, end)
        for addr in range(start, end):
            await returned(mm, addr)

    return program


async def dontneed(mm: Mm, start: int, end: int) -> None:
    """MADV_DONTNEED of a part of the folio."""
    await madvise_dontneed(mm, Vma(start, end), start, end)


async def read_only(mm: Mm, start: int, end: int) -> None:
    """mprotect(PROT_READ) of a part of the folio."""
    await mprotect(mm, [Vma(start, end)], wrprotect)


def zapped(arch: Arch, era: Era) -> Model:
    """A folio of a file, half of which, or all, is unmapped while a CPU writes to it for the first time."""
    world = folded(arch, era, BLOCK, Pte(0), anon=False)
    for page in range(BLOCK):
        world.memory[ref_cell(page)] = 2
    user = world.task("user", uses((0, 1), store=True))
    unmap = world.task("unmap", changes(PARTS, dontneed))
    window = sometimes(
        "one-left",
        "one entry is gone, and the page of the other has been written to",
        (pte_cell(0), pte_cell(1), newer_cell(0)),
        lambda first, second, newer: first is not None and second is None and newer,
    )
    always = [whole((user.cpu, unmap.cpu), range(BLOCK))]
    return world.model("contpte-zap", always=always, finally_=[dirty_known(BLOCK, range(BLOCK))], sometimes=[window])


def zapped_across(arch: Arch, era: Era) -> Model:
    """Two blocks of one folio: the range begins or ends within one, and covers the other."""
    world = folded(arch, era, 2 * BLOCK, Pte(0, dirty=True), anon=True)
    user = world.task("user", uses((0, 3), store=False, times=3))
    unmap = world.task("unmap", changes(((0, 3), (1, 4)), dontneed))
    window = sometimes(
        "rest-cached",
        "the block is gone but for one entry, which a CPU has cached",
        (pte_cell(2), pte_cell(3), tlb_cell(user.cpu, 3)),
        lambda gone, rest, entry: gone is None and rest is not None and entry is not None,
    )
    return world.model("contpte-across", always=[whole((user.cpu, unmap.cpu), range(4))], sometimes=[window])


def protected(arch: Arch, era: Era) -> Model:
    """A part of the folio becomes read-only, or all of it, which folds the block again."""
    world = folded(arch, era, BLOCK, Pte(0), anon=True)
    user = world.task("user", uses((0, 1), store=True))
    other = world.task("mprotect", changes(PARTS, read_only))
    window = sometimes(
        "folded-again",
        "the block is read-only, and has been written to before",
        (pte_cell(0), newer_cell(0)),
        lambda pte, newer: isinstance(pte, Pte) and pte.cont and not pte.write and newer,
    )
    always = [whole((user.cpu, other.cpu), range(BLOCK))]
    return world.model(
        "contpte-protect", always=always, finally_=[dirty_known(BLOCK, range(BLOCK))], sometimes=[window]
    )


async def fork(mm: Mm, start: int, end: int) -> None:
    """fork() of a part of the folio: the child's entries are read-only, and so are the parent's."""
    await dup_mmap(mm, [Vma(start, end)], {addr: addr + CHILD for addr in range(start, end)})


def forked(arch: Arch, era: Era) -> Model:
    """A whole block is write-protected as it is, a part of one is unfolded."""
    world = folded(arch, era, BLOCK, Pte(0), anon=True)
    world.mapped = {**world.mapped, CHILD: None, CHILD + 1: None}
    user = world.task("user", uses((0, 1), store=True))
    parent = world.task("fork", changes(PARTS, fork))
    window = sometimes(
        "child-has-block",
        "the child has the block, and the page has been written to",
        (pte_cell(CHILD), newer_cell(0)),
        lambda pte, newer: isinstance(pte, Pte) and pte.cont and newer,
    )
    always = [whole((user.cpu, parent.cpu), range(BLOCK))]
    return world.model(
        "contpte-fork", always=always, finally_=[dirty_known(BLOCK, (0, 1, CHILD, CHILD + 1))], sometimes=[window]
    )


def stores_in(addr: int) -> Program:
    """Store, with as many page faults as it takes."""

    async def program(mm: Mm) -> None:
        while await access(mm, addr, store=True) == "fault":
            if not await handle_write_fault(mm, Vma(0, BLOCK), addr):
                return

    return program


def faulted(arch: Arch, era: Era) -> Model:
    """Two threads store through a read-only block of exclusive pages: one fault unfolds it, the next folds it again."""
    world = folded(arch, era, BLOCK, Pte(0, write=False), anon=True, exclusive=frozenset(range(BLOCK)))
    users = [world.task(f"user{addr}", stores_in(addr)) for addr in range(BLOCK)]
    window = sometimes(
        "one-writable",
        "one entry is writable, and the other is not",
        (pte_cell(0), pte_cell(1)),
        lambda first, second: isinstance(first, Pte) and isinstance(second, Pte) and first.write and not second.write,
    )
    always = [whole([user.cpu for user in users], range(BLOCK))]
    finally_ = [dirty_known(BLOCK, range(BLOCK))]
    return world.model("contpte-fault", always=always, finally_=finally_, sometimes=[window])


SCENARIOS = [
    Scenario(
        "contpte-zap",
        "a part of a contiguous block is unmapped: no CPU finds it again, and no dirty bit is lost",
        "arch/arm64/mm/contpte.c:contpte_get_and_clear_full_ptes",
        zapped,
        tier="optional",
        requires=("contpte",),
    ),
    Scenario(
        "contpte-across",
        "a range that covers one contiguous block and a part of another is unmapped",
        "arch/arm64/mm/contpte.c:contpte_try_unfold_partial",
        zapped_across,
        tier="optional",
        requires=("contpte",),
    ),
    Scenario(
        "contpte-protect",
        "a part of a contiguous block becomes read-only, or all of it is folded anew",
        "arch/arm64/mm/contpte.c:contpte_convert",
        protected,
        tier="optional",
        requires=("contpte",),
    ),
    Scenario(
        "contpte-fork",
        "fork() write-protects a contiguous block, or a part of one",
        "arch/arm64/mm/contpte.c:contpte_wrprotect_ptes",
        forked,
        tier="optional",
        requires=("contpte",),
    ),
    Scenario(
        "contpte-fault",
        "two threads store through a read-only contiguous block, which faults unfold and fold again",
        "arch/arm64/mm/contpte.c:contpte_ptep_set_access_flags",
        faulted,
        tier="optional",
        requires=("contpte",),
    ),
]
