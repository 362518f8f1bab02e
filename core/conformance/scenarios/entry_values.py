"""What the hooks make of an entry, whatever the entry is: readable, writable, dirty, or for no access.

No other task runs.  A race is found by the scenarios of its own; here every hook that changes or judges one entry is
tried on every value that it may be given, so that one that is right for a dirty entry must be right for a clean one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Hashable
from itertools import product
from typing import Any

from core.conformance.monitor import report
from core.conformance.scenario import Build, Scenario
from core.conformance.world import Program, World, no_stale, pick
from core.explore.model import Model
from core.machine.accessed import accessed_cell
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Entry, ProtNone, Pte, pte_cell, ptep_get
from core.machine.tlb import user_load
from core.mm.era import Era
from core.mm.huge_memory import invalid, pmd_lock, pmd_unlock, pmdp_get
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.pgtable import upper_entry
from core.plugins.arch import Arch

PAGE, OTHER = 0, 1
PMD = upper_entry(0, 0)

MAPPED = tuple(
    Pte(PAGE, write, dirty, uffd_wp, nx)
    for write, dirty, uffd_wp, nx in product((False, True), repeat=4)
    if not (write and uffd_wp)
)
"""Entries that a CPU may use. userfaultfd's mark goes with write protection."""

NO_ACCESS = tuple(ProtNone(PAGE, write, dirty) for write, dirty in product((False, True), repeat=2))

PRESENT = (*MAPPED, *NO_ACCESS)

Try = Callable[[Mm, Any], Awaitable[tuple[object, Entry]]]
"""Calls a hook on an entry that has been set; returns what it should have returned, and what it returned."""


async def cleared(mm: Mm, pte: Any) -> tuple[object, Entry]:
    """ptep_get_and_clear()."""
    return pte, await mm.hook.ptep_get_and_clear(mm=mm, addr=0, nr=1, full=False)


async def cleared_and_flushed(mm: Mm, pte: Any) -> tuple[object, Entry]:
    """ptep_clear_flush()."""
    return pte, await mm.hook.ptep_clear_flush(mm=mm, addr=0)


async def hugetlb_cleared(mm: Mm, pte: Any) -> tuple[object, Entry]:
    """huge_ptep_get_and_clear()."""
    return pte, await mm.hook.huge_ptep_get_and_clear(mm=mm, addr=0)


async def looked_at(mm: Mm, pte: Any) -> tuple[object, Entry]:
    """ptep_get(), then ptep_get_lockless() of what nobody changes."""
    first = await mm.hook.ptep_get(mm=mm, addr=0)
    return pte, (first if first != pte else await mm.hook.ptep_get_lockless(mm=mm, addr=0))


async def set_anew(mm: Mm, pte: Any) -> tuple[object, Entry]:
    """set_ptes() of one entry that was empty."""
    await chosen(pte_cell(0), None)
    await mm.hook.set_ptes(mm=mm, addr=0, pte=pte, nr=1)
    return None, None


async def changed_by_mprotect(mm: Mm, pte: Any) -> tuple[object, Entry]:
    """ptep_modify_prot_start() returns the entry; ptep_modify_prot_commit() sets another."""
    old = await mm.hook.ptep_modify_prot_start(mm=mm, addr=0)
    await mm.hook.ptep_modify_prot_commit(mm=mm, addr=0, oldpte=old, pte=pte._replace(write=False))
    return pte, old


async def protected(mm: Mm, pte: Any) -> tuple[object, Entry]:
    """ptep_set_wrprotect(), and pte_wrprotect() of a copy, as fork() has both."""
    await mm.hook.ptep_set_wrprotect(mm=mm, addr=0)
    return pte._replace(write=False), mm.hook.pte_wrprotect(mm=mm, pte=pte)


def left(pte: Any, tried: Try) -> object:
    """What the hook should leave."""
    if tried in (protected, changed_by_mprotect):
        return pte._replace(write=False)
    return pte if tried in (looked_at, set_anew) else None


def trying(tried: Try, values: tuple[Any, ...]) -> Program:
    """A task that tries the hook on one of `values`."""

    async def program(mm: Mm) -> None:
        pte = values[await pick(len(values))]
        await pte_lock(mm, 0)
        await chosen(pte_cell(0), pte)
        wanted, returned = await tried(mm, pte)
        if returned != wanted or await ptep_get(0) != left(pte, tried):
            await report("entry-as-told")
        await pte_unlock(mm, 0)

    return program


async def allowed(mm: Mm) -> None:
    """ptep_set_access_flags() leaves what both the entry and the fault say: writable, and dirty."""
    pte = MAPPED[await pick(len(MAPPED))]
    entry = pte._replace(write=pte.write or bool(await pick(2)), dirty=pte.dirty or bool(await pick(2)))
    await pte_lock(mm, 0)
    await chosen(pte_cell(0), pte)
    await mm.hook.ptep_set_access_flags(mm=mm, addr=0, entry=entry)
    if await ptep_get(0) != entry:
        await report("entry-as-told")
    await pte_unlock(mm, 0)


async def made_old(mm: Mm) -> None:
    """ptep_clear_flush_young() and ptep_test_and_clear_young() say whether the accessed bit was set, and leave the
    rest.
    """
    pte, young = MAPPED[await pick(len(MAPPED))], bool(await pick(2))
    flushes = bool(await pick(2))
    await pte_lock(mm, 0)
    await chosen(pte_cell(0), pte)
    await chosen(accessed_cell(0), young)
    tested = mm.hook.ptep_clear_flush_young if flushes else mm.hook.ptep_test_and_clear_young
    was_young = await tested(mm=mm, addr=0)
    if bool(was_young) != young or await peek(accessed_cell(0)) or await ptep_get(0) != pte:
        await report("entry-as-told")
    await pte_unlock(mm, 0)


def chosen(cell: Cell, value: Hashable) -> Op:
    """The scenario begins with this value of a cell."""
    return Op(f"choose: {cell} = {value}", (), (cell,), lambda: [Outcome(None, (value,))], order=Order.PRIVATE)


def peek(cell: Cell) -> Op:
    """The scenario looks at a cell."""
    return Op(f"read {cell}", (cell,), (), lambda value: [Outcome(value)], order=Order.PLAIN)


async def huge_cleared(mm: Mm) -> Entry:
    """pmdp_huge_clear_flush()."""
    return await mm.hook.pmdp_huge_clear_flush(mm=mm, addr=0)


async def huge_invalidated(mm: Mm) -> Entry:
    """pmdp_invalidate(), which has flushed."""
    return await mm.hook.pmdp_invalidate(mm=mm, addr=0)


async def huge_invalidated_ad(mm: Mm) -> Entry:
    """pmdp_invalidate_ad(), and the flush that the gather does."""
    pmd = await mm.hook.pmdp_invalidate_ad(mm=mm, addr=0)
    await mm.hook.flush_tlb_range(mm=mm, start=0, end=mm.span[0], stride=1)
    return pmd


def huge(change: Callable[[Mm], Coroutine[Op, Any, Entry]], becomes: Callable[[Entry], Entry]) -> Program:
    """Change a huge entry that is cached; it is what it was told to become, and no CPU has it any more."""

    async def program(mm: Mm) -> None:
        pmd = MAPPED[await pick(len(MAPPED))]
        await pmd_lock(mm, 0)
        await chosen(PMD, pmd)
        await user_load(mm.task.cpu, 0, [PAGE], mm.facts.hw_dirty, PMD)
        returned = await change(mm)
        await no_stale(mm, 0, "flushed", "stale-after-return", PMD)
        now: Any = await pmdp_get(mm, 0)
        if returned != pmd or now != becomes(pmd):
            await report("entry-as-told")
        await pmd_unlock(mm, 0)

    return program


async def changed(mm: Mm) -> None:
    """pte_needs_flush() and huge_pmd_needs_flush() say no only if the old entry allows no more than the new one."""
    old, new = PRESENT[await pick(len(PRESENT))], PRESENT[await pick(len(PRESENT))]
    for before in (old, old._replace(frame=OTHER)):
        may_stay = not _can(before) or (_can(before) <= _allows(new) and before.frame == new.frame)
        for needs in (
            mm.hook.pte_needs_flush(mm=mm, oldpte=before, newpte=new),
            mm.hook.huge_pmd_needs_flush(mm=mm, oldpmd=before, newpmd=new),
        ):
            if not needs and not may_stay:
                await report("needs-flush")


def _can(pte: Pte | ProtNone) -> set[str]:
    """What a CPU can do that has the entry cached: a store only once it is known to be dirty, else it walks again."""
    if isinstance(pte, ProtNone):
        return set()
    stores = {"store"} if pte.write and pte.dirty else set()
    return {"load"} | stores | (set() if pte.nx else {"fetch"})


def _allows(pte: Pte | ProtNone) -> set[str]:
    """What the entry allows, a store perhaps with another walk."""
    return _can(pte) | ({"store"} if isinstance(pte, Pte) and pte.write else set())


PROGRAMS: dict[str, tuple[Program, ...]] = {}
"""The programs of which a task runs one, by scenario: here they are no part of what the task is about to do."""


def alone(name: str, *programs: Program) -> Build:
    """A model of one task, which runs one of `programs`."""
    PROGRAMS[name] = programs

    async def any_of(mm: Mm) -> None:
        await PROGRAMS[name][await pick(len(PROGRAMS[name]))](mm)

    def build(arch: Arch, era: Era) -> Model:
        world = World(
            arch, era, {0: None}, frozenset({PAGE, OTHER}), geometry={"ptes_per_table": 1}, more={"tables": True}
        )
        world.memory[PMD] = None
        world.task("task", any_of)
        return world.model(name)

    return build


SCENARIOS = [
    Scenario(
        "entry-values",
        "a hook that changes an entry returns what it was and leaves what it should, whatever the entry",
        "include/linux/pgtable.h",
        alone(
            "entry-values",
            trying(cleared, PRESENT),
            trying(cleared_and_flushed, MAPPED),
            trying(protected, MAPPED),
            trying(hugetlb_cleared, MAPPED),
            trying(looked_at, PRESENT),
            trying(set_anew, PRESENT),
            trying(changed_by_mprotect, MAPPED),
            allowed,
            made_old,
        ),
    ),
    Scenario(
        "huge-values",
        "the same of a huge entry",
        "mm/pgtable-generic.c",
        alone(
            "huge-values",
            huge(huge_cleared, lambda pmd: None),
            huge(huge_invalidated, invalid),
            huge(huge_invalidated_ad, invalid),
        ),
        tier="optional",
    ),
    Scenario(
        "needs-flush",
        "pte_needs_flush() says no only where a stale entry allows no more than the new one",
        "include/asm-generic/tlb.h:pte_needs_flush",
        alone("needs-flush", changed),
    ),
]
