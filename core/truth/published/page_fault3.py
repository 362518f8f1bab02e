"""5df397dec7c4 and its repair: will-it-scale page_fault3 with a flush every 8 dirty pages instead of every 512.

Given are each machine's rate before the commit and the share of munmap() in its busy time then.  The costs of flushes
are not taken from these reports: the local part is Hansen's, the sender's cost per interrupted CPU is LATR's, and the
cost of the interrupted CPU is the rest of van Riel's figure, which includes both.  Everything else is the convoy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.cost.coefficients import LATR, LATR_CPUS, LATR_SHOOTDOWN
from core.cost.price_model import MODELS
from core.cost.workload_counts import account
from core.cost.workloads import page_fault3
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up
from core.truth.published.convoy import Convoy, ConvoyRun, Flushes, fault_time
from core.truth.published.effect import Effect, Range, across, exactly

ROBOT = "kernel test robot, LKML 2022-12-07, page_fault3"
HUANG = "kernel test robot, LKML 2022-12-05, and Y. Huang, 2022-12-07, page_fault3"
SMP = "arch_plugins.generic:Smp"

THREADS = 16
PAGES = 32768
"""MEMSIZE is 128 MiB."""

COUNTED = 2048
"""Pages whose flushes are counted: four tables."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Pages per second before and with the commit, and the share of munmap() before.

    `interrupts` are those of the whole machine per second, before and with the commit.
    """

    name: str
    before: float
    broken: float
    shares: tuple[float, ...]
    interrupts: tuple[float, float] | None
    source: str


CASCADE_LAKE = Machine(
    "Cascade Lake", 5_292_018, 3_090_618, (1.96 / (100 - 30.73),), (298_875, 1_560_096), f"{ROBOT}, Xeon 6252"
)
ICE_LAKE = Machine(
    "Ice Lake", 6_221_506, 3_439_127, (2.05 / (100 - 7.05),), (390_901, 1_759_451), f"{ROBOT}, Xeon 8358"
)
UNNAMED = Machine(
    "first report", 4_833_919, 2_256_919, (*CASCADE_LAKE.shares, *ICE_LAKE.shares), None, HUANG
)  # its profile before the commit is not at hand: the other two machines' shares
REPAIRED = 4_889_199
"""On the machine of the first report, with c47454823bd4."""


@dataclass(frozen=True, slots=True)
class Profile:
    """With the commit: cycles a second, the share of flush_tlb_mm_range() in them, and the clock."""

    machine: Machine
    cycles: float
    share: float
    ghz: float


PROFILES = (
    Profile(CASCADE_LAKE, 2.944e10, 0.0456, 0.31267 / 0.1233),
    Profile(ICE_LAKE, 3.545e10, 0.0682, 0.28250 / 0.1006),
)


def page_fault3_regression() -> Iterator[Effect]:
    """The effects: throughput, interrupts per flush, and that the repair restores everything."""
    every = pages_per_flush()
    for machine in (CASCADE_LAKE, ICE_LAKE, UNNAMED):
        found = [
            outcomes(machine, share, flush, every["6.1"], every["5df397dec7"])
            for share in machine.shares
            for flush in prices()
        ]
        yield Effect(
            f"5df397dec7c4: page_fault3, {machine.name}",
            f"throughput, % of before, {THREADS} threads: a flush every {every['5df397dec7']:.0f} pages, "
            f"not every {every['6.1']:.0f}",
            exactly(100 * machine.broken / machine.before),
            across(*(100 * broken.rate / before.rate for before, broken in found)),
            "%",
            machine.source,
            f"given: the rate before, and munmap()'s share; prices of {LATR} and others. A slower munmap() holds "
            "mmap_lock longer, and a second one that waits for it stops all faults",
        )
        if machine.interrupts is not None:
            yield Effect(
                f"5df397dec7c4: interrupts, {machine.name}",
                "additional interrupts per additional flush: how many of the 15 other CPUs are sent an IPI",
                exactly(per_flush(machine.interrupts, (machine.before, machine.broken), every)),
                across(*(_asked_more(before, broken, every) for before, broken in found)),
                "per flush",
                machine.source,
                "the threads that sleep on mmap_lock leave idle CPUs behind, which are not asked",
            )
    repaired = [
        outcomes(UNNAMED, share, flush, every["6.1"], every["6.2-fix"])
        for share in UNNAMED.shares
        for flush in prices()
    ]
    yield Effect(
        "c47454823bd4: the repair",
        "throughput, % of before 5df397dec7c4",
        exactly(100 * REPAIRED / UNNAMED.before),
        across(*(100 * after.rate / before.rate for before, after in repaired)),
        "%",
        HUANG,
        "the same flushes as before, so all is back",
    )


def pages_per_flush() -> dict[str, float]:
    """By era: pages per flush of dirty pages of a shared mapping, counted."""
    arch = set_up(SMP, load_object(SMP), SMP)
    return {
        era: COUNTED / account(arch, ERAS[era], page_fault3(COUNTED), THREADS)["flushes"]
        for era in ("6.1", "5df397dec7", "6.2-fix")
    }


Price = tuple[float, float, float]
"""Nanoseconds of a flush of 8 pages: here, per CPU asked, and what that one loses."""


def prices() -> tuple[Price, Price]:
    """The cheapest and the dearest flush that the sources allow."""
    ivy, milan = MODELS["ivybridge"].coefficients, MODELS["milan"].coefficients
    sender = LATR_SHOOTDOWN / (LATR_CPUS - 1)

    def price(base: float | None, invlpg: float | None, both: float | None) -> Price:
        assert base is not None
        assert invlpg is not None
        assert both is not None
        return base + 8 * invlpg, sender, both - sender + 7 * invlpg  # van Riel's flush is of one page

    return (
        price(ivy["base"].low, ivy["invlpg"].low, milan["ipi"].low),
        price(ivy["base"].high, ivy["invlpg"].high, milan["ipi"].high),
    )


def outcomes(
    machine: Machine, share: float, price: Price, every_before: float, every_after: float
) -> tuple[ConvoyRun, ConvoyRun]:
    """All threads before the commit, as published, and with another number of pages per flush."""
    before, after = Flushes(every_before, *price), Flushes(every_after, *price)
    fault, zap = fault_time(THREADS, PAGES, machine.before, share, before)
    return Convoy(THREADS, PAGES, fault, zap, before).run(40), Convoy(THREADS, PAGES, fault, zap, after).run(40)


def per_flush(interrupts: tuple[float, float], rates: tuple[float, float], every: dict[str, float]) -> float:
    """Additional interrupts by additional flushes: all other interrupts are assumed to be unchanged."""
    more = rates[1] / every["5df397dec7"] - rates[0] / every["6.1"]
    return (interrupts[1] - interrupts[0]) / more


def _asked_more(before: ConvoyRun, broken: ConvoyRun, every: dict[str, float]) -> float:
    interrupts = before.asked * before.rate / every["6.1"], broken.asked * broken.rate / every["5df397dec7"]
    return per_flush(interrupts, (before.rate, broken.rate), every)


def measured_by_profile() -> Range:
    """Nanoseconds of a shootdown of one page on 16 cores, from the reports' profiles: LATR's number by another way.

    flush_tlb_mm_range()'s share of the cycles, divided by flushes per second, less the local part, divided by the CPUs
    interrupted.
    """
    ivy, every = MODELS["ivybridge"].coefficients, pages_per_flush()
    ends = []
    for profile in PROFILES:
        machine = profile.machine
        assert machine.interrupts is not None
        flush = profile.share * profile.cycles / profile.ghz / (machine.broken / every["5df397dec7"])
        asked = per_flush(machine.interrupts, (machine.before, machine.broken), every)
        for end in ("low", "high"):
            base, invlpg = getattr(ivy["base"], end), getattr(ivy["invlpg"], end)
            ends.append(base + invlpg + (LATR_CPUS - 1) * (flush - base - 8 * invlpg) / asked)
    return across(*ends)
