"""A flush that depends on the CPU on which it is called: the task must stay there from the question to the flush.

A policy that flushes its own CPU alone, because mm_cpumask names no other, must look, decide and flush on one CPU.  If
it is preempted in between and continues elsewhere, it flushes a CPU that has nothing cached, and leaves the one that
has: the kernel's flushes are within get_cpu() or preempt_disable().

CPU0 MADV_DONTNEED                          CPU1
mm_cpumask is {CPU0}: only here
preempted
                                            continues: flush this CPU
                                            free the page
back on CPU0: load through the stale entry

The move itself is not modelled: every flush is asked where it calls smp_processor_id(), as CONFIG_DEBUG_PREEMPT does.
"""

from __future__ import annotations

from core.conformance.discipline import with_this_cpu
from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, pick
from core.explore.model import Model
from core.machine.op import Cpu
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import tlb_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma, pte_lock, pte_unlock
from core.mm.page import put_page
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

ADDR, PAGE = 0, 0
HERE = Cpu(0)


async def clear(mm: Mm) -> None:
    """Empty the entry under its lock, which is dropped before the flush."""
    await pte_lock(mm, ADDR)
    await mm.hook.ptep_get_and_clear(mm=mm, addr=ADDR, nr=1, full=False)
    await pte_unlock(mm, ADDR)


async def by_range(mm: Mm) -> None:
    """flush_tlb_range()."""
    await clear(mm)
    await mm.hook.flush_tlb_range(mm=mm, start=ADDR, end=ADDR + 1, stride=1)


async def of_all(mm: Mm) -> None:
    """flush_tlb_mm()."""
    await clear(mm)
    await mm.hook.flush_tlb_mm(mm=mm)


async def at_once(mm: Mm) -> None:
    """ptep_clear_flush(), whose callers hold the lock, so that nothing is preemptible but with PREEMPT_RT."""
    await pte_lock(mm, ADDR)
    await mm.hook.ptep_clear_flush(mm=mm, addr=ADDR)
    await pte_unlock(mm, ADDR)


async def gathered(mm: Mm) -> None:
    """tlb_flush(), in MADV_DONTNEED."""
    await madvise_dontneed(mm, Vma(ADDR, ADDR + 1), ADDR, ADDR + 1)


FLUSHES = (by_range, of_all, at_once, gathered)


async def flushes(mm: Mm) -> None:
    """A process that has run nowhere else: it has the page cached, and flushes it in one of the ways."""
    await load(mm, ADDR, [PAGE])
    flush = FLUSHES[await pick(len(FLUSHES))]
    await with_this_cpu(flush(mm))
    if flush is not gathered:
        await put_page(PAGE)
    await load(mm, ADDR, [PAGE])


async def idle(mm: Mm) -> None:
    """There is another CPU."""


def alone(arch: Arch, era: Era) -> Model:
    """One task, on the only CPU in mm_cpumask."""
    world = World(arch, era, {ADDR: Pte(PAGE, dirty=True)}, frozenset({PAGE}), attached=frozenset({HERE}))
    world.task("task", flushes)
    world.kthread("idle", idle)
    window = sometimes(
        "cleared-while-cached",
        "the entry is empty, and the CPU has it cached",
        (pte_cell(ADDR), tlb_cell(HERE, ADDR)),
        lambda pte, entry: pte is None and entry is not None,
    )
    return world.model("this-cpu", finally_=[all_freed(PAGE, 0)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "this-cpu",
        "a flush that depends on the CPU that it runs on is not preemptible from the question to the flush",
        "lib/smp_processor_id.c:check_preemption_disabled",
        alone,
        requires=("smp", "several_cpus"),
    )
]
