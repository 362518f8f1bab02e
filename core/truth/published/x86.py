"""x86: where a full flush gets cheaper than one page by page, and IPIs against INVLPGB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.cost.coefficients import HANSEN, LATR, LATR_CPUS, LATR_SHOOTDOWN, VAN_RIEL
from core.cost.counts import CEILING
from core.cost.price_model import MODELS
from core.cost.workload_counts import account
from core.cost.workloads import Workload, WorkloadStep
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up
from core.truth.published.effect import Effect, exactly
from core.truth.published.page_fault3 import ROBOT, SMP, measured_by_profile

INVLPGB = "arch_plugins.x86_invlpgb:X86Invlpgb"
FIRST_SERIES = "R. van Riel, AMD broadcast TLB invalidation, first versions, 2024-12, will-it-scale tlb_flush2_threads"

GHZ, TRACING = 2.6, 335
CYCLES = {2: 1505, 4: 2447, 8: 3542, 16: 5041, 32: 9350, 33: 8534}
"""flush_tlb_mm_range() by pages, traced, and what tracing adds. One page is what `base` is from."""


def ceiling() -> Iterator[Effect]:
    """A flush page by page on Ivy Bridge, and the number of pages from which a full flush is cheaper."""
    ivy = MODELS["ivybridge"].coefficients
    for pages, cycles in CYCLES.items():
        yield Effect(
            f"flush of {pages} pages, Ivy Bridge",
            "flush_tlb_mm_range() here alone, without tracing",
            exactly((cycles - TRACING) / GHZ),
            (
                _low(ivy["base"]) + pages * _low(ivy["invlpg"]),
                _high(ivy["base"]) + pages * _high(ivy["invlpg"]),
            ),
            "ns",
            HANSEN,
            "base is from one page of the same table",
        )
    yield Effect(
        "tlb_single_page_flush_ceiling, Ivy Bridge",
        "pages from which a flush of everything and its refills are cheaper",
        exactly(CEILING),
        (
            (_low(ivy["full"]) + _low(ivy["refill"])) / _high(ivy["invlpg"]),
            (_high(ivy["full"]) + _high(ivy["refill"])) / _low(ivy["invlpg"]),
        ),
        "pages",
        HANSEN,
        "it depends on how many of 0 to 512 entries are used again, so this says little",
    )


LOOPS = {1: (315e3, 304e3), 4: (644e3, 1032e3), 16: (737e3, 1368e3), 72: (609e3, 993e3)}
"""Loops a second of tlb_flush2 by threads: with IPIs, with INVLPGB (which one thread alone does not use)."""
FITTED = 16

FIRST_THREADS, FIRST_LOOPS = 36, (731e3, 1157e3)
"""The same machine's 36 cores, both without lru_add_drain(); whether on 36 or 72 threads changes nothing here."""


def invlpgb() -> Iterator[Effect]:
    """One IPI costs the same however many are sent: fitted at 16 threads, the others predicted."""
    ipi = _difference(FITTED, LOOPS[FITTED]) / saved_ipis(FITTED)
    for threads, rates in LOOPS.items():
        if threads != FITTED:
            yield _against(f"INVLPGB, {threads} thread{'s' * (threads > 1)}", threads, rates, ipi, VAN_RIEL)
    yield _against("INVLPGB, first series", FIRST_THREADS, FIRST_LOOPS, ipi, FIRST_SERIES)
    yield Effect(
        "IPIs to 16 cores",
        "one shootdown, of one page",
        exactly(LATR_SHOOTDOWN),
        measured_by_profile(),
        "ns",
        LATR,
        f"{LATR_CPUS - 1} times what a CPU asked costs the sender on other Intel servers, by the profiles of: {ROBOT}",
    )


def _against(name: str, threads: int, rates: tuple[float, float], ipi: float, source: str) -> Effect:
    by_ipi, by_invlpgb = rates
    loop = 1e9 * threads / by_invlpgb
    return Effect(
        name,
        "tlb_flush2 loops a second with INVLPGB against IPIs",
        exactly(by_invlpgb / by_ipi),
        exactly(1 + saved_ipis(threads) * ipi / loop),
        "times",
        source,
        f"{ipi:.0f} ns per IPI, fitted at {FITTED} threads of: {VAN_RIEL}",
    )


def saved_ipis(threads: int) -> int:
    """IPIs per loop of tlb_flush2 that INVLPGB saves."""
    loop = Workload("tlb_flush2 loop", "", (WorkloadStep((("anon_dirty", 1),)),))
    sent = [
        account(set_up(plugin, load_object(plugin), plugin), ERAS["6.12"], loop, threads)["ipis"]
        for plugin in (SMP, INVLPGB)
    ]
    return sent[0] - sent[1]


def _difference(threads: int, rates: tuple[float, float]) -> float:
    """Nanoseconds by which a thread's loop takes longer with IPIs than with INVLPGB."""
    by_ipi, by_invlpgb = rates
    return 1e9 * threads / by_ipi - 1e9 * threads / by_invlpgb


def _low(coefficient: Any) -> float:
    return float(coefficient.low)


def _high(coefficient: Any) -> float:
    return float(coefficient.high)
