"""A CPU switches to an address space while another CPU flushes it: which CPUs must be sent the flush?

Each model has one CPU that switches, by its architecture's switch_mm(), and one that unmaps and frees the page.

B-34, 71b3c126e611, CVE-2016-2069, x86, with store buffers

CPU0 switch_mm, user                        CPU1 unmap
                                            clear the entry: in the store buffer
                                            read mm_cpumask: CPU0 is not in it
set the bit, load CR3
load: the old entry, cached
                                            the store drains; free the page
load through the stale entry

B-35, fea4e317f9e7, x86

CPU0 switch_mm, user                        CPU1 unmap
loaded_mm = LOADED_MM_SWITCHING
set the bit; tlb_gen is what it was:
no flush needed
                                            clear the entry, increment tlb_gen
                                            CPU0 has the bit, but has not loaded the mm: no IPI
                                            free the page
load CR3; loaded_mm = next
load through the stale entry

B-52, 83b0177a6c48, x86 of 6.14 to 6.17: the same, where the CPU has the bit already

CPU0 switch_mm, user                        CPU1 unmap
loaded_mm = LOADED_MM_SWITCHING: in the
  store buffer
tlb_gen is what it was: no flush needed
                                            clear the entry, increment tlb_gen
                                            CPU0 has not loaded the mm: no IPI
                                            free the page
loaded_mm = next
load through the stale entry

lazy-tso, x86: a CPU that comes back from lazy TLB mode, with a store buffer

CPU0 kernel thread, user                    CPU1 unmap
is_lazy = false: in the store buffer
tlb_gen is what it was: no flush needed
                                            clear the entry, increment tlb_gen
                                            CPU0 is lazy: no IPI
                                            free the page
load through the stale entry

B-39, 82dd33fde026, riscv with ASIDs

CPU0 switch_mm, user                        CPU1 copies the page
load: cached under the ASID
switch out: clear the bit
                                            clear the entry, flush the CPUs of the mask: CPU1
                                            map the copy, free the page
switch in: same ASID, set the bit
load through the stale entry
"""

from __future__ import annotations

from functools import partial
from typing import Any

from core.conformance.exhibit import Exhibit
from core.conformance.properties import sometimes
from core.conformance.scenario import Build, Scenario
from core.conformance.scenarios.task_migration import on
from core.conformance.world import Program, World, clears_plainly, load
from core.explore.model import Model
from core.machine.op import Cpu, Op, Outcome, barrier, doing
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell, set_pte
from core.machine.tlb import Entry, ref_cell, tlb_cell
from core.mm.era import Era
from core.mm.mm import CPUMASK, Mm, pte_lock, pte_unlock
from core.mm.page import put_page
from core.mm.sched import switch_in, switch_out
from core.plugins.arch import Arch

PAGE, COPY = 0, 1
HERE, THERE = Cpu(0), Cpu(1)
"""The CPU that switches, and the one that flushes."""


def clear_bit(cpu: Cpu) -> Op:
    """cpumask_clear_cpu(cpu, mm_cpumask(mm)): atomic."""
    return Op(
        f"mm_cpumask -= CPU{cpu}",
        (CPUMASK,),
        (CPUMASK,),
        lambda mask: [Outcome(None, (mask - {cpu},))],
        order=Order.ATOMIC,
    )


async def loads(mm: Mm) -> None:
    """Two loads of user code."""
    for _ in range(2):
        await load(mm, 0, [PAGE, COPY])


# ---- B-34 ----------------------------------------------------------------------------------------------------


async def takes_up(mm: Mm) -> None:
    """The architecture's switch, which sets the bit with an atomic operation."""
    await switch_in(mm)
    await loads(mm)


async def unmap_buffered(mm: Mm) -> None:
    """An unmap where clearing is a plain store, after which the flush reads mm_cpumask."""
    await doing(clear_and_flush(mm), partial(clear_buffered, mm))
    await put_page(PAGE)


async def clear_and_flush(mm: Mm) -> None:
    """The operations of an unmap.  s390's ptep_clear_flush() differs; local-ipte is about that one."""
    await mm.hook.ptep_get_and_clear(mm=mm, addr=0, nr=1, full=False)
    await mm.hook.flush_tlb_page(mm=mm, addr=0)


async def clear_buffered(mm: Mm, op: Op) -> Any:
    """`op`, and after the operation that clears the entry the barrier that 71b3c126e611 requires."""
    pte = await clears_plainly(mm, op)
    if op.writes == (pte_cell(0),) and mm.era.has("71b3c126e611"):
        await barrier(Order.SMP_MB)
    return pte


# ---- B-35, B-52, lazy-tso ------------------------------------------------------------------------------------


async def back_from_lazy(mm: Mm) -> None:
    """A kernel thread has borrowed the page tables; the architecture's switch where prev == next."""
    await switch_in(mm, prev=mm)
    await loads(mm)


async def unmap(mm: Mm) -> None:
    """kswapd takes the page, with the architecture's own clearing and flush."""
    await pte_lock(mm, 0)
    await mm.hook.ptep_clear_flush(mm=mm, addr=0)
    await pte_unlock(mm, 0)
    await put_page(PAGE)


# ---- B-39 ----------------------------------------------------------------------------------------------------


async def out_and_in(mm: Mm) -> None:
    """Switch away from the mm and back; arch/riscv/mm/context.c:set_mm() cleared the bit whether or not the ASID was
    kept.
    """
    await switch_in(mm)
    await load(mm, 0, [PAGE, COPY])
    await switch_out(mm, lazily=False)
    if not mm.era.has("82dd33fde026"):
        await clear_bit(HERE)
    await switch_in(mm)
    await loads(mm)


async def copy(mm: Mm) -> None:
    """A sibling maps a copy of the page, as do_wp_page() and migration do."""
    await clear_and_flush(mm)
    await set_pte(0, Pte(COPY))
    await put_page(PAGE)


# ---- the models ----------------------------------------------------------------------------------------------


def model(name: str, switching: Program, flushing: Program, here: frozenset[Cpu] = frozenset()) -> Build:
    """One CPU each.  `here`: the CPU that switches is in the mask from the start, and has the page cached."""

    def build(arch: Arch, era: Era) -> Model:
        lazy = switching is back_from_lazy
        world = World(
            arch,
            era,
            {0: Pte(PAGE, dirty=True)},
            frozenset({PAGE, COPY}),
            more=on(2),
            buffers="sc" if flushing is copy else "tso",
        )
        world.task("switch", switching)
        world.task("unmap", flushing)
        cached = flushing is unmap
        window = sometimes(
            "switched-early",
            "the mm is in use here and the page is not free yet",
            (CPUMASK, tlb_cell(HERE, 0), ref_cell(PAGE)),
            lambda mask, entry, ref: (HERE in mask or not cached) and entry is not None and ref == 1,
        )
        made = world.model(name, sometimes=[window])
        world.attach(THERE)
        if lazy:
            world.on_mm(HERE, lazy=True)
        world.memory[CPUMASK] = frozenset({THERE, *here})
        if cached:  # of the last time that it ran here
            world.memory[tlb_cell(HERE, 0)] = Entry(PAGE, True, True)
        return made

    return build


def _scenario(name: str, title: str, origin: str, build: Build, requires: str = "spread") -> Scenario:
    return Scenario(name, title, origin, build, tier="optional", requires=("smp", requires))


SCENARIOS = [
    _scenario(
        "switch-tso",
        "mm_cpumask is read after the entry is seen to be clear",
        "71b3c126e611",
        model("switch-tso", takes_up, unmap_buffered),
    ),
    _scenario(
        "switch-gen",
        "a CPU that is switching to the mm is sent the flush",
        "fea4e317f9e7",
        model("switch-gen", takes_up, unmap),
        "tlb_gen",
    ),
    _scenario(
        "switch-gen-stays",
        "a CPU that has stayed in the mask and is switching to the mm is sent the flush",
        "83b0177a6c48",
        model("switch-gen-stays", takes_up, unmap, frozenset({HERE})),
        "tlb_gen",
    ),
    _scenario(
        "lazy-tso",
        "a CPU that comes back from a kernel thread is sent the flush, or sees the new generation",
        "arch/x86/mm/tlb.c:switch_mm_irqs_off",
        model("lazy-tso", back_from_lazy, unmap, frozenset({HERE})),
        "tlb_gen",
    ),
    _scenario(
        "switch-asid",
        "a CPU that keeps entries of an ASID stays in the mask",
        "82dd33fde026",
        model("switch-asid", out_and_in, copy),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-34",
        "71b3c126e611",
        "the flush reads mm_cpumask while the cleared entry is still in the store buffer",
        "switch-tso",
        lacks=frozenset({"71b3c126e611"}),
        cve="CVE-2016-2069",
    ),
    Exhibit(
        "B-35",
        "fea4e317f9e7",
        "no IPI for a CPU that is switching address spaces and has decided not to flush",
        "switch-gen",
        plugin="arch_plugins.x86:X86",
        lacks=frozenset({"fea4e317f9e7"}),
    ),
    Exhibit(
        "B-52",
        "83b0177a6c48",
        "a CPU that is in the mask already reads tlb_gen before others see that it is switching (6.14 to 6.17)",
        "switch-gen-stays",
        plugin="arch_plugins.x86_618:X86618",
        era="6.18",
        lacks=frozenset({"83b0177a6c48"}),
    ),
    Exhibit(
        "B-39",
        "82dd33fde026",
        "a CPU leaves the mask as it switches, and keeps its entries under the ASID",
        "switch-asid",
        lacks=frozenset({"82dd33fde026"}),
    ),
]
