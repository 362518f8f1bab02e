"""What the kernel's primitives are on each architecture (Linux 6.12).

Sources: arch/*/include/asm/barrier.h, atomic_lse.h, atomic_ll_sc.h, cmpxchg.h, atomic.h, spinlock.h, synch.h,
atomic_ops.h; include/asm-generic/{barrier,spinlock,qspinlock}.h; include/linux/{atomic,spinlock}.h.

On x86 and s390 every atomic is a full barrier by itself, and the machine makes it one.  powerpc gets the order that a
multi-copy-atomic machine can give: sync as DMB ISH, lwsync as DMB ISHLD and DMB ISHST.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from core.memory_model.program import PLAIN, Fence, Ordering

SMP_MB = (Fence("rw", "rw"),)
DMB_LD, DMB_ST = Fence("r", "rw"), Fence("w", "w")
LWSYNC = (DMB_LD, DMB_ST)
ACQUIRE, RELEASE = Ordering(acquire="sc"), Ordering(release="sc")
BOTH = Ordering("sc", "sc", full=True)

Fences = tuple[Fence, ...]


class KernelWord(NamedTuple):
    """An access with the fences around it.  `pair`: load-exclusive and store-exclusive, with the acquire of `order` on
    the one, the release on the other."""

    before: Fences = ()
    order: Ordering = PLAIN
    after: Fences = ()
    pair: bool = False


@dataclass(frozen=True)
class Primitives:
    """The words of one architecture.

    `fences` by the name of the kernel's macro.  `atomics` and `compares` (cmpxchg) are by 'full', 'acq', 'rel', '' (the
    relaxed form, and every void atomic); `after` of a compare is skipped if it fails."""

    fences: Mapping[str, Fences]
    release: KernelWord
    acquire: KernelWord
    atomics: Mapping[str, KernelWord]
    compares: Mapping[str, KernelWord]
    lock: KernelWord
    trylock: KernelWord
    unlock: KernelWord
    weak_periods: bool = False
    """synchronize_rcu() and membarrier are smp_mb() only: no kernel, but what a test of the tests needs."""


def _fences(**named: Fences) -> dict[str, Fences]:
    nothing: dict[str, Fences] = dict.fromkeys(
        ("barrier", "after-srcu-read-unlock", "before-atomic", "after-atomic", "after-spinlock", "after-unlock-lock"),
        (),
    )
    return nothing | {name.replace("_", "-"): value for name, value in named.items()}


_LSE = {
    "full": KernelWord(order=BOTH),
    "acq": KernelWord(order=ACQUIRE),
    "rel": KernelWord(order=RELEASE),
    "": KernelWord(),
}

ARM64 = Primitives(
    _fences(mb=SMP_MB, rmb=(DMB_LD,), wmb=(DMB_ST,), before_atomic=SMP_MB, after_atomic=SMP_MB, after_spinlock=SMP_MB),
    release=KernelWord(order=RELEASE),
    acquire=KernelWord(order=ACQUIRE),
    atomics=_LSE,
    compares=_LSE,
    lock=KernelWord(order=ACQUIRE),
    trylock=KernelWord(order=ACQUIRE),
    unlock=KernelWord(order=RELEASE),
)
"""With FEAT_LSE: swpal, casal, ldaddal; spin_lock() is casa, spin_unlock() stlr."""

_LL_SC = {
    "full": KernelWord(order=RELEASE, after=SMP_MB, pair=True),
    "acq": KernelWord(order=ACQUIRE, pair=True),
    "rel": KernelWord(order=RELEASE, pair=True),
    "": KernelWord(pair=True),
}

ARM64_LL_SC = Primitives(
    ARM64.fences,
    release=ARM64.release,
    acquire=ARM64.acquire,
    atomics=_LL_SC,
    compares=_LL_SC,
    lock=KernelWord(order=ACQUIRE, pair=True),
    trylock=KernelWord(order=ACQUIRE, pair=True),
    unlock=ARM64.unlock,
)
"""Without: ldxr, stlxr, dmb ish (arch/arm64/include/asm/atomic_ll_sc.h)."""

RELEASE_BARRIER, ACQUIRE_BARRIER = (Fence("rw", "w"),), (Fence("r", "rw"),)

RISCV = Primitives(
    _fences(
        mb=SMP_MB,
        rmb=(Fence("r", "r"),),
        wmb=(Fence("w", "w"),),
        before_atomic=SMP_MB,
        after_atomic=SMP_MB,
        after_spinlock=SMP_MB,
    ),
    release=KernelWord(before=RELEASE_BARRIER),
    acquire=KernelWord(after=ACQUIRE_BARRIER),
    atomics={
        "full": KernelWord(order=BOTH),
        "acq": KernelWord(after=ACQUIRE_BARRIER),
        "rel": KernelWord(before=RELEASE_BARRIER),
        "": KernelWord(),
    },
    compares={
        "full": KernelWord(order=RELEASE, after=SMP_MB, pair=True),
        "acq": KernelWord(after=ACQUIRE_BARRIER, pair=True),
        "rel": KernelWord(before=RELEASE_BARRIER, pair=True),
        "": KernelWord(pair=True),
    },
    lock=KernelWord(order=BOTH),
    trylock=KernelWord(order=RELEASE, after=SMP_MB, pair=True),
    unlock=KernelWord(before=RELEASE_BARRIER),
)
"""The ticket lock of include/asm-generic/spinlock.h begins with a full atomic_fetch_add()."""

_LOCKED = dict.fromkeys(("full", "acq", "rel", ""), KernelWord(order=BOTH))

X86 = Primitives(
    _fences(mb=SMP_MB, rmb=(), wmb=()),
    release=KernelWord(),
    acquire=KernelWord(),
    atomics=_LOCKED,
    compares=_LOCKED,
    lock=KernelWord(order=BOTH),
    trylock=KernelWord(order=BOTH),
    unlock=KernelWord(),
)
"""Also s390: cs, laa and bcr serialise (arch/s390/include/asm/barrier.h)."""

_SYNC = {
    "full": KernelWord(SMP_MB, PLAIN, SMP_MB),
    "acq": KernelWord(after=LWSYNC),
    "rel": KernelWord(before=LWSYNC),
    "": KernelWord(),
}

POWERPC = Primitives(
    _fences(
        mb=SMP_MB,
        rmb=LWSYNC,
        wmb=LWSYNC,
        before_atomic=SMP_MB,
        after_atomic=SMP_MB,
        after_spinlock=SMP_MB,
        after_unlock_lock=SMP_MB,
    ),
    release=KernelWord(before=LWSYNC),
    acquire=KernelWord(after=LWSYNC),
    atomics=_SYNC,
    compares=_SYNC,
    lock=KernelWord(after=LWSYNC),
    trylock=KernelWord(after=LWSYNC),
    unlock=KernelWord(before=LWSYNC),
)
