"""x86: Remote Action Request, an invalidation that the other CPU's hardware executes (Intel RAR; RFC of 2025).

The sender writes what is to be flushed into a slot of a table of payloads, marks the slot as pending in the action
vector of each CPU, and rings.  Hardware there flushes and clears the mark, also while interrupts are off, without an
interrupt that the kernel sees.  The sender flushes here, waits until every mark is gone, and gives the slot back.

The discussion.  Slots are few: who finds none waits (SLOTS is 1 here, so that it comes up), and one that is given back
before all CPUs have executed it is overwritten (GivesBackEarly).  A CPU that is not set up for RAR never clears its
mark, and the sender waits for ever (NotEnabled, a verdict: deadlock).  And the flush is no interrupt any more: it does
not wait for a lockless walk (GUP-fast), so tables need CONFIG_MMU_GATHER_RCU_TABLE_FREE (WithoutRcu).

    python -m core.compare run --plugin examples/series/rar.py:Rar --era 6.12
    python -m core.compare explain examples/series/rar.py:WithoutRcu gup-fast --era 6.12
    python -m core.compare compare examples/series/rar.py:Rar --against smp-6.12 --workload protect
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from arch_plugins.generic import Smp
from core.hookspecs import Facts, hookimpl
from core.words import (
    Cell,
    Cpu,
    FlushRequest,
    Mm,
    Op,
    Order,
    Outcome,
    UnmapBatch,
    declare,
    flush_here,
    insn,
    mm_cpumask,
    tlb_cell,
)

SLOTS = 1
"""RAR_MAX_PAYLOADS, 64 in the series."""

PAYLOAD = declare("rar.payload", None)
"""What a slot asks for; None is a free one."""

ACTION = declare("rar.action", False)
"""RAR_ACTION_PENDING of a slot, for each CPU; its hardware clears it."""


def take_slot(request: FlushRequest) -> Op:
    """Wait for a slot and write the request into it. Returns its number: get_payload(), set_payload()."""
    slots = tuple(Cell(PAYLOAD, slot) for slot in range(SLOTS))

    def step(*used: object) -> list[Outcome]:
        if None not in used:
            return []
        slot = used.index(None)
        return [Outcome(slot, tuple(request if at == slot else now for at, now in enumerate(used)))]

    return Op(f"take a slot for {request}", slots, slots, step, order=Order.FULL)


def ring(slot: int, cpus: Sequence[Cpu]) -> Op:
    """Mark the slot as pending for `cpus`, and send the signal: smp_call_rar_many()."""
    marks = tuple(Cell(ACTION, (slot, cpu)) for cpu in cpus)
    return Op(f"RAR {slot}", (), marks, lambda: [Outcome(None, (True,) * len(marks))], order=Order.FULL)


def wait(slot: int, cpus: Sequence[Cpu]) -> Op:
    """wait_for_action_done()."""
    marks = tuple(Cell(ACTION, (slot, cpu)) for cpu in cpus)
    return Op("wait", marks, (), lambda *now: [] if any(now) else [Outcome(None)], order=Order.ACQUIRE)


def give_back(slot: int) -> Op:
    """free_payload()."""
    return Op(f"slot {slot} is free", (), (Cell(PAYLOAD, slot),), lambda: [Outcome(None, (None,))], order=Order.RELEASE)


def execute(slot: int, cpu: Cpu, addrs: Sequence[int]) -> Op:
    """The hardware of `cpu`, whatever the kernel there does."""
    mark, entries = Cell(ACTION, (slot, cpu)), tuple(tlb_cell(cpu, addr) for addr in addrs)

    def step(pending: bool, payload: FlushRequest | None, *tlb: Hashable) -> list[Outcome]:
        if not pending:
            return []
        if payload is None:
            return [Outcome(None, (False, *tlb))]
        kept = (None if payload.forgets(addr, e) else e for addr, e in zip(addrs, tlb, strict=True))
        return [Outcome(None, (False, *kept))]

    reads = (mark, Cell(PAYLOAD, slot), *entries)
    return Op(f"RAR {slot} executed", reads, (mark, *entries), step, order=Order.HANDLER)


class Rar(Smp):
    """The policy of the series."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return replace(super().arch_facts(), rcu_table_free=True)

    async def flush(self, mm: Mm, cpus: frozenset[Cpu], request: FlushRequest) -> None:
        here = mm.task.cpu
        others = sorted(cpus - {here})
        if others:
            slot = await take_slot(request)
            await insn(here, "RAR", len(others))
            await self.send(slot, others)
        if here in cpus:
            await flush_here(here, mm.addrs, request, f"local {request}")
        if others:
            await self.finish(slot, others)

    async def send(self, slot: int, others: Sequence[Cpu]) -> None:
        """Ring."""
        await ring(slot, others)

    async def finish(self, slot: int, others: Sequence[Cpu]) -> None:
        """Wait, and give the slot back."""
        await wait(slot, others)
        await give_back(slot)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.flush(mm, await mm_cpumask(mm), FlushRequest())

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.flush(mm, await mm_cpumask(mm), FlushRequest(start, end))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.flush(mm, await mm_cpumask(mm), FlushRequest(addr, addr + 1))

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        cpus, batch.cpus = batch.cpus, frozenset()
        await self.flush(mm, cpus, FlushRequest())

    @hookimpl
    def cpu_daemons(self, mm: Mm, cpu: Cpu) -> Sequence[Op]:
        return [execute(slot, cpu, mm.addrs) for slot in range(SLOTS)] if self.enabled(cpu) else []

    def enabled(self, cpu: Cpu) -> bool:
        """MSR_IA32_RAR_CTRL of the CPU."""
        return True


class GivesBackEarly(Rar):
    """Wrong: the slot is free before every CPU has executed it."""

    async def finish(self, slot: int, others: Sequence[Cpu]) -> None:
        await give_back(slot)
        await wait(slot, others)


class NeverWaits(Rar):
    """Wrong: the sender goes on, and leaves the slot to the hardware."""

    async def finish(self, slot: int, others: Sequence[Cpu]) -> None:
        await give_back(slot)


class NotEnabled(Rar):
    """Wrong: a CPU that came up late is not set up for RAR."""

    def enabled(self, cpu: Cpu) -> bool:
        return cpu != 0


class WithoutRcu(Rar):
    """Wrong: tables are freed behind the flush, which holds up no lockless walk any more."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return replace(super().arch_facts(), rcu_table_free=False)
