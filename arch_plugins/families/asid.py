"""ASIDs that are allocated from a bitmap and, when they run out, all reallocated: arm, arm64, csky.

arch/arm64/mm/context.c.  Each mm has the generation in which its ASID was allocated.  A rollover starts the next one:
what runs at that moment keeps its ASID (reserved_asids); every other mm loses it and gets another when it is switched
to; every CPU flushes its TLB before it runs the first mm of the new generation.  So under an ASID of the current
generation nothing of another mm is cached, and a flush must use the ASID under which the entries are.

Data types
    cell Mm.context                   mm->context.id: (generation, ASID), or None before the first switch
    cell ('asid_generation', None)    the current generation
    cell ('asid_map', None)           the ASIDs allocated in it
    cell ('active_asids', cpu)        what the CPU runs, None after a rollover
    cell ('reserved_asids', cpu)      what it ran at the last rollover
    cell ('flush_at_switch', None)    the CPUs that have to flush (tlb_flush_pending in context.c)
"""

from __future__ import annotations

from arch_plugins.families.broadcast import Broadcast, Insns
from core.hookspecs import hookimpl
from core.machine.asid import AsidRequest, load_ttbr
from core.machine.ipi import Request
from core.machine.lock import spin_lock, spin_unlock
from core.machine.op import Cell, Cpu, Op, Outcome, barrier
from core.machine.order import Order
from core.machine.tlb import invalidate
from core.mm.mm import Mm

Context = tuple[int, int]

GENERATION, ASID_MAP, PENDING = Cell("asid_generation"), Cell("asid_map"), Cell("flush_at_switch")
LOCK = Cell("cpu_asid_lock")


def active_cell(cpu: Cpu) -> Cell:
    """per_cpu(active_asids, cpu)."""
    return Cell("active_asids", cpu)


def reserved_cell(cpu: Cpu) -> Cell:
    """per_cpu(reserved_asids, cpu)."""
    return Cell("reserved_asids", cpu)


def context_id(context: Cell) -> Op:
    """atomic64_read(&mm->context.id)."""
    return Op(f"read {context}", (context,), (), lambda now: [Outcome(now)], order=Order.PLAIN)


def keep_active(cpu: Cpu, asid: Context, compares: bool) -> Op:
    """The fast path, for an ASID of this generation. Returns whether a rollover has emptied active_asids meanwhile.

    If it has, cmpxchg() leaves it empty, and xchg() (arm) has already stored the ASID, which the slow path does too.
    """
    active = active_cell(cpu)

    def step(now: Context | None, generation: int) -> list[Outcome]:
        current = asid[0] == generation
        put = current and not (compares and now is None)
        return [Outcome(current and now is not None, (asid if put else now,))]

    return Op(
        "cmpxchg(active_asids)" if compares else "xchg(active_asids)",
        (active, GENERATION),
        (active,),
        step,
        order=Order.ATOMIC,
    )


def new_context(context: Cell, cpus: tuple[Cpu, ...], asids: int) -> Op:
    """Under cpu_asid_lock: an ASID of the current generation for the mm, if necessary after a rollover.

    One step: of what it changes, others read without the lock only the generation and their own active_asids, and a
    change of either sends them to the lock.
    """
    active, reserved = tuple(map(active_cell, cpus)), tuple(map(reserved_cell, cpus))

    def step(
        mine: Context | None, generation: int, taken: frozenset[int], flush: object, *each: Context | None
    ) -> list[Outcome]:
        running, kept = each[: len(cpus)], each[len(cpus) :]

        def done(asid: int) -> list[Outcome]:
            now = (generation, asid)
            held = tuple(now if r is not None and r == mine else r for r in kept)
            return [Outcome(None, (now, generation, taken | {asid}, flush, *running, *held))]

        if mine is not None and (mine[0] == generation or mine in kept or mine[1] not in taken):
            return done(mine[1])  # still good, or kept over the rollover, or not given to anybody else since
        free = [asid for asid in range(1, asids) if asid not in taken]
        if not free:
            generation += 1
            kept = tuple(r if a is None else a for a, r in zip(running, kept, strict=True))  # flush_context()
            running, flush = (None,) * len(cpus), frozenset(cpus)
            taken = frozenset(r[1] for r in kept if r is not None)
            free = [asid for asid in range(1, asids) if asid not in taken]
        return done(free[0])

    changed = (context, GENERATION, ASID_MAP, PENDING, *active, *reserved)
    return Op("new_context", changed, changed, step, order=Order.FULL)


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


async def check_and_switch_context(mm: Mm, context: Cell, compares: bool, flushes_last: bool = False) -> None:
    """Switch this CPU to the mm, by a fast path that compares or not (`keep_active`).

    The flush that a CPU owes after a rollover comes under the lock, or `flushes_last`, behind the load of the ASID.
    """
    cpu, owes_flush = mm.task.cpu, False
    flush = invalidate((cpu,), mm.addrs, "local_flush_tlb_all")
    asid: Context | None = await context_id(context)
    if asid is None or not await keep_active(cpu, asid, compares):
        await spin_lock(LOCK, mm.task)
        await new_context(context, tuple(sorted(mm.cpus or ())), mm.facts.user_asids)
        owes_flush = await test_and_clear_pending(cpu)
        if owes_flush and not flushes_last:
            await flush
        asid = await context_id(context)
        await set_active(cpu, asid)
        await spin_unlock(LOCK, mm.task)
    await load_ttbr(cpu, asid[1])
    if owes_flush and flushes_last:
        await flush


class Asids(Broadcast):
    """Flushes of the mm's ASID, where a model follows it (`Mm.context`)."""

    compares = True
    """The fast path of a switch has a cmpxchg(), not an xchg()."""

    store_barrier = Order.DSB_ISHST
    """mips has no such barrier: that GINVT waits for older stores is assumed in its favour."""

    def asid_behind_barrier(self, mm: Mm) -> bool:
        """Is the ASID read once every walker can see the cleared entry, or before?"""
        raise NotImplementedError

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if next is not None and next.context is not None:
            await check_and_switch_context(next, next.context, self.compares)

    async def send(self, mm: Mm, insns: Insns, request: Request) -> None:
        """A walker that starts under a newer ASID than the one read here must see the entry cleared."""
        if mm.context is None:
            await super().send(mm, insns, request)
            return
        if self.asid_behind_barrier(mm) and self.store_barrier is not None:
            await barrier(self.store_barrier)
        _, asid = await context_id(mm.context)
        await super().send(mm, insns, AsidRequest(asid, request))
