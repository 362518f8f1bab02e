"""Zaps that the scheduler interrupted: a choice of the kernel's that a cell does not tell, found from what it counts.

mm/memory.c:zap_pte_range() leaves its loop where need_resched() is true.  If it has seen dirty file pages by then it
flushes them before it drops the page-table lock, so what would have been one flush becomes two.  When a tick falls is
nobody's rule; that the caller was switched away is counted (the barrier in __switch_to(), on its CPU).  A cell with
such a switch is as predicted if it is so for some moments of it, no more of them than switches.

A search over all moments would run the program thousands of times.  So the moments are first guessed from the flushes
alone, each piece priced by the architecture's own tlb_flush(), and the program is run once to confirm a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

MOST_CUTS = 2
"""More are not looked for: the moments multiply."""

Price = dict[str, int]
Stretch = tuple[int, int]
"""First page, and one past the last."""


def guesses(
    flushes: Sequence[Stretch], price: Callable[[Stretch], Price], total: Price, cuts: int
) -> Iterator[tuple[int, ...]]:
    """Where to cut `flushes`, `cuts` times in all, so that the pieces cost `total` together; each way once."""
    hopeless: set[tuple[Hashable, ...]] = set()

    def search(at: int, start: int, total: Price, cuts: int) -> Iterator[tuple[int, ...]]:
        """The ways for what begins at page `start` of the flush number `at`."""
        key, found = (at, start, cuts, *sorted(total.items())), False
        if key in hopeless:
            return
        ways: Iterator[tuple[int, ...]]
        end = flushes[at][1]
        for stop in range(end, start, -1) if cuts else [end]:
            left = _without(total, price((start, stop)))
            if left is None:
                continue
            here = (stop,) if stop < end else ()
            if stop < end:
                ways = search(at, stop, left, cuts - 1)
            elif at + 1 < len(flushes):
                ways = search(at + 1, flushes[at + 1][0], left, cuts)
            else:
                ways = iter([] if cuts or any(left.values()) else [()])
            for way in ways:
                found = True
                yield here + way
        if not found:
            hopeless.add(key)

    return search(0, flushes[0][0], total, cuts) if flushes else iter(())


def _without(total: Price, part: Price) -> Price | None:
    """What remains of `total`, None if `part` does not go into it."""
    if any(total.get(name, 0) < nr for name, nr in part.items()):
        return None
    return {name: nr - part.get(name, 0) for name, nr in total.items()}
