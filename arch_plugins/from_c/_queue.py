"""What bindings of sparc64 and powerpc hash have in common: the queue of a CPU, of which C reads and writes fields.

The queue is one cell of the model (`arch_plugins.families.queued`).  C knows how many addresses it has as far as that
matters: none, one, some, all but one, all (`known`).  Which addresses they are the hook knows.
"""

from __future__ import annotations

from dataclasses import dataclass

from arch_plugins.families.queued import BATCH_NR, Queue, add_to_queue, open_queue, read_queue, swap_queue
from arch_plugins.from_c._common import Hook
from core.hookspecs import hookimpl
from core.machine.lock import preempt_disable, preempt_enable
from core.mm.mm import Mm, smp_processor_id
from core.mm.mmu_gather import MmuGather
from core.tree.hybrid import FromC
from core.tree.vocabulary import Rule, Word, hidden, just, truth

SOME = 2
KNOWN = (0, 1, SOME, BATCH_NR - 1, BATCH_NR)


@dataclass
class QueueHands(Hook):
    """`huge`: the page at `addr` is one. `nr` addresses go with the next call to other CPUs; `shows`: what these do is
    being shown, as a CPU has it that is `on_mm`, or not; `least` is what it has flushed as the one before.
    """

    huge: bool = False
    nr: int = 0
    shows: bool = False
    on_mm: bool = False
    least: int = BATCH_NR


def known(queue: Queue) -> int:
    """What C knows of how many addresses there are."""
    nr = len(queue or ())
    return min(nr, SOME) if nr < BATCH_NR - 1 else nr


async def queued(of: QueueHands) -> Queue:
    """What is in the queue of this CPU."""
    queue: Queue = await read_queue(await smp_processor_id(of.mm))
    return queue


async def first_queued(of: QueueHands, nr: int) -> tuple[int, ...]:
    """The first addresses of the queue, so many as C knows it: `known`."""
    queue = tuple(await queued(of) or ())
    return queue if nr >= known(queue) else queue[:nr]


async def _read_nr(of: QueueHands, word: Word) -> int:
    return known(await queued(of))


async def _write_nr(of: QueueHands, word: Word) -> int:
    """0 empties the queue; anything else is one more than before."""
    cpu = await smp_processor_id(of.mm)
    if not word.a:
        await swap_queue(cpu, ())
    else:
        await add_to_queue(cpu, of.addr)
    return 0


async def _read_active(of: QueueHands, word: Word) -> int:
    return int(await queued(of) is not None)


async def _write_active(of: QueueHands, word: Word) -> int:
    cpu = await smp_processor_id(of.mm)
    await (open_queue(cpu) if word.a else swap_queue(cpu, None))
    return 0


async def _preempt(of: QueueHands, word: Word) -> int:
    await (preempt_disable() if word.kind == "preempt_disable" else preempt_enable())
    return 0


MM = 0x200000001000
"""As in shim/driver.h."""

READ, WRITE = "read|READ_ONCE", "write|WRITE_ONCE"


def queue_rules(batch: str, number: str, entry: str, address: int) -> tuple[Rule, ...]:
    """Of the per-CPU variable `batch`, whose fields `number` and `entry` count addresses and hold them; C finds
    `address` in it.
    """
    return (
        Rule(READ, f"{batch}.{number}[[]cpu0]", _read_nr, just(*KNOWN)),
        Rule(WRITE, f"{batch}.{number}[[]cpu0]", _write_nr),
        Rule(READ, f"{batch}.active[[]cpu0]", _read_active, truth),
        Rule(WRITE, f"{batch}.active[[]cpu0]", _write_active),
        Rule("preempt_disable|preempt_enable", "", _preempt),
        hidden(READ, f"{batch}.mm[[]cpu0]", "the queue is of one mm", just(MM)),
        hidden(WRITE, f"{batch}.mm[[]cpu0]", "the queue is of one mm"),
        hidden(READ, f"{batch}.{entry}[[]cpu0]", "which address it is the hook knows", just(address)),
        hidden(WRITE, f"{batch}.{entry}*", "which address it is the hook knows"),
    )


class QueueFromC(FromC):
    """Sections, and what the flush of a gather does with the queue."""

    @hookimpl
    async def arch_enter_lazy_mmu_mode(self, mm: Mm) -> None:
        await self.run(QueueHands(mm), "enter_lazy_mmu_mode")

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        await self.run(QueueHands(mm), "enter_leave_lazy_mmu_mode")

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        await self.run(QueueHands(tlb.mm), "enter_tlb_flush")
        return "pending"
