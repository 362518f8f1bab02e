"""Each flush that the core may ask for, asked where it is easiest to leave somebody out.

flush-elsewhere: by a kernel thread, whose CPU is not in mm_cpumask, of the only CPU that is, at the top of the address
space.  The mask is not where its first bits are, and has no bit of the caller's.

flush-at-once: two of a kind at the same time, by two CPUs of two pages.  Neither may rely on the other's flush, which
may be over when its own entry goes, or be of other CPUs' requests.

flush-crosswise: two of a kind at the same time, by two CPUs that each has to reach.  Who sends interrupts must take
those of others while it waits, for a lock or for an answer.

CPU0 user             CPU1                           CPU2
load both: cached
                                                     clear its entry
                      flush its page: asks CPU0
                                                     a flush is under way: nothing to do
                                                     free the page
load the page
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import Program, World, load
from core.explore.model import Model
from core.facts import Facts
from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import Era
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.page import put_page
from core.plugins.arch import Arch

Flush = Callable[[Mm, int], Awaitable[None]]
"""Clear the entry of a virtual page and flush it; the page-table lock is held."""


async def clear(mm: Mm, addr: int) -> None:
    """The entry alone."""
    await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)


async def by_mm(mm: Mm, addr: int) -> None:
    """flush_tlb_mm()."""
    await clear(mm, addr)
    await mm.hook.flush_tlb_mm(mm=mm)


async def by_range(mm: Mm, addr: int) -> None:
    """flush_tlb_range()."""
    await clear(mm, addr)
    await mm.hook.flush_tlb_range(mm=mm, start=addr, end=addr + 1, stride=1)


async def by_page(mm: Mm, addr: int) -> None:
    """flush_tlb_page()."""
    await clear(mm, addr)
    await mm.hook.flush_tlb_page(mm=mm, addr=addr)


async def by_clear_flush(mm: Mm, addr: int) -> None:
    """ptep_clear_flush()."""
    await mm.hook.ptep_clear_flush(mm=mm, addr=addr)


async def by_batch(mm: Mm, addr: int) -> None:
    """A batch of one page."""
    batch = UnmapBatch()
    await clear(mm, addr)
    await mm.hook.arch_tlbbatch_add_pending(mm=mm, batch=batch, start=addr, end=addr + 1)
    await mm.hook.arch_tlbbatch_flush(mm=mm, batch=batch)


def flushes(facts: Facts) -> tuple[Flush, ...]:
    """The flushes that the core asks of an architecture with these facts."""
    always = (by_mm, by_range, by_page, by_clear_flush)
    return (*always, by_batch) if "batched_unmap" in facts.capabilities else always


WHICH = Cell(declare("which_flush", None, "ghost", panel="check"))


def which(facts: Facts) -> Op:
    """One of the flushes, the same for every task that asks."""
    number = len(flushes(facts))

    def step(chosen: int | None) -> list[Outcome]:
        return [Outcome(n, (n,)) for n in (range(number) if chosen is None else (chosen,))]

    return Op("choose: which flush", (WHICH,), (WHICH,), step, order=Order.PRIVATE)


def taking(addr: int, page: int) -> Program:
    """Take the page out and free it."""

    async def program(mm: Mm) -> None:
        flush = flushes(mm.facts)[await which(mm.facts)]
        await pte_lock(mm, addr)
        await flush(mm, addr)
        await pte_unlock(mm, addr)
        await put_page(page)

    return program


def loading(addrs: tuple[int, ...]) -> Program:
    """Load each page once, then once more."""

    async def program(mm: Mm) -> None:
        for addr in (*addrs, *addrs):
            await load(mm, addr, range(len(addrs)))

    return program


def last_page(facts: Facts) -> int:
    """The last virtual page of user space, where half the address space is the kernel's."""
    if facts.pointer_size == 4:
        return (1 << 31) // facts.page_size - 1
    pages: int = facts.ptes_per_table * facts.upper_entries ** (facts.levels - 1)
    return pages // 2 - 1


def elsewhere(arch: Arch, era: Era) -> Model:
    """One user, and a kernel thread on the CPU before."""
    addr = last_page(arch.facts)
    world = World(arch, era, {addr: Pte(0, write=False)}, frozenset({0}))
    world.kthread("kthread", taking(addr, 0))
    world.task("user", loading((addr,)))
    window = sometimes(
        "unmapped-but-held",
        "the entry is gone and the page is not yet free",
        (pte_cell(addr), ref_cell(0)),
        lambda pte, ref: pte is None and ref == 1,
    )
    return world.model("flush-elsewhere", finally_=[all_freed(0, 0)], sometimes=[window])


def at_once(arch: Arch, era: Era) -> Model:
    """Two pages with a table each, so that no lock orders the flushes."""
    mapped = {page: Pte(page, write=False) for page in (0, 1)}
    world = World(arch, era, mapped, frozenset(mapped), geometry={"ptes_per_table": 1})
    world.task("user", loading((0, 1)))
    for page in mapped:
        world.kthread(f"takes {page}", taking(page, page))
    window = sometimes(
        "both-gone",
        "both entries are gone, and neither page is free",
        (pte_cell(0), pte_cell(1), ref_cell(0), ref_cell(1)),
        lambda one, other, *refs: one is other is None and refs == (1, 1),
    )
    return world.model("flush-at-once", finally_=[all_freed(page, 0) for page in mapped], sometimes=[window])


def crosswise(arch: Arch, era: Era) -> Model:
    """Two users of the mm, each of which has the page cached that the other takes out."""
    mapped = {page: Pte(page, write=False) for page in (0, 1)}
    world = World(arch, era, mapped, frozenset(mapped), geometry={"ptes_per_table": 1})
    for page in mapped:
        world.task(f"takes {page}", taking_beside(page, 1 - page))
    window = sometimes(
        "both-gone",
        "both entries are gone, and neither page is free",
        (pte_cell(0), pte_cell(1), ref_cell(0), ref_cell(1)),
        lambda one, other, *refs: one is other is None and refs == (1, 1),
    )
    return world.model("flush-crosswise", finally_=[all_freed(page, 0) for page in mapped], sometimes=[window])


def taking_beside(page: int, other: int) -> Program:
    """Load one page, take another out and free it, and load the first again."""

    async def program(mm: Mm) -> None:
        await load(mm, other, (0, 1))
        await taking(page, page)(mm)
        await load(mm, other, (0, 1))

    return program


SCENARIOS = [
    Scenario(
        "flush-elsewhere",
        "a kernel thread's flush of any kind reaches the only CPU of the mm, wherever in the address space",
        "Documentation/core-api/cachetlb.rst",
        elsewhere,
        requires=("flush_before_free", "spread"),
    ),
    Scenario(
        "flush-at-once",
        "of two flushes of a kind at the same time each is done",
        "kernel/smp.c:smp_call_function_many_cond",
        at_once,
        requires=("smp", "spread", "flush_before_free"),
    ),
    Scenario(
        "flush-crosswise",
        "two CPUs that flush each other's entries both return",
        "kernel/smp.c:smp_call_function_many_cond",
        crosswise,
        requires=("smp", "spread", "flush_before_free"),
    ),
]
