"""arm64: what broadcasts cost when several CPUs send them.

A TLBI ...IS goes to every CPU, and a DSB waits until all have done it.  No CPU is interrupted, but it is not free:
every running CPU must process each broadcast, in turn with those of all the others.  With C CPUs busy there are C times
as many broadcasts, each processed by C CPUs, so the waiting time of an operation, in CPU time, grows as C * C:

    CPU time of an operation = its own + crosstalk * C * C

This is the second term of Gunther's universal scalability law, for pairwise exchange.  The only number, `crosstalk`,
comes from the two tests in the middle (8 and 16 workers); the others are predicted from it.

An operation's own time is at most what it takes with the patch that keeps TLBIs local: that patch still broadcasts for
an mm that has ever run on two CPUs (mm->context.active_cpu, ACTIVE_CPU_MULTIPLE), and the stressor's processes do move,
because only their parent is pinned.  It is at least the local time of a single worker, which nobody disturbs.  Both
ends are carried through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.cost.coefficients import LOCAL
from core.truth.published.effect import Effect, Range, across, exactly


@dataclass(frozen=True, slots=True)
class Rate:
    """Operations of all workers per second of real time, and per second of CPU time."""

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


def own_times(local: Rate) -> Range:
    """Seconds of CPU time that an operation takes without broadcasts: minimum and maximum."""
    return TESTS[1][1].cpu_time, local.cpu_time


def crosstalk(broadcast: Rate, own: float) -> float:
    """Seconds per operation and pair of busy CPUs."""
    return (broadcast.cpu_time - own) / broadcast.busy**2


def predicted(busy: float, own: float, per_pair: float) -> float:
    """Operations per second with this many CPUs busy."""
    return busy / (own + per_pair * busy**2)


def arm64_broadcast() -> Iterator[Effect]:
    """The effects by number of workers: operations per second with broadcasts."""
    by_end = [
        [crosstalk(broadcast, own_times(local)[end]) for broadcast, local in map(TESTS.__getitem__, FITTED)]
        for end in (0, 1)
    ]
    low, high = across(*by_end[0], *by_end[1])
    for workers, (broadcast, local) in TESTS.items():
        if workers in FITTED:
            continue
        yield Effect(
            f"arm64 broadcast, {workers} worker{'s' * (workers > 1)}",
            "stress-ng tlb-shootdown operations a second with TLBI ...IS",
            exactly(broadcast.real),
            across(
                *(
                    predicted(broadcast.busy, own, pair)
                    for own, per_pair in zip(own_times(local), by_end, strict=True)
                    for pair in per_pair
                )
            ),
            "a second",
            LOCAL,
            f"{1e6 * low:.1f} to {1e6 * high:.1f} us for each pair of busy CPUs, from {FITTED[0]} and {FITTED[1]} "
            f"workers; {broadcast.busy:.0f} CPUs busy, as published",
        )
