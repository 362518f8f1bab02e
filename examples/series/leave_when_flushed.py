"""riscv, after x86's 209954cbc7d0: a CPU leaves mm_cpumask when it is interrupted for an mm that it has left (2025).

A context switch then costs no atomic operation on the mask, and a CPU that has gone is interrupted once, not each time.
With ASIDs its entries stay cached after the switch.  So as it leaves the mask it must drop all of them, not only what
the request is for: later flushes are not sent to it.

The discussion: what if the interrupt comes in the middle of the switch back?  The CPU must count as having the mm
before it looks after its bit, or the handler takes away a bit that has just been set (BitFirst).

    python -m core.compare run --plugin examples/series/leave_when_flushed.py:LeavesWhenFlushed --era 6.12
    python -m core.compare explain examples/series/leave_when_flushed.py:KeepsEntries \
        examples/series/leave_when_flushed.py:TWICE --era 6.12
    python -m core.compare compare examples/series/leave_when_flushed.py:LeavesWhenFlushed --against riscv \
        --config arches-all.toml --workload left_behind
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

from arch_plugins.riscv import RiscvIpi
from core.hookspecs import Facts, hookimpl
from core.scenarios import (
    Arch,
    Era,
    Model,
    Scenario,
    World,
    all_freed,
    load,
    madvise_dontneed,
    sometimes,
    switch_in,
    switch_out,
)
from core.words import (
    CPUMASK,
    Cell,
    Cpu,
    Mm,
    Op,
    Order,
    Outcome,
    Pte,
    Request,
    Tid,
    Vma,
    barrier,
    cpumask_set_cpu,
    csd_cell,
    declare,
    irqs_off_cell,
    pte_cell,
    tlb_cell,
)

LOADED = declare("leave_when_flushed.loaded", False, of_mm=True)


def loaded(cpu: Cpu) -> Cell:
    """Has this CPU the mm loaded?  Only the CPU itself and its handlers use it."""
    return Cell(LOADED, cpu)


def set_loaded(cpu: Cpu, to: bool) -> Op:
    """The switch, as an interrupt on this CPU sees it."""
    return Op(f"{loaded(cpu)} = {to}", (), (loaded(cpu),), lambda: [Outcome(None, (to,))], order=Order.PLAIN)


class LeavesWhenFlushed(RiscvIpi):
    """The policy of the series."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return replace(super().arch_facts(), memory_model="weak")

    @hookimpl
    def cells_on_mm(self, mm: Mm, cpu: Cpu, lazy: bool) -> Mapping[Cell, Hashable]:
        return {loaded(cpu): True}

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """The bit of `prev` stays."""
        if prev is not None and prev is not next:
            await set_loaded(prev.task.cpu, False)
        if next is None or next.cpus is not None or next.context is not None:
            await super().switch_mm(prev, next)
        else:
            await self.join(next)

    async def join(self, mm: Mm) -> None:
        """Take the mm, then the bit; user code walks the tables behind the barrier."""
        await set_loaded(mm.task.cpu, True)
        await cpumask_set_cpu(mm)
        await barrier(Order.SMP_MB)

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        """A CPU that has left drops everything, and leaves the mask."""
        if mm.cpus is not None or mm.context is not None:
            return super().flush_tlb_func(mm, sender, cpu)
        csd, entries = csd_cell(sender, cpu), tuple(tlb_cell(cpu, addr) for addr in mm.addrs)

        def step(request: Request | None, off: bool, on: bool, mask: frozenset[Cpu], *tlb: object) -> list[Outcome]:
            if request is None or off:
                return []
            left = mask if on else mask - {cpu}
            whole = not on and self.drops_all
            kept = (
                None if whole or request.forgets(addr, entry) else entry
                for addr, entry in zip(mm.addrs, tlb, strict=True)
            )
            return [Outcome(None, (None, left, *kept))]

        reads = (csd, irqs_off_cell(cpu), loaded(cpu), CPUMASK, *entries)
        return Op(f"IPI of T{sender}", reads, (csd, CPUMASK, *entries), step, order=Order.HANDLER)

    drops_all = True


class KeepsEntries(LeavesWhenFlushed):
    """Wrong: as it leaves the mask it drops what the request is for, and no more."""

    drops_all = False


class BitFirst(LeavesWhenFlushed):
    """Wrong: an interrupt between the two takes the bit away again."""

    async def join(self, mm: Mm) -> None:
        await cpumask_set_cpu(mm)
        await barrier(Order.SMP_MB)
        await set_loaded(mm.task.cpu, True)


class NoBarrier(LeavesWhenFlushed):
    """Wrong on riscv: user code may walk the tables before the bit is visible."""

    async def join(self, mm: Mm) -> None:
        await set_loaded(mm.task.cpu, True)
        await cpumask_set_cpu(mm)


# ---- two flushes while a CPU is away ---------------------------------------------------------------------------

PAGES = (0, 1)


async def away(mm: Mm) -> None:
    """Use both pages, run another task, come back, and use the second."""
    await switch_in(mm)
    for page in PAGES:
        await load(mm, page, [page])
    await switch_out(mm, lazily=False)
    await switch_in(mm)
    await load(mm, 1, [1])


async def unmaps(mm: Mm) -> None:
    """Two calls, each with a flush of its own."""
    await switch_in(mm)
    for page in PAGES:
        await madvise_dontneed(mm, Vma(page, page + 1), page, page + 1)


def twice(arch: Arch, era: Era) -> Model:
    """Nobody is on the mm at first."""
    mapped = {page: Pte(page, dirty=True) for page in PAGES}
    world = World(arch, era, mapped, frozenset(PAGES), attached=frozenset())
    world.task("away", away)
    world.task("unmaps", unmaps)
    window = sometimes(
        "one-flushed",
        "the first page is gone, and the CPU that has been away has the second cached",
        (pte_cell(0), tlb_cell(Cpu(0), 0), tlb_cell(Cpu(0), 1)),
        lambda pte, first, second: pte is None and first is None and second is not None,
    )
    return world.model("flushed-twice", finally_=[all_freed(page, 0) for page in PAGES], sometimes=[window])


TWICE = Scenario(
    "flushed-twice", "of two flushes while a CPU is away neither is missed", "209954cbc7d0", twice, requires=("smp",)
)
