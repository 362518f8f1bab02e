"""A task flushes another process's mm: reclaim, the oom reaper, writeback.

Some architectures send no IPI if an mm has one user.  That is correct only if the flushing task is that user.

borrower-flushes: the kernel thread's CPU is still on the page tables of the process (active_mm), which runs elsewhere

CPU0 the only thread                         CPU1 kswapd, on the mm's page tables
load: cached
                                             clear the entry
                                             mm_users is 1: is it mine?
                                             free the page
load through the stale entry

reclaim-elsewhere: kswapd has the CPU that the process was on before, and is on no page tables of it

the only thread                              CPU1 kswapd
on CPU1: load, cached under its context
goes to CPU0
                                             clear the entry; the interrupt goes to CPU0
                                             free the page
comes back: the context is still good
load through the stale entry
"""

from __future__ import annotations

from core.conformance.properties import all_freed, mm_users_is, sometimes
from core.conformance.scenario import Build, Scenario
from core.conformance.scenarios.task_migration import HERE, THERE, on, over_there
from core.conformance.world import Program, World, load
from core.explore.model import Model
from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte
from core.machine.tlb import tlb_cell
from core.mm.era import Era
from core.mm.kthread import MM_USERS, active_mm_cell, current_mm_cell
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.page import put_page
from core.mm.sched import switch_in, switch_out
from core.plugins.arch import Arch

PAGES = (0, 1)


async def reclaim(mm: Mm, page: int) -> None:
    """Clear the entry of the page, flush, free the page."""
    await pte_lock(mm, page)
    await mm.hook.ptep_clear_flush(mm=mm, addr=page)
    await pte_unlock(mm, page)
    await put_page(page)


TURN = Cell(declare("turn", 0, "ghost", panel="check"))
"""Who has the other CPU: the process at 0, kswapd at 1, the process again at 2."""


def turn(at: int) -> Op:
    """Wait for one's turn on that CPU."""
    return Op(f"turn {at}", (TURN,), (), lambda now: [Outcome(None)] if now == at else [], order=Order.PRIVATE)


def schedule(to: int) -> Op:
    """Give up the CPU."""
    return Op(f"schedule: turn {to}", (), (TURN,), lambda: [Outcome(None, (to,))], order=Order.PRIVATE)


def process(lazily: bool) -> Program:
    """A process with one thread, moved to another CPU and back; what runs in between may keep its page tables."""

    async def program(mm: Mm) -> None:
        there = over_there(mm)
        await load(there, 0, PAGES)
        await switch_out(there, lazily)
        await switch_in(mm)
        await schedule(1)
        for page in PAGES:
            await load(mm, page, PAGES)
            await load(mm, page, PAGES)
        await switch_out(mm, False)
        await turn(2)
        await switch_in(there, there if lazily else None)
        for page in PAGES:
            await load(there, page, PAGES)

    return program


async def kswapd(mm: Mm) -> None:
    """Reclaims the pages one by one.

    The flush in between is that of another kernel thread: the oom reaper's gather ends with a flush of the whole mm if
    the process has a gather open itself (tlb_finish_mmu()).
    """
    await turn(1)
    await reclaim(mm, 0)
    await mm.hook.flush_tlb_mm(mm=mm)
    await reclaim(mm, 1)
    await schedule(2)


def flushed_by(lazily: bool, name: str) -> Build:
    """The kernel thread is on the page tables of the process, or on others."""

    def build(arch: Arch, era: Era) -> Model:
        mapped = {page: Pte(page, write=False) for page in PAGES}
        world = World(arch, era, mapped, frozenset(PAGES), more=on(2))
        world.memory[MM_USERS] = 1
        world.memory[current_mm_cell(THERE)] = False  # the process flushes nothing, kswapd does
        world.memory[active_mm_cell(THERE)] = lazily
        world.task("process", process(lazily))
        world.kthread("kswapd", kswapd)
        window = sometimes(
            "cached",
            "kswapd is at work while the process has a page cached",
            (TURN, tlb_cell(HERE, 0)),
            lambda turn, entry: turn == 1 and entry is not None,
        )
        gone = [*(all_freed(page, 0) for page in PAGES), mm_users_is(1)]
        made = world.model(name, finally_=gone, sometimes=[window])
        world.attach(THERE)
        return made

    return build


SCENARIOS = [
    Scenario(
        "borrower-flushes",
        "a kernel thread that has borrowed the page tables of a process is not taken for its only user",
        "arch/alpha/kernel/smp.c:flush_tlb_page",
        flushed_by(True, "borrower-flushes"),
        tier="optional",
        requires=("smp", "spread"),
    ),
    Scenario(
        "reclaim-elsewhere",
        "a task that flushes another process's mm also flushes its own CPU if the mm ran there",
        "arch/alpha/kernel/smp.c:flush_tlb_other",
        flushed_by(False, "reclaim-elsewhere"),
        tier="optional",
        requires=("smp", "spread"),
    ),
]
