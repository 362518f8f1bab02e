"""What an operation promises about the order of memory accesses: one name for each kind of word, on every architecture.

An operation says what the kernel's primitive is (`Documentation/memory-barriers.txt`, `Documentation/atomic_t.txt`),
and a barrier which one it is.  What that means on a machine says its memory model: an atomic operation without order
leaves its write in the store buffer of an arm64 CPU, and empties that of an x86 CPU.  Under sequential consistency it
means nothing.
"""

from __future__ import annotations

from enum import Enum


class Order(Enum):
    """The order of one operation, or the name of a barrier.

    An operation that reads and writes a cell and is no atomic one (PLAIN, RELEASE) is a load and a store, which the
    caller's lock makes one step.
    """

    PRIVATE = "no access to memory that another CPU makes too: a local variable, a register, a ghost of the model"
    PLAIN = "READ_ONCE(), WRITE_ONCE(), set_pte(): a load or a store without order"
    ACQUIRE = "smp_load_acquire(): what follows is not done before this load"
    RELEASE = "smp_store_release(), spin_unlock(): what precedes is visible before this store"
    ATOMIC = "an atomic operation without order: of type void, or _relaxed"
    ATOMIC_ACQUIRE = "spin_lock(), test_and_set_bit_lock(), down_read()"
    ATOMIC_RELEASE = "up_read(), clear_bit_unlock()"
    FULL = "an atomic operation that returns a value, or what orders like one"
    WALK = "the hardware walker, and the access of user code behind it"
    FLUSH = "an instruction that drops translations of this CPU: what precedes is visible to its walker"
    FLUSH_ALL = "the same on every CPU, complete when it ends: IPTE, IDTE"
    HANDLER = "an interrupt: the CPU has done what precedes, and is seen to have"
    COMPLETE = "the barrier that completes this CPU's broadcast invalidations"
    WRITE_CR3 = "a serialising instruction, and a plain store behind it"

    SMP_MB = "smp_mb()"
    SMP_RMB = "smp_rmb()"
    SMP_WMB = "smp_wmb()"
    SMP_MB_AFTER_ATOMIC = "smp_mb__after_atomic()"
    SMP_MB_AFTER_SPINLOCK = "smp_mb__after_spinlock()"
    SMP_MB_AFTER_UNLOCK_LOCK = "smp_mb__after_unlock_lock()"
    DMB_ISH = "dmb ish"
    DMB_ISHLD = "dmb ishld"
    DMB_ISHST = "dmb ishst"
    DSB_ISH = "dsb ish"
    DSB_ISHLD = "dsb ishld"
    DSB_ISHST = "dsb ishst"
    DSB_NSH = "dsb nsh"
    DSB_NSHST = "dsb nshst"
    ISB = "isb"
    FENCE_RW_RW = "fence rw,rw"
    FENCE_R_R = "fence r,r"
    FENCE_W_W = "fence w,w"
    FENCE_RW_W = "fence rw,w"
    FENCE_R_RW = "fence r,rw"
    FENCE_TSO = "fence.tso"
    FENCE_I = "fence.i"
    MFENCE = "mfence"
    LFENCE = "lfence"
    SFENCE = "sfence"
    HWSYNC = "sync"
    LWSYNC = "lwsync"
    ISYNC = "isync"
    EIEIO = "eieio"
    PTESYNC = "ptesync"
    BCR = "bcr 14,0"

    @property
    def barrier(self) -> bool:
        """Is it a barrier, which accesses no memory itself?"""
        return self in BARRIERS


BARRIERS = frozenset(list(Order)[list(Order).index(Order.SMP_MB) :])
"""The orders that are barriers."""
