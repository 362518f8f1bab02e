"""What an order means on a machine of each memory model.

tso (x86, s390, sparc): every locked operation empties the store buffer and is done at once; loads are in order, and so
are stores; so only a full barrier that is no such operation has anything to do.

weak (arm64, riscv, powerpc): an atomic operation without order waits in the buffer like a store; an acquire is done at
once, in front of older stores; a release stays behind them.  Where architectures differ the weaker one stands for all:
riscv's spin_lock() is fully ordered where nobody holds the lock, and only an acquire where somebody does.

Sources: `arch/*/include/asm/barrier.h`, `atomic*.h`, `cmpxchg.h`, `spinlock.h`; `Documentation/atomic_t.txt`.
"""

from __future__ import annotations

from typing import NamedTuple

from core.machine.memory import GHOSTS
from core.machine.op import Op
from core.machine.order import Order


class Meaning(NamedTuple):
    """`waits`: it is blocked until the CPU's buffer is empty. `buffers`: its writes wait there. `release`: behind all
    that are older. `reserves`: nobody else changes the cell meanwhile. `marks`: no later store passes an older one.
    """

    waits: bool = False
    buffers: bool = False
    release: bool = False
    reserves: bool = False
    marks: bool = False


NOTHING, WAITS, STORES = Meaning(), Meaning(waits=True), Meaning(buffers=True)

ALWAYS = {
    Order.PRIVATE: NOTHING,
    Order.PLAIN: STORES,
    Order.ACQUIRE: NOTHING,
    Order.WALK: NOTHING,
    Order.FULL: WAITS,
    Order.FLUSH: WAITS,
    Order.FLUSH_ALL: WAITS,
    Order.HANDLER: WAITS,
    Order.COMPLETE: WAITS,
    Order.WRITE_CR3: Meaning(waits=True, buffers=True),
    Order.SMP_MB: WAITS,
    Order.SMP_RMB: NOTHING,
    Order.DMB_ISH: WAITS,
    Order.DMB_ISHLD: NOTHING,
    Order.DSB_ISH: WAITS,
    Order.DSB_ISHLD: NOTHING,
    Order.DSB_ISHST: WAITS,
    Order.DSB_NSH: WAITS,
    Order.DSB_NSHST: WAITS,
    Order.ISB: NOTHING,
    Order.FENCE_RW_RW: WAITS,
    Order.FENCE_R_R: NOTHING,
    Order.FENCE_R_RW: NOTHING,
    Order.FENCE_I: NOTHING,
    Order.MFENCE: WAITS,
    Order.LFENCE: NOTHING,
    Order.HWSYNC: WAITS,
    Order.ISYNC: NOTHING,
    Order.PTESYNC: WAITS,
    Order.BCR: WAITS,
}
"""Orders that mean the same on both."""

MARKS = Meaning(marks=True)

MEANINGS: dict[str, dict[Order, Meaning]] = {
    "tso": {
        **ALWAYS,
        Order.RELEASE: STORES,
        Order.ATOMIC: WAITS,
        Order.ATOMIC_ACQUIRE: WAITS,
        Order.ATOMIC_RELEASE: WAITS,
        Order.SMP_WMB: NOTHING,
        Order.SMP_MB_AFTER_ATOMIC: NOTHING,
        Order.SMP_MB_AFTER_SPINLOCK: NOTHING,
        Order.SMP_MB_AFTER_UNLOCK_LOCK: NOTHING,
        Order.DMB_ISHST: NOTHING,
        Order.FENCE_W_W: NOTHING,
        Order.FENCE_RW_W: NOTHING,
        Order.FENCE_TSO: NOTHING,
        Order.SFENCE: NOTHING,
        Order.LWSYNC: NOTHING,
        Order.EIEIO: NOTHING,
    },
    "weak": {
        **ALWAYS,
        Order.RELEASE: Meaning(buffers=True, release=True),
        Order.ATOMIC: Meaning(buffers=True, reserves=True),
        Order.ATOMIC_ACQUIRE: NOTHING,
        Order.ATOMIC_RELEASE: Meaning(buffers=True, release=True, reserves=True),
        Order.SMP_WMB: MARKS,
        Order.SMP_MB_AFTER_ATOMIC: WAITS,
        Order.SMP_MB_AFTER_SPINLOCK: WAITS,
        Order.SMP_MB_AFTER_UNLOCK_LOCK: WAITS,
        Order.DMB_ISHST: MARKS,
        Order.FENCE_W_W: MARKS,
        Order.FENCE_RW_W: MARKS,
        Order.FENCE_TSO: MARKS,
        Order.SFENCE: MARKS,
        Order.LWSYNC: MARKS,
        Order.EIEIO: MARKS,
    },
}
"""By memory model.  Sequential consistency has no buffers, so nothing means anything there."""


def order_of(op: Op) -> Order:
    """The order of `op`. One that says none is an access to memory or, where it reads and writes, atomic."""
    if op.order is not None:
        return op.order
    memory = {cell for cell in op.writes if cell.array not in GHOSTS}
    return Order.FULL if memory & set(op.reads) else Order.PLAIN


def meaning(model: str, op: Op) -> Meaning:
    """What the order of `op` means."""
    return MEANINGS[model][order_of(op)]
