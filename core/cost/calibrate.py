"""Coefficients of the present machine, by the ratio method: the same system calls with one thing changed, in one run.

A single time says little on a machine that does other work as well.  So everything is a difference of two times that
are measured alternately: MADV_DONTNEED of a page with a thread of the process spinning on another CPU, which has to be
interrupted, and without; a range one page longer than the ceiling, and one that is not.  A *round* measures both sides
`samples` times and keeps the difference of the medians; the coefficient's range is the middle half of the rounds.

The timed thread calls madvise() through ctypes.PyDLL, which keeps the GIL; the spinning one is in OpenSSL's key
derivation, which releases it.  Both are pinned, and run at real-time priority where that is permitted.

Python's own overhead is the same on both sides and drops out.  The price of zapping a page includes freeing it here.

Data types
    Measured(coefficients, missing)    what could be measured, and why the rest could not
"""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles

from core.cost.coefficients import Coefficient
from core.cost.counts import CEILING

PAGE = mmap.PAGESIZE
PAGES = 2048
RELOADED = 256

ENOUGH = 0.8
"""The share of the flushes of a round that must have interrupted the other CPU, for the round to count."""

ONE_CPU = "ipi: this process may use only one CPU, so there is no other to interrupt"


class CalibrateError(Exception):
    """This machine cannot be measured; the message says why in one line."""


@dataclass(frozen=True)
class Measured:
    """The coefficients measured on `machine`; `missing` says of each other one why it could not be measured."""

    machine: str
    coefficients: tuple[Coefficient, ...]
    missing: tuple[str, ...]


class TimedRange:
    """Anonymous memory of `PAGES` small pages, given back with MADV_DONTNEED."""

    def __init__(self) -> None:
        self.map = mmap.mmap(-1, PAGES * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            self.map.madvise(mmap.MADV_NOHUGEPAGE)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        self.madvise = ctypes.PyDLL(None, use_errno=True).madvise
        self.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def touch(self, pages: Sequence[int]) -> None:
        """Write to these pages, so that they are present and dirty."""
        for page in pages:
            self.map[page * PAGE] = 1

    def give_back(self, pages: int) -> int:
        """MADV_DONTNEED of the first `pages` pages; the time in nanoseconds. CalibrateError if it fails."""
        before = time.perf_counter_ns()
        failed = self.madvise(self.base, pages * PAGE, mmap.MADV_DONTNEED)
        took = time.perf_counter_ns() - before
        if failed:
            raise CalibrateError(f"madvise(MADV_DONTNEED): {os.strerror(ctypes.get_errno())}")
        return took

    def flush_of(self, pages: int) -> int:
        """A flush of a range of `pages` pages of which the first and the last are present; nanoseconds."""
        self.touch(sorted({0, pages - 1}))
        return self.give_back(pages)

    def reload_after(self, pages: int, other: TimedRange) -> int:
        """Nanoseconds to load from pages of `other` right after a flush of `pages` pages."""
        self.flush_of(pages)
        before = time.perf_counter_ns()
        _ = other.map[: RELOADED * PAGE : PAGE]
        return time.perf_counter_ns() - before


@contextmanager
def spinning(cpu: int) -> Iterator[None]:
    """Context in which a second thread of the process spins on `cpu` without the GIL."""
    stop, ready = threading.Event(), threading.Event()

    def spin() -> None:
        os.sched_setaffinity(0, {cpu})
        with undisturbed():
            ready.set()
            while not stop.is_set():
                hashlib.pbkdf2_hmac("sha256", b"", b"", 20_000)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    ready.wait()
    time.sleep(0.002)
    try:
        yield
    finally:
        stop.set()
        thread.join()


def calibrate(rounds: int = 15, samples: int = 200) -> Measured:
    """Measure what can be measured. CalibrateError if nothing can."""
    if not hasattr(os, "sched_setaffinity") or not hasattr(mmap, "MADV_DONTNEED"):
        raise CalibrateError("calibrate needs Linux: MADV_DONTNEED and sched_setaffinity()")
    allowed = os.sched_getaffinity(0)
    here, *others = sorted(allowed)
    os.sched_setaffinity(0, {here})
    try:
        memory, other = TimedRange(), TimedRange()
        other.touch(range(RELOADED))
        with undisturbed():
            found: list[Coefficient | str] = [*_local(memory, other, rounds, samples)]
            found.append(_ipi(memory, others[0], rounds, samples) if others else ONE_CPU)
    finally:
        os.sched_setaffinity(0, allowed)
    measured = tuple(one for one in found if isinstance(one, Coefficient))
    return Measured(_machine(len(allowed)), measured, tuple(one for one in found if isinstance(one, str)))


def _local(memory: TimedRange, other: TimedRange, rounds: int, samples: int) -> Iterator[Coefficient]:
    """The coefficients of a local flush and of zapping a page."""

    def flush(pages: int) -> Callable[[], int]:
        return lambda: memory.flush_of(pages)

    def reload(pages: int) -> Callable[[], int]:
        return lambda: memory.reload_after(pages, other)

    def zap(pages: int) -> Callable[[], int]:
        def sample() -> int:
            memory.touch(range(pages))
            return memory.give_back(pages)

        return sample

    def differences(more: Callable[[], int], less: Callable[[], int], per: int = 1, of: int = samples) -> list[float]:
        return [_difference(more, less, of) / per for _ in range(rounds)]

    base = differences(flush(1), lambda: memory.give_back(1))
    how = "MADV_DONTNEED: one page against none, its zap included"
    yield _coefficient("base", "ns per flush", how, base, rounds, samples, least=0.0)
    invlpg = differences(flush(CEILING), flush(2), CEILING - 2)
    ends = "MADV_DONTNEED, first and last page present"
    yield _coefficient("invlpg", "ns per page", f"{ends}: slope from 2 to {CEILING} pages", invlpg, rounds, samples)
    full = [more + 2 * median(invlpg) for more in differences(flush(CEILING + 1), flush(2))]
    how = f"{ends}: {CEILING + 1} pages against 2, and their two INVLPG"
    yield _coefficient("full", "ns per flush", how, full, rounds, samples)
    refill = differences(reload(CEILING + 1), reload(CEILING))
    how = f"{RELOADED} loads afterwards: {CEILING + 1} pages against {CEILING}"
    yield _coefficient("refill", "ns per flush", how, refill, rounds, samples)
    few = max(samples // 20, 5)
    pages = differences(zap(PAGES), zap(512), PAGES - 512, few)
    how = f"MADV_DONTNEED: slope from 512 to {PAGES} pages, freeing them included"
    yield _coefficient("zap_page", "ns per page", how, pages, rounds, few)


def _ipi(memory: TimedRange, cpu: int, rounds: int, samples: int) -> Coefficient | str:
    """The coefficient of an IPI: with and without a thread on a second CPU, alternately; or why it cannot be measured.

    On a busy machine the spinning thread does not always run, and then no CPU is interrupted.  A round in which too few
    flushes interrupted the CPU does not count.
    """
    differences, interrupted = [], []
    for _ in range(rounds):
        alone = _median(lambda: memory.flush_of(1), samples)
        with spinning(cpu):
            before = tlb_interrupts(cpu)
            together = _median(lambda: memory.flush_of(1), samples)
            after = tlb_interrupts(cpu)
        interrupted.append(1.0 if before is None or after is None else (after - before) / samples)
        if interrupted[-1] >= ENOUGH:
            differences.append(together - alone)
    if len(differences) < 2:
        share = 100 * median(interrupted)
        return (
            f"ipi: CPU {cpu} was interrupted by only {share:.0f} % of the flushes: it is busy, or flushes without IPIs"
        )
    source = "MADV_DONTNEED of one page: a thread spinning on another CPU against none"
    return _coefficient("ipi", "ns per IPI", source, differences, len(differences), samples)


def tlb_interrupts(cpu: int) -> int | None:
    """TLB shootdowns that `cpu` has received, from /proc/interrupts; None if they are not counted there."""
    try:
        with open("/proc/interrupts", encoding="utf-8") as lines:
            columns = next(lines).split()
            row = next((line.split() for line in lines if line.lstrip().startswith("TLB:")), None)
        return None if row is None else int(row[1 + columns.index(f"CPU{cpu}")])
    except (OSError, StopIteration, ValueError, IndexError):
        return None


@contextmanager
def undisturbed() -> Iterator[None]:
    """Context that runs at real-time priority (SCHED_FIFO), where that is permitted."""
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:  # not permitted
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, priority)


def _difference(more: Callable[[], int], less: Callable[[], int], samples: int) -> float:
    """The difference of the medians of alternating samples."""
    pairs = [(more(), less()) for _ in range(samples)]
    return median(a for a, _ in pairs) - median(b for _, b in pairs)


def _median(sample: Callable[[], int], samples: int) -> float:
    return median(sample() for _ in range(samples))


def _coefficient(
    name: str, unit: str, source: str, differences: list[float], rounds: int, samples: int, least: float | None = None
) -> Coefficient:
    """A coefficient from the quartiles of the differences; negative values are noise and become 0."""
    low, _, high = quantiles(differences, n=4) if len(differences) > 1 else differences * 3
    low = low if least is None else least
    how = f"{source}; middle half of {rounds} rounds of {samples}"
    return Coefficient(name, round(max(low, 0.0), 2), round(max(high, 0.0), 2), unit, "", how)


def _machine(cpus: int) -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        model = ""
    return f"{model or platform.machine()}, Linux {platform.release()}, {cpus} CPUs"
