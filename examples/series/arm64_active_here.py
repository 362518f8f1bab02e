"""arm64: no broadcast if the mm has only been active on this CPU (RFC, August 2025).

mm->context.active_cpu is nobody, one CPU, or several.  switch_mm() sets it; a flush by the only CPU is local.  Once
several CPUs have had the mm it is broadcast forever: a CPU that has left still has entries under the ASID.

The discussion: may a CPU join between the flusher's read of the word and its TLBI?  It may, but then its walker reads
the entry behind its own store to the word.  Each side stores and then looks at what the other stores, so each needs a
barrier between the two: MarksLate lacks that of switch_mm(), LooksEarly the DSB in front of the look.  munmap() hides
the second, because removing the rmap is a full barrier; mprotect() does not, so JOINS is a scenario of its own.

    python -m core.compare run --plugin examples/series/arm64_active_here.py:ActiveHere --era 6.12
    python -m core.compare explain examples/series/arm64_active_here.py:MarksLate switch-back --era 6.12
    python -m core.compare explain examples/series/arm64_active_here.py:LooksEarly \
        examples/series/arm64_active_here.py:JOINS --era 6.12
    python -m core.compare compare examples/series/arm64_active_here.py:ActiveHere --against arm64 \
        --config arches-all.toml --workload left_behind --workload switching
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from arch_plugins.arm64 import Arm64
from arch_plugins.families.broadcast import Insns, with_operands
from core.hookspecs import hookimpl
from core.scenarios import Arch, Era, Model, Scenario, World, load, mprotect, sometimes, switch_in, wrprotect
from core.words import (
    Cell,
    Cpu,
    FlushRequest,
    Mm,
    Op,
    Order,
    Outcome,
    Pte,
    TlbEntry,
    Vma,
    barrier,
    declare,
    flush_here,
    insn,
    tlb_cell,
)

SEVERAL = -1

ACTIVE = Cell(declare("active_here.active_cpu", None, of_mm=True))
"""mm->context.active_cpu: None, a CPU, or SEVERAL."""


class ActiveHere(Arm64):
    """The policy of the series."""

    @hookimpl
    def cells_on_mm(self, mm: Mm, cpu: Cpu, lazy: bool) -> Mapping[Cell, Hashable]:
        """Who begins on the mm has been there for long: nothing is known of where else it was."""
        return {ACTIVE: SEVERAL}

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """Mark the CPU, and only then let its walker look at the tables."""
        if next is not None and next.cpus is None:
            await self.mark(next.task.cpu)
            await self.behind_the_mark()
        await super().switch_mm(prev, next)

    def mark(self, cpu: Cpu) -> Op:
        """cmpxchg(&active_cpu, nobody, cpu), else several."""

        def step(active: object) -> list[Outcome]:
            return [Outcome(None, (cpu if active in (None, cpu) else SEVERAL,))]

        return Op(f"CPU{cpu} is active", (ACTIVE,), (ACTIVE,), step, order=Order.ATOMIC)

    async def behind_the_mark(self) -> None:
        """smp_mb()."""
        await barrier(Order.SMP_MB)

    async def broadcast(self, mm: Mm, insns: Insns, request: FlushRequest) -> None:
        """TLBI without IS, and DSB NSH, if nobody else has had the mm."""
        if mm.cpus is not None:  # a model in which nobody comes or goes
            await super().broadcast(mm, insns, request)
            return
        cpu = mm.task.cpu
        await self.before_the_look(mm)
        if await Op("active_cpu", (ACTIVE,), (), lambda active: [Outcome(active)], order=Order.PLAIN) != cpu:
            await super().broadcast(mm, insns, request)
            return
        for name, nr, of in with_operands(insns):
            await insn(cpu, name.replace("IS", ""), nr, *(one._replace(everywhere=False) for one in of))
        await flush_here(cpu, mm.addrs, request, f"local {request}")
        await insn(cpu, "DSB_NSH")

    async def before_the_look(self, mm: Mm) -> None:
        """DSB: the entry is cleared before active_cpu is read."""
        await insn(mm.task.cpu, "DSB_ISH")
        await barrier(Order.SMP_MB)


class JoinsQuietly(ActiveHere):
    """Wrong: a second CPU does not mark itself."""

    def mark(self, cpu: Cpu) -> Op:
        def step(active: object) -> list[Outcome]:
            return [Outcome(None, (cpu if active is None else active,))]

        return Op(f"CPU{cpu} is active", (ACTIVE,), (ACTIVE,), step, order=Order.ATOMIC)


class Leaves(ActiveHere):
    """Wrong: the CPU that leaves takes its mark with it, but not its entries."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await Op("nobody is active", (), (ACTIVE,), lambda: [Outcome(None, (None,))], order=Order.PLAIN)
        await super().switch_mm(prev, next)


class MarksLate(ActiveHere):
    """Wrong on arm64: no barrier between the mark and the walk, which may take place first."""

    async def behind_the_mark(self) -> None:
        """Nothing."""


class LooksEarly(ActiveHere):
    """Wrong on arm64: active_cpu may be read while the cleared entry is still in the store buffer."""

    async def before_the_look(self, mm: Mm) -> None:
        """Nothing."""


# ---- a CPU joins while the only other one takes a permission away ----------------------------------------------


def returns() -> Op:
    """mprotect() returns: CPU 1 must not have the page writable."""

    def step(entry: TlbEntry | None) -> list[Outcome]:
        return [Outcome(None, (), "stale-after-return" if entry is not None and entry.write else "")]

    return Op("return to user mode", (tlb_cell(Cpu(1), 0),), (), step, order=Order.PLAIN)


async def protects(mm: Mm) -> None:
    """The thread on CPU 0."""
    await switch_in(mm)
    await mprotect(mm, [Vma(0, 1)], wrprotect)
    await returns()


async def joins(mm: Mm) -> None:
    """The thread on CPU 1."""
    await switch_in(mm)
    await load(mm, 0, [0])


def joined(arch: Arch, era: Era) -> Model:
    """Nobody is on the mm at first."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, frozenset({0}), attached=frozenset())
    world.task("protects", protects)
    world.task("joins", joins)
    cached = sometimes(
        "writable",
        "CPU 1 has the page writable",
        (tlb_cell(Cpu(1), 0),),
        lambda entry: entry is not None and entry.write,
    )
    return world.model("join-mprotect", sometimes=[cached])


JOINS = Scenario(
    "join-mprotect", "a CPU that joins during mprotect() is told of it", "RFC, August 2025", joined, requires=("smp",)
)
