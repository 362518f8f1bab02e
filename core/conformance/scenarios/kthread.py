"""A kernel thread uses the mm of a single-threaded process, which flushes as if it were alone.

B-38, a665eec0a22e, powerpc radix

CPU0 the only thread                         CPU1 kernel thread, was here before
                                             its TLB has the page, its bit is in the mask
clear the entry
mm_users is 1: nobody else runs on the mm
                                             mmget_not_zero, kthread_use_mm
IPI: leave the mm                            current->mm is mm: that must be CPU0; nothing to do
mm_cpumask = {CPU0}
flush here; free the page
                                             copy_from_user: through the stale entry

B-38s, bafb056ce279, sparc64: without the IPI; a CPU that is not in the mask flushes when it switches to the mm

The same race exists wherever a flush depends on mm_users.
"""

from __future__ import annotations

from dataclasses import replace

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, mm_users_is, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import Program, World, load
from core.explore.model import Daemon, Model
from core.machine.op import Cpu
from core.machine.pte import Pte
from core.machine.tlb import Entry, ref_cell, tlb_cell
from core.mm.era import Era
from core.mm.kthread import (
    MM_USERS,
    active_mm_cell,
    current_mm_cell,
    kthread_unuse_mm,
    kthread_use_mm,
    lazy_fill,
    mmget_not_zero,
    mmput,
)
from core.mm.madvise import madvise_dontneed
from core.mm.mm import CPUMASK, Mm, Vma, pte_lock, pte_unlock
from core.mm.page import put_page
from core.plugins.arch import Arch

ADDRS = (0, 1)
PAGES = (0, 1)
OWNER, BORROWER = Cpu(0), Cpu(1)


async def reclaimed(mm: Mm) -> None:
    """The process clears its entries one by one, and frees each page after its flush.

    In between it does something that flushes the whole mm, such as fork.
    """
    for addr, page in zip(ADDRS, PAGES, strict=True):
        await load(mm, addr, PAGES)
        await pte_lock(mm, addr)
        await mm.hook.ptep_clear_flush(mm=mm, addr=addr)
        await pte_unlock(mm, addr)
        await put_page(page)
        await load(mm, addr, PAGES)
        if addr == ADDRS[0]:
            await mm.hook.flush_tlb_mm(mm=mm)


async def worker(mm: Mm) -> None:
    """A work item on behalf of the process: take a reference, use the mm, copy from the user."""
    if await mmget_not_zero():
        await kthread_use_mm(mm)
        for addr in (*ADDRS, *ADDRS):
            await load(mm, addr, PAGES)
        await kthread_unuse_mm(mm)
        await mmput()


async def dontneed(mm: Mm) -> None:
    """The process gives up its pages one by one, by MADV_DONTNEED."""
    for addr in ADDRS:
        await load(mm, addr, PAGES)
        await madvise_dontneed(mm, Vma(min(ADDRS), max(ADDRS) + 1), addr, addr + 1)
        await load(mm, addr, PAGES)


def borrowed(arch: Arch, era: Era, name: str, process: Program) -> Model:
    """One thread of the process, and one kernel thread that has used the mm before and is still on its page tables."""
    trims = "trims_mm_cpumask" in arch.facts.capabilities
    world = World(
        arch,
        era,
        {addr: Pte(page, write=False) for addr, page in zip(ADDRS, PAGES, strict=True)},
        frozenset(PAGES),
        more={"cpus": None, "online": frozenset({OWNER, BORROWER})},
    )
    world.memory[CPUMASK] = frozenset({OWNER, BORROWER})
    world.memory[MM_USERS] = 1
    for cpu in (OWNER, BORROWER):
        world.memory[current_mm_cell(cpu)] = cpu == OWNER
        world.memory[active_mm_cell(cpu)] = True
        world.on_mm(cpu, lazy=cpu == BORROWER)
    world.memory[tlb_cell(BORROWER, 0)] = Entry(0, False, False)  # of the last time
    world.task("process", process)
    world.task("kthread", worker)
    window = sometimes(
        "taken-up",
        "the kernel thread uses the mm while its page is not free yet, and is cached",
        (current_mm_cell(BORROWER), tlb_cell(BORROWER, 0), ref_cell(0)),
        lambda uses, entry, ref: uses and entry is not None and ref == 1,
    )
    gone = [*(all_freed(page, 0) for page in PAGES), mm_users_is(1)]
    made = world.model(name, finally_=gone, sometimes=[window])
    if not trims:
        return made
    # a CPU that is still on the mm may fetch translations at any time
    fills = (Daemon("walker", BORROWER, lazy_fill(BORROWER, addr, arch.facts.hw_dirty)) for addr in ADDRS)
    return replace(made, daemons=(*made.daemons, *fills))


SCENARIOS = [
    Scenario(
        "kthread-use-mm",
        "a kernel thread that uses the mm of a single-threaded process is flushed too",
        "a665eec0a22e",
        lambda arch, era: borrowed(arch, era, "kthread-use-mm", reclaimed),
        requires=("smp", "spread"),
    ),
    Scenario(
        "kthread-dontneed",
        "a kernel thread that uses the mm of a single-threaded process is flushed too when the process unmaps",
        "arch/alpha/kernel/smp.c:flush_tlb_mm",
        lambda arch, era: borrowed(arch, era, "kthread-dontneed", dontneed),
        requires=("smp", "spread"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-38",
        "a665eec0a22e",
        "a kernel thread uses an mm that is flushed as if it had one user",
        "kthread-use-mm",
        plugin="arch_plugins.powerpc_radix:PowerpcRadix",
        lacks=frozenset({"a665eec0a22e"}),
    ),
    Exhibit(
        "B-38s",
        "bafb056ce279",
        "sparc64 removes all other CPUs from the mask, including one that has just joined",
        "kthread-use-mm",
        plugin="arch_plugins.sparc64:Sparc64",
        lacks=frozenset({"bafb056ce279"}),
    ),
]
