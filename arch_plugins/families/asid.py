"""ASIDs that are allocated from a bitmap and, when they run out, all reallocated: arm, arm64, csky, riscv.

arch/arm64/mm/context.c.  Each mm has the generation in which its ASID was allocated.  A rollover starts the next one:
what runs at that moment keeps its ASID (reserved_asids); every other mm loses it and gets another when it is switched
to; every CPU flushes its TLB before it runs the first mm of the new generation.  So under an ASID of the current
generation nothing of another mm is cached, and a flush must use the ASID under which the entries are.

What is one step under cpu_asid_lock.  The bitmap, reserved_asids and the CPUs that owe a flush are nobody's who does
not hold it; nor is the CPU's own active_asids, and nobody changes the generation or an mm's ASID.  So an access to
these commutes with whatever others do meanwhile (a mover), and any number of them goes with one access that does not:
the new generation, and the exchange of another CPU's active_asids, which that CPU's fast path reads and changes without
the lock.  The mm's new ASID is a store, which waits in a buffer where there is one, and so a step by itself.

Data types
    cell Mm.context                   mm->context.id: (generation, ASID), or None before the first switch
    cell ('asid_generation', None)    the current generation
    cell ('asid_map', None)           the ASIDs allocated in it; 0 too, where it is reserved
    cell ('active_asids', cpu)        what the CPU runs, None after a rollover
    cell ('reserved_asids', cpu)      what it ran at the last rollover
    cell ('flush_at_switch', None)    the CPUs that have to flush (tlb_flush_pending in context.c)
"""

from __future__ import annotations

from typing import NamedTuple

from arch_plugins.families.broadcast import Broadcast, Insns
from core.hookspecs import hookimpl
from core.machine.asid import AsidRequest, load_ttbr
from core.machine.ipi import Request
from core.machine.lock import spin_lock, spin_unlock
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, barrier
from core.machine.order import Order
from core.machine.tlb import invalidate
from core.machine.variable import read_once, write_once
from core.mm.mm import Mm

Context = tuple[int, int]

GENERATION, LOCK = Cell("asid_generation"), Cell("cpu_asid_lock")

ASID_MAP = Cell(declare("asid_map", frozenset(), "ghost", "mm"))
RESERVED = declare("reserved_asids", None, "ghost")
PENDING = Cell(declare("flush_at_switch", frozenset(), "ghost", "mm"))
"""What only the holder of the lock touches: that its stores wait is not seen, for the release waits for them."""


def active_cell(cpu: Cpu) -> Cell:
    """per_cpu(active_asids, cpu)."""
    return Cell("active_asids", cpu)


def reserved_cell(cpu: Cpu) -> Cell:
    """per_cpu(reserved_asids, cpu)."""
    return Cell(RESERVED, cpu)


def context_id(context: Cell) -> Op:
    """atomic64_read(&mm->context.id)."""
    return Op(f"read {context}", (context,), (), lambda now: [Outcome(now)], order=Order.PLAIN)


# ---- without the lock --------------------------------------------------------------------------------------------


def cmpxchg_active(cpu: Cpu, old: Context, asid: Context) -> Op:
    """atomic64_cmpxchg_relaxed(&active_asids, old, asid). Returns what was there."""
    active = active_cell(cpu)

    def step(now: Context | None) -> list[Outcome]:
        return [Outcome(now, (asid if now == old else now,))]

    return Op("cmpxchg(active_asids)", (active,), (active,), step, order=Order.ATOMIC)


def xchg_active(cpu: Cpu, asid: Context) -> Op:
    """atomic64_xchg(&active_asids, asid). Returns what was there."""
    active = active_cell(cpu)
    return Op("xchg(active_asids)", (active,), (active,), lambda now: [Outcome(now, (asid,))], order=Order.FULL)


async def keep_active(cpu: Cpu, asid: Context | None, compares: bool) -> bool:
    """The fast path, for an ASID of this generation. Returns whether a rollover has not emptied active_asids.

    If it has, cmpxchg() leaves it empty, and xchg() (arm) has already stored the ASID, which the slow path does too.
    """
    old: Context | None = await read_once(active_cell(cpu)) if compares else None
    if compares and old is None:
        return False
    generation = await read_once(GENERATION)
    if asid is None or asid[0] != generation:
        return False
    if old is None:
        return await xchg_active(cpu, asid) is not None
    return await cmpxchg_active(cpu, old, asid) is not None


# ---- with the lock held ------------------------------------------------------------------------------------------


class Allocated(NamedTuple):
    """What an mm has, of `generation`. `asid` is 0 while others' active_asids are yet to be exchanged; `known`: it had
    that before.
    """

    generation: int
    asid: int
    known: bool = False


class Allocator:
    """The slow path on `cpu`, one of `cpus`, for ASIDs below `asids`; `zero` is reserved by whoever rolls over."""

    def __init__(self, cpu: Cpu, cpus: frozenset[Cpu], asids: int, zero: bool) -> None:
        self.cpu, self.cpus, self.asids, self.zero = cpu, cpus, asids, zero
        self.others = sorted(cpus - {cpu})

    def new_context(self, context: Cell) -> Op:
        """Is the mm's ASID of the current generation; if not, new_context(), up to the look at another CPU's ASID.

        Returns Allocated.
        """
        all_reserved = tuple(map(reserved_cell, sorted(self.cpus)))
        mine = sorted(self.cpus).index(self.cpu)
        changed = (GENERATION, ASID_MAP, PENDING, active_cell(self.cpu), *all_reserved)

        def step(
            now: Context | None,
            generation: int,
            taken: frozenset[int],
            pending: frozenset[Cpu],
            active: Context | None,
            *kept: Context | None,
        ) -> list[Outcome]:
            if now is not None and now[0] == generation:
                return [Outcome(Allocated(*now, known=True), (generation, taken, pending, active, *kept))]
            if now is not None and (now in kept or now[1] not in taken):
                got = (generation, now[1])  # kept over the rollover, or not given to anybody else since
                held = tuple(got if r == now else r for r in kept)
                taken = taken if now in kept else taken | {now[1]}
                return [Outcome(Allocated(*got), (generation, taken, pending, active, *held))]
            if free := self._free(taken):
                return [Outcome(Allocated(generation, free), (generation, taken | {free}, pending, active, *kept))]
            own = kept[mine] if active is None else active
            kept = (*kept[:mine], own, *kept[mine + 1 :])
            taken = frozenset({_number(own)})
            if self.others:
                return [Outcome(Allocated(generation + 1, 0), (generation + 1, taken, pending, None, *kept))]
            given, taken, pending = self._rolled_over(taken)
            return [Outcome(Allocated(generation + 1, given), (generation + 1, taken, pending, None, *kept))]

        return Op("new_context", (context, *changed), changed, step, order=Order.ATOMIC)

    def take_active(self, other: Cpu, generation: int) -> Op:
        """flush_context(): exchange the CPU's active_asids; behind the last an ASID is free. Returns Allocated."""
        active, reserved, last = active_cell(other), reserved_cell(other), other == self.others[-1]
        changed = (active, reserved, ASID_MAP, PENDING)

        def step(
            now: Context | None,
            kept: Context | None,
            taken: frozenset[int],
            pending: frozenset[Cpu],
        ) -> list[Outcome]:
            kept = kept if now is None else now
            taken |= {_number(kept)}
            if not last:
                return [Outcome(Allocated(generation, 0), (None, kept, taken, pending))]
            given, taken, pending = self._rolled_over(taken)
            return [Outcome(Allocated(generation, given), (None, kept, taken, pending))]

        name = f"xchg({active})"
        return Op(name, changed, changed, step, order=Order.ATOMIC)

    def _free(self, taken: frozenset[int]) -> int:
        """The lowest ASID that is free, 0 if none is: find_next_zero_bit() from 1, or from where it was found last."""
        return next((asid for asid in range(1, self.asids) if asid not in taken), 0)

    def _rolled_over(self, taken: frozenset[int]) -> tuple[int, frozenset[int], frozenset[Cpu]]:
        """The ASID that is given, the bitmap with it, and who owes a flush."""
        taken = taken | {0} if self.zero else taken
        given = self._free(taken)
        return given, taken | {given}, self.cpus

    async def allocate(self, context: Cell) -> Context:
        """An ASID of the current generation for the mm."""
        found: Allocated = await self.new_context(context)
        if not found.asid:
            for other in self.others:
                found = await self.take_active(other, found.generation)
        asid = found.generation, found.asid
        if not found.known:
            await write_once(context, asid)
        return asid


def _number(asid: Context | None) -> int:
    """Which bit of the map is set for it."""
    return 0 if asid is None else asid[1]


def test_and_clear_pending(cpu: Cpu) -> Op:
    """Does this CPU owe a flush?"""
    return Op(
        "flush at switch?",
        (PENDING,),
        (PENDING,),
        lambda cpus: [Outcome(cpu in cpus, (cpus - {cpu},))],
        order=Order.FULL,
    )


def set_active(cpu: Cpu, asid: Context) -> Op:
    """atomic64_set(&active_asids, asid)."""
    return Op("active_asids = ASID", (), (active_cell(cpu),), lambda: [Outcome(None, (asid,))], order=Order.PLAIN)


async def check_and_switch_context(
    mm: Mm, context: Cell, compares: bool, flushes_last: bool = False, reads_again: bool = False, zero: bool = False
) -> None:
    """Switch this CPU to the mm, by a fast path that compares or not (`keep_active`).

    The flush that a CPU owes after a rollover comes under the lock, or `flushes_last`, behind the load of the ASID.
    `reads_again`: cpu_switch_mm() reads the mm's ASID itself. `zero`: a rollover marks ASID 0 as taken.
    """
    cpu, owes_flush = mm.task.cpu, False
    flush = invalidate((cpu,), mm.addrs, "local_flush_tlb_all")
    asid: Context | None = await context_id(context)
    if not await keep_active(cpu, asid, compares):
        await spin_lock(LOCK, mm.task)
        asid = await Allocator(cpu, mm.cpus or frozenset(), mm.facts.user_asids, zero).allocate(context)
        owes_flush = await test_and_clear_pending(cpu)
        if owes_flush and not flushes_last:
            await flush
        await set_active(cpu, asid)
        await spin_unlock(LOCK, mm.task)
    assert asid is not None
    await load_ttbr(cpu, (await context_id(context) if reads_again else asid)[1])
    if owes_flush and flushes_last:
        await flush


class Asids(Broadcast):
    """Flushes of the mm's ASID, where a model follows it (`Mm.context`)."""

    compares = reads_again = True
    """Of a switch: the fast path has a cmpxchg(), not an xchg(); the ASID is read again to be loaded."""

    store_barrier = Order.DSB_ISHST
    """mips has no such barrier: that GINVT waits for older stores is assumed in its favour."""

    def asid_behind_barrier(self, mm: Mm) -> bool:
        """Is the ASID read once every walker can see the cleared entry, or before?"""
        raise NotImplementedError

    async def take_asid(self, mm: Mm, context: Cell) -> None:
        """check_and_switch_context(), with the load of the ASID."""
        await check_and_switch_context(mm, context, self.compares, reads_again=self.reads_again)

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if next is not None and next.context is not None:
            await self.take_asid(next, next.context)

    async def send(self, mm: Mm, insns: Insns, request: Request) -> None:
        """A walker that starts under a newer ASID than the one read here must see the entry cleared."""
        if mm.context is None:
            await super().send(mm, insns, request)
            return
        if self.asid_behind_barrier(mm) and self.store_barrier is not None:
            await barrier(self.store_barrier)
        _, asid = await context_id(mm.context)
        await super().send(mm, insns, AsidRequest(asid, request))
