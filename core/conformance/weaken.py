"""Barriers that are weaker than the kernel's, or left out: mutants that a memory model alone tells apart.

The weaker one is the next word with less promise that the memory model does not take for the same: DMB ISH in the
place of DSB ISHST.  Where every store is visible at once no barrier means anything, and there are no such mutants.

An order that is part of another operation (a full exchange, a release, an instruction that drops translations) is
taken from it: `unordered`.  What an acquire promises, that later loads are not done before it, no program can lack
here: loads are done in their turn (core/machine/store_buffers.py).
"""

from __future__ import annotations

from copy import copy

from core.conformance.memory_model import Buffered
from core.explore.model import MemoryMachine
from core.machine.meaning import NOTHING, Meaning, meaning, order_of
from core.machine.op import Op
from core.machine.order import Order
from core.machine.store_buffers import SYNCS

WEAKER: dict[Order, Order] = {
    Order.SMP_MB: Order.SMP_WMB,
    Order.SMP_MB_AFTER_ATOMIC: Order.SMP_WMB,
    Order.SMP_MB_AFTER_SPINLOCK: Order.SMP_WMB,
    Order.SMP_MB_AFTER_UNLOCK_LOCK: Order.SMP_WMB,
    Order.DSB_ISH: Order.DMB_ISH,
    Order.DSB_ISHST: Order.DMB_ISH,
    Order.DSB_NSHST: Order.DMB_ISH,
    Order.DMB_ISH: Order.DMB_ISHST,
    Order.FENCE_RW_RW: Order.FENCE_RW_W,
    Order.HWSYNC: Order.LWSYNC,
    Order.PTESYNC: Order.HWSYNC,
    Order.BCR: Order.SMP_WMB,
    Order.MFENCE: Order.SFENCE,
}
"""The next weaker word. One that is not here has none, but to be left out."""

UNORDERED: dict[str, dict[Order, Order]] = {
    "tso": {
        Order.FULL: Order.PLAIN,
        Order.ATOMIC: Order.PLAIN,
        Order.ATOMIC_ACQUIRE: Order.PLAIN,
        Order.ATOMIC_RELEASE: Order.PLAIN,
        Order.WRITE_CR3: Order.PLAIN,
        Order.FLUSH: Order.PRIVATE,
        Order.FLUSH_ALL: Order.PRIVATE,
        Order.HANDLER: Order.PRIVATE,
        Order.COMPLETE: Order.PRIVATE,
    },
    "weak": {
        Order.FULL: Order.ATOMIC,
        Order.ATOMIC_RELEASE: Order.ATOMIC,
        Order.RELEASE: Order.PLAIN,
        Order.FLUSH: Order.PRIVATE,
        Order.FLUSH_ALL: Order.PRIVATE,
        Order.HANDLER: Order.PRIVATE,
        Order.COMPLETE: Order.PRIVATE,
    },
}
"""By memory model: what is left of an operation whose order is taken from it."""


def unordered(kind: str, op: Op) -> Op | None:
    """The operation without its order under the memory model `kind`; None if it has none that means something."""
    less = UNORDERED.get(kind, {}).get(order_of(op))
    if less is None or op.silent:
        return None
    there = copy(op)
    there.order = less
    return there


def weaker(kind: str, op: Op) -> Op | None:
    """A barrier with the next weaker order that differs under the memory model `kind`; None if there is none.

    One whose weaker form means nothing has none: that is to leave it out.
    """
    now, order = _promise(kind, op), op.order
    while order in WEAKER:
        order = WEAKER[order]
        there = copy(op)
        there.order = order
        if _promise(kind, there) != now:
            return None if meaning(kind, there) == NOTHING else there
    return None


def _promise(kind: str, op: Op) -> tuple[Meaning, bool]:
    """What a barrier means to memory accesses, and whether it orders invalidations too."""
    return meaning(kind, op), kind == "weak" and op.order in SYNCS


def without(op: Op) -> Op:
    """A barrier that is left out: nothing, on the spot."""
    there = copy(op)
    there.order = Order.PRIVATE
    return there


def kind_of_machine(machine: MemoryMachine | None) -> str:
    """The memory model of a machine; 'sc' if there is none."""
    return machine.kind if isinstance(machine, Buffered) else "sc"
