"""What the kernel's ordering words are on RISC-V and x86, in the notation of the test files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.machine.order import Order

Words = list[Any]


class Dialect(NamedTuple):
    """The words of an architecture: what stands for a full barrier, behind an acquire, before a release, in an atomic
    operation that is fully ordered, and the other barriers that mean something."""

    full: Words
    acquire: tuple[Words, ...]
    release: tuple[Words, ...]
    ordered: tuple[str, ...]
    barriers: Mapping[Order, Words]


FENCE = ["FENCE", "rw", "rw"]
RISCV = Dialect(
    FENCE,
    (["FENCE", "r", "rw"],),
    (["FENCE", "rw", "w"],),
    ("al",),
    {
        Order.SMP_RMB: ["FENCE", "r", "r"],
        Order.SMP_WMB: ["FENCE", "w", "w"],
        Order.FENCE_R_R: ["FENCE", "r", "r"],
        Order.FENCE_W_W: ["FENCE", "w", "w"],
        Order.FENCE_RW_W: ["FENCE", "rw", "w"],
        Order.FENCE_R_RW: ["FENCE", "r", "rw"],
        Order.FENCE_TSO: ["FENCE", "tso"],
        **dict.fromkeys(
            (
                Order.SMP_MB,
                Order.SMP_MB_AFTER_ATOMIC,
                Order.SMP_MB_AFTER_SPINLOCK,
                Order.SMP_MB_AFTER_UNLOCK_LOCK,
                Order.FENCE_RW_RW,
            ),
            FENCE,
        ),
    },
)
"""`arch/riscv/include/asm/barrier.h`, `cmpxchg.h`, `atomic.h`."""

X86 = Dialect(["MFENCE"], (), (), (), {Order.SMP_MB: ["MFENCE"], Order.MFENCE: ["MFENCE"]})
"""Every locked instruction is a full barrier; the others order nothing that the machine does not."""

DIALECTS = {"riscv": RISCV, "x86": X86}
