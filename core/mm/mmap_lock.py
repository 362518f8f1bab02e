"""include/linux/mmap_lock.h and the per-VMA locks of include/linux/mm.h (CONFIG_PER_VMA_LOCK, 6.4).

A page fault takes only the lock of its VMA and leaves mmap_lock to others.  An operation that must exclude faults in a
VMA write-locks it while holding mmap_lock for writing: vma_start_write() waits for the faults that are under way, and
keeps later ones out until mmap_lock is released or downgraded, which ends all write locks of the mm at once
(vma_end_write_all() raises mm_lock_seq).  A fault that finds its VMA write-locked waits for mmap_lock instead.

All locks of an mm are in one cell: who reads which VMA, and which VMAs are write-locked.  Sequence numbers are not
modelled: a VMA is write-locked or it is not.  Finding the VMA and locking it is one step, because lock_vma_under_rcu()
tries again if the VMA was detached in between.
"""

from __future__ import annotations

from core.machine import lock
from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome, Tid
from core.machine.order import Order
from core.mm.mm import Mm, Vma, vma_cell

Readers = frozenset[tuple[int, Tid]]
"""(start of a VMA, thread that has it locked for reading)."""

VMA_LOCKS = Cell(declare("vma_locks", (frozenset(), frozenset()), of_mm=True))
"""(`Readers`, the starts of the VMAs that are write-locked)."""

NOBODY: frozenset[int] = frozenset()
"""No VMA is write-locked."""


def per_vma_locks(mm: Mm) -> bool:
    """CONFIG_PER_VMA_LOCK."""
    return mm.era.per_vma_locks and mm.facts.smp and "per_vma_lock" in mm.facts.capabilities


def mmap_read_lock(mm: Mm) -> Op:
    """Take mmap_lock for reading, shared with other readers."""
    return lock.mmap_read_lock(mm.task)


def mmap_read_trylock(mm: Mm) -> Op:
    """Become a reader of mmap_lock unless there is a writer. Returns whether it worked."""
    return lock.mmap_read_trylock(mm.task)


def mmap_read_unlock(mm: Mm) -> Op:
    """Release mmap_lock held for reading."""
    return lock.mmap_read_unlock(mm.task)


def mmap_write_lock(mm: Mm) -> Op:
    """Take mmap_lock exclusively. Faults under a VMA's lock continue."""
    return lock.mmap_write_lock(mm.task)


def mmap_write_trylock(mm: Mm) -> Op:
    """Take mmap_lock exclusively, unless somebody has it. Returns whether it worked."""
    return lock.mmap_write_trylock(mm.task)


async def mmap_write_unlock(mm: Mm) -> None:
    """End all write locks of VMAs, then release mmap_lock."""
    await vma_end_write_all(mm)
    await lock.mmap_write_unlock(mm.task)


async def mmap_write_downgrade(mm: Mm) -> None:
    """End all write locks of VMAs, and keep mmap_lock for reading."""
    await vma_end_write_all(mm)
    await lock.mmap_write_downgrade(mm.task)


async def vma_end_write_all(mm: Mm) -> None:
    """End all write locks of VMAs; mmap_lock is held for writing, or the next writer's would be ended."""

    def step(locks: tuple[Readers, frozenset[int]], holders: object) -> list[Outcome]:
        return [Outcome(None, ((locks[0], NOBODY),), not_writing(mm, holders))]

    if per_vma_locks(mm):
        reads = (VMA_LOCKS, lock.MMAP_LOCK)
        await Op("vma_end_write_all", reads, (VMA_LOCKS,), step, order=Order.RELEASE)


def not_writing(mm: Mm, holders: object) -> str:
    """What a task violates that must hold mmap_lock for writing: mmap_assert_write_locked()."""
    return "" if holders == mm.task.tid else "lock-discipline"


async def vma_start_write(mm: Mm, vma: Vma) -> None:
    """Wait for the faults in `vma`, and keep later ones out. mmap_lock is held for writing."""
    if not per_vma_locks(mm):
        return

    def step(locks: tuple[Readers, frozenset[int]], holders: object) -> list[Outcome]:
        readers, written = locks
        if any(start == vma.start for start, _ in readers):
            return []
        return [Outcome(None, ((readers, written | {vma.start}),), not_writing(mm, holders))]

    await Op(
        "vma_start_write",
        (VMA_LOCKS, lock.MMAP_LOCK),
        (VMA_LOCKS,),
        step,
        may_schedule="block",
        order=Order.ATOMIC_ACQUIRE,
    )


async def lock_vma_under_rcu(mm: Mm, vma: Vma) -> bool:
    """Lock `vma` for a fault, without mmap_lock. False if it is gone or write-locked: the fault must take mmap_lock."""
    if not per_vma_locks(mm):
        return False
    tid = mm.task.tid

    def step(locks: tuple[Readers, frozenset[int]], there: bool) -> list[Outcome]:
        readers, written = locks
        if not there or vma.start in written:
            return [Outcome(False, (locks,))]
        return [Outcome(True, ((readers | {(vma.start, tid)}, written),))]

    return bool(
        await Op("lock_vma_under_rcu", (VMA_LOCKS, vma_cell(vma)), (VMA_LOCKS,), step, order=Order.ATOMIC_ACQUIRE)
    )


def vma_end_read(mm: Mm, vma: Vma) -> Op:
    """Release the lock of `vma` after the fault."""
    held = (vma.start, mm.task.tid)

    def step(locks: tuple[Readers, frozenset[int]]) -> list[Outcome]:
        readers, written = locks
        return [Outcome(None, ((readers - {held}, written),), "" if held in readers else "lock-discipline")]

    return Op("vma_end_read", (VMA_LOCKS,), (VMA_LOCKS,), step, order=Order.ATOMIC_RELEASE)
