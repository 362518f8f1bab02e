"""A mapping of the kernel goes away, and its address becomes a mapping of something else.

CPU0 a process                              CPU1 another, in a driver
kernel code uses the mapping: cached
it has finished with it; user mode
                                            clear the entry, flush the kernel range
                                            free the page, map another one there, say so
system call: kernel code uses the new
  mapping, through the stale entry

The flush is for every CPU, whatever it runs: what the kernel maps is in every mm, and the mask of none says who uses
it.  One that runs user code uses no mapping of the kernel, so a policy may
put its flush off until it enters the kernel (Mm.nohz_full, enter_from_user_mode()): then entry and flusher cross.
"""

from __future__ import annotations

from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load
from core.explore.model import Model
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte
from core.machine.tlb import tlb_cell
from core.mm.era import Era
from core.mm.mm import Mm
from core.mm.page import put_page
from core.mm.vmalloc import vmap_range, vunmap_range
from core.plugins.arch import Arch

OLD, NEW = 0, 1
ADDR = 0
ISOLATED = Cpu(0)

STAGE = Cell(declare("kernel_mapping", "old", panel="check"))
"""What the driver and its user agree on: 'old', 'unused' when the user has finished with it, 'new'."""


def finished() -> Op:
    """The user of the mapping drops it: a reference count, or a lock that it releases."""
    return Op("finished with the mapping", (), (STAGE,), lambda: [Outcome(None, ("unused",))], order=Order.RELEASE)


def wait_until_unused() -> Op:
    """The driver waits for that."""
    return Op(
        "nobody uses it", (STAGE,), (), lambda now: [Outcome(None)] if now == "unused" else [], order=Order.ACQUIRE
    )


def publish() -> Op:
    """The new mapping is there to be used."""
    return Op("publish the mapping", (), (STAGE,), lambda: [Outcome(None, ("new",))], order=Order.RELEASE)


def published() -> Op:
    """Is there a new mapping?"""
    return Op("is it there?", (STAGE,), (), lambda now: [Outcome(now == "new")], order=Order.ACQUIRE)


async def process(mm: Mm) -> None:
    """A system call that uses the mapping, user mode, and a system call that uses the new one if it is there."""
    await load(mm, ADDR, [OLD])
    await finished()
    await mm.hook.exit_to_user_mode(mm=mm)
    await mm.hook.enter_from_user_mode(mm=mm)
    if await published():
        await load(mm, ADDR, [OLD, NEW])


async def driver(mm: Mm) -> None:
    """vunmap(), and a vmap() that is given the same address; it has used the one, and uses the other."""
    await load(mm, ADDR, [OLD])
    await wait_until_unused()
    await vunmap_range(mm, ADDR, ADDR + 1)
    await put_page(OLD)
    await vmap_range(mm, ADDR, [NEW])
    await publish()
    await load(mm, ADDR, [OLD, NEW])


def remapped(arch: Arch, era: Era) -> Model:
    """A process on an isolated CPU, and another that is in the driver, whose mm_cpumask does not have that CPU."""
    world = World(arch, era, {ADDR: Pte(OLD, dirty=True)}, more={"nohz_full": frozenset({ISOLATED})})
    user = world.kthread("process", process)
    world.task("driver", driver)
    window = sometimes(
        "cached-unused",
        "the mapping is of no use any more, and the CPU has it cached",
        (STAGE, tlb_cell(user.cpu, ADDR)),
        lambda now, entry: now == "unused" and entry is not None,
    )
    return world.model("kernel-range", finally_=[all_freed(OLD, 0)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "kernel-range",
        "no CPU uses a mapping of the kernel that has been removed when its address is used again",
        "mm/vmalloc.c:vunmap_range",
        remapped,
        requires=("smp",),
    )
]
