"""arm64: what broadcasts cost when several CPUs send them.

A TLBI ...IS goes to every CPU, and a DSB waits until all have done it.  Nobody is asked, but nothing is free either:
a broadcast must be taken by each CPU that runs, in turn with those of all the others.  With C CPUs busy there are C
times as many broadcasts, each with C takers, so what an operation waits, in CPU time, grows as C * C:

    CPU time of an operation = that of the operation with local TLBIs + crosstalk * C * C

This is the second term of Gunther's universal scalability law, which is that of pairwise exchange.  The one number,
`crosstalk`, comes from the two tests in the middle (8 and 16 workers); the others are predicted from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.cost.coefficients import LOCAL
from core.published.effect import Effect, across, exactly


@dataclass(frozen=True, slots=True)
class Rate:
    """Operations of all workers a second of real time, and of CPU time."""

    real: float
    cpu: float

    @property
    def busy(self) -> float:
        """CPUs busy on average."""
        return self.real / self.cpu

    @property
    def cpu_time(self) -> float:
        """Seconds of CPU time that an operation takes."""
        return 1 / self.cpu


TESTS = {
    1: (Rate(9109, 2573), Rate(8903, 3653)),
    4: (Rate(8115, 1299), Rate(9892, 1059)),
    8: (Rate(5119, 477), Rate(11854, 1265)),
    16: (Rate(4796, 286), Rate(14176, 821)),
    32: (Rate(1593, 38), Rate(15328, 474)),
    64: (Rate(1486, 19), Rate(8096, 131)),
    128: (Rate(1315, 16), Rate(8257, 145)),
}
"""stress-ng tlb-shootdown by workers: broadcast (v6.15), local where the mm has run on one CPU only."""

FITTED = (8, 16)


def crosstalk(broadcast: Rate, local: Rate) -> float:
    """Seconds per operation and pair of busy CPUs."""
    return (broadcast.cpu_time - local.cpu_time) / broadcast.busy**2


def predicted(broadcast: Rate, local: Rate, per_pair: float) -> float:
    """Operations a second: the same CPUs busy, the CPU time of an operation by the law."""
    return broadcast.busy / (local.cpu_time + per_pair * broadcast.busy**2)


def arm64_broadcast() -> Iterator[Effect]:
    """By workers: operations a second with broadcasts."""
    per_pair = [crosstalk(*TESTS[workers]) for workers in FITTED]
    low, high = across(*per_pair)
    for workers, (broadcast, local) in TESTS.items():
        if workers in FITTED:
            continue
        note = (
            f"{1e6 * low:.1f} to {1e6 * high:.1f} us for each pair of busy CPUs, from {FITTED[0]} and {FITTED[1]} "
            f"workers; {broadcast.busy:.0f} CPUs busy, as published"
        )
        if broadcast.cpu > local.cpu:
            note += "; here local TLBIs took more CPU time than broadcasts, which no price of broadcasts explains"
        yield Effect(
            f"arm64 broadcast, {workers} worker{'s' * (workers > 1)}",
            "stress-ng tlb-shootdown operations a second with TLBI ...IS",
            exactly(broadcast.real),
            across(*(predicted(broadcast, local, pair) for pair in per_pair)),
            "a second",
            LOCAL,
            note,
        )
