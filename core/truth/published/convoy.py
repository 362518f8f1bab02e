"""Threads that fault and unmap under one mmap_lock: a flush in munmap() delays all threads, not only those interrupted.

Each thread writes `pages` pages of a mapping of its own, one fault each, and unmaps it, again and again, all in one mm.
munmap() takes mmap_lock for writing and downgrades it to reading before it zaps (mm/mmap.c: __vm_munmap() with
`downgrade`), so faults continue meanwhile, but the next munmap() waits.  While a writer waits, RWSEM_FLAG_WAITERS makes
down_read_trylock() of every fault fail, and each faulting thread goes to sleep as well (kernel/locking/rwsem.c:
RWSEM_READ_FAILED_MASK).  So one slow munmap() and a second one that waits for it stop all threads: a convoy.

If munmap() is so slow that one after another fills the time, it limits the rate of all, as the single server of a
closed queueing network does.

A flush interrupts the CPUs that run a thread.  A CPU whose thread sleeps is idle, in lazy TLB mode, and is not
interrupted (arch/x86/mm/tlb.c: tlb_is_not_lazy()).  So the convoy saves interrupts while it costs time.

Time is divided into stretches between events; within one, every thread proceeds evenly.  Left out are the one fault of
a woken reader before it sleeps again, the at most 25 us that a writer spins before it queues, and the mmap() that
follows a munmap(), which takes the free lock before the woken writer gets to it (rwsem_try_write_lock_unqueued()).  All
threads start with a different part of their pages left, and being alike they fall into step; real ones would meet at
the lock even where there is time for all.

Data types
    Flushes(every, here, sender, taker)    how often and how long, in nanoseconds
    ConvoyRun(rate, asked)                 pages per second of all threads; CPUs interrupted per flush
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flushes:
    """One flush for every `every` pages: `here` ns, `sender` more for each CPU interrupted, which loses `taker`
    each.
    """

    every: float
    here: float
    sender: float
    taker: float

    def unmapping(self, zap: float, asked: int) -> float:
        """Nanoseconds of munmap() per page."""
        return zap + (self.here + asked * self.sender) / self.every


@dataclass(frozen=True, slots=True)
class ConvoyRun:
    """The throughput of all threads together."""

    rate: float
    asked: float


class Convoy:
    """`threads` threads with mappings of `pages` pages; `fault` and `zap` are nanoseconds per page without flushes."""

    def __init__(self, threads: int, pages: int, fault: float, zap: float, flushes: Flushes) -> None:
        self.pages, self.fault, self.zap, self.flushes = pages, fault, zap, flushes
        self.faults_left = {thread: pages * (thread + 1) / threads for thread in range(threads)}
        self.waiting: deque[int] = deque()
        self.unmapper: int | None = None
        self.entries_left = 0.0
        self.now = self.unmapped = self.asked = 0.0

    def run(self, rounds: int) -> ConvoyRun:
        """Run until each thread has unmapped `rounds` times on average."""
        enough = rounds * self.pages * (len(self.faults_left))
        while self.unmapped < enough:
            self.stretch()
        return ConvoyRun(1e9 * self.unmapped / self.now, self.asked * self.flushes.every / self.unmapped)

    def stretch(self) -> None:
        """Advance to the next event: a thread has no page left to write, or the unmapping one none left to unmap."""
        if self.unmapper is None and self.waiting:
            self.unmapper, self.entries_left = self.waiting.popleft(), self.pages
        running = [] if self.waiting else list(self.faults_left)
        per_page = self.flushes.unmapping(self.zap, len(running))
        speed = 1.0  # of the faulting threads: interrupts take the rest
        if self.unmapper is not None:
            speed = max(0.0, 1 - self.flushes.taker / self.flushes.every / per_page)
        ends = [self.faults_left[thread] * self.fault / speed for thread in running if speed > 0]
        if self.unmapper is not None:
            ends.append(self.entries_left * per_page)
        took = min(ends)
        self.now += took
        for thread in running:
            self.faults_left[thread] -= took * speed / self.fault
        if self.unmapper is not None:
            self._unmap(took / per_page, len(running))
        for thread in [thread for thread in running if self.faults_left[thread] < 1e-6]:
            del self.faults_left[thread]
            self.waiting.append(thread)

    def _unmap(self, entries: float, asked: int) -> None:
        self.entries_left -= entries
        self.unmapped += entries
        self.asked += asked * entries / self.flushes.every
        if self.entries_left < 1e-6 and self.unmapper is not None:
            self.faults_left[self.unmapper], self.unmapper = float(self.pages), None


def fault_time(threads: int, pages: int, rate: float, share: float, flushes: Flushes) -> tuple[float, float]:
    """The (fault, zap) times with which all threads reach `rate` pages per second and munmap() has `share` of their
    time.
    """
    low, high = 0.0, 1e9 * threads / rate
    for _ in range(30):
        fault = (low + high) / 2
        zap = max(0.0, fault * share / (1 - share) - flushes.unmapping(0, threads - 1))
        slow = Convoy(threads, pages, fault, zap, flushes).run(20).rate < rate
        low, high = (low, fault) if slow else (fault, high)
    return fault, zap
