"""A flush on one CPU only, because the mm is believed to have run on no other CPU since its last flush.

B-43, s390/mm: fix local TLB flushing vs. detach of an mm address space

CPU0 user                                   CPU1 flush of the mm, then unmap
load: cached
                                            IDTE on every CPU
load: cached again
detach: leave cpu_attach_mask
                                            mm_cpumask = cpu_attach_mask: CPU1 alone
                                            IPTE on CPU1 alone, free the page
attach
load through the stale entry

The CPU comes back after the page has been unmapped, as in the commit.  A CPU that attaches between the read of
mm_cpumask and the local IPTE is a finding of its own: docs/findings.md.
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load
from core.explore.model import Model
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import DETACH_FIX, Era
from core.mm.mm import CPUMASK, Mm, pte_lock, pte_unlock
from core.mm.page import put_page
from core.mm.sched import switch_in, switch_out
from core.plugins.arch import Arch

ATTACHED = Cell("cpu_attach_mask")


def until_unmapped() -> Op:
    """Other tasks have the CPU until the page is unmapped."""
    return Op("run others", (pte_cell(0),), (), lambda pte: [] if pte else [Outcome(None)], order=Order.PRIVATE)


async def comes_back(mm: Mm) -> None:
    """Load, leave the CPU to other tasks, come back, load."""
    await load(mm, 0, [0])
    await load(mm, 0, [0])
    await switch_out(mm, False)
    await until_unmapped()
    await switch_in(mm)
    await load(mm, 0, [0])


async def flush_and_unmap(mm: Mm) -> None:
    """The flush of the mm that is owed, then the unmap of a page that this CPU has used too."""
    await mm.hook.flush_tlb_mm(mm=mm)
    await load(mm, 0, [0])
    await unmap(mm)
    await load(mm, 0, [0])


async def unmap(mm: Mm) -> None:
    """ptep_clear_flush(), and free the page."""
    await pte_lock(mm, 0)
    await mm.hook.ptep_clear_flush(mm=mm, addr=0)
    await pte_unlock(mm, 0)
    await put_page(0)


def detached(arch: Arch, era: Era) -> Model:
    """Two CPUs; a flush of the mm is owed at the start."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, frozenset({0}), more={"cpus": None})
    world.task("user", comes_back)
    world.task("unmap", flush_and_unmap)
    world.memory[CPUMASK] = frozenset(world.cpus())
    world.memory[Cell("flush_mm")] = True
    window = sometimes(
        "alone",
        "the mm has been flushed, is attached to one CPU, and the page is not free",
        (CPUMASK, ATTACHED, ref_cell(0)),
        lambda mask, attached, ref: mask == attached == {Cpu(1)} and ref == 1,
    )
    return world.model("local-flush", sometimes=[window])


async def attaches(mm: Mm) -> None:
    """A thread that starts to run here, at any time."""
    await switch_in(mm)
    await load(mm, 0, [0])
    await load(mm, 0, [0])


def attaching(arch: Arch, era: Era) -> Model:
    """A CPU attaches while another, so far the only one, unmaps a page."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, frozenset({0}), more={"cpus": None})
    world.task("user", attaches)
    flusher = world.task("unmap", unmap)
    world.memory[CPUMASK] = frozenset({flusher.cpu})
    window = sometimes(
        "attached-early",
        "the CPU is in both masks and the page is not free",
        (CPUMASK, ref_cell(0)),
        lambda mask, ref: len(mask) == 2 and ref == 1,
    )
    return world.model("local-ipte", sometimes=[window])


FINDINGS = [
    Scenario(
        "local-ipte",
        "no CPU that attaches keeps an entry that a local flush did not reach",
        "arch/s390/mm/pgtable.c:ptep_flush_direct",
        attaching,
        tier="finding",
        requires=("smp", "flush_mm", "several_cpus"),
    )
]

SCENARIOS = [
    Scenario(
        "local-flush",
        "a CPU that leaves an mm is flushed, or stays marked as one that has entries of it",
        DETACH_FIX,
        detached,
        tier="optional",
        requires=("smp", "flush_mm", "several_cpus"),
    )
]

EXHIBITS = [
    Exhibit(
        "B-43",
        DETACH_FIX,
        "a CPU leaves an mm between the flush and the reset of the mask, and keeps its entries unnoticed",
        "local-flush",
        plugin="arch_plugins.s390:S390",
        lacks=frozenset({DETACH_FIX}),
    )
]
