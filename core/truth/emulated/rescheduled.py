"""Zaps that the scheduler interrupted: the moments are not in a cell, and are inferred from its counts.

mm/memory.c:zap_pte_range() leaves its loop where need_resched() is true.  If it has seen dirty file pages by then, it
flushes them before it drops the page-table lock: one flush becomes two.  Nothing tells when a tick came, but a cell
counts how often the caller was switched away (the barrier in __switch_to(), on its CPU).  A cell with switches is as
predicted if the prediction holds for some choice of moments, at most as many as there were switches.

Running the program for every choice would take thousands of runs.  So moments are first guessed from the flushes
alone, with each piece priced by the architecture's own tlb_flush(); then one run confirms the guess.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

MOST_CUTS = 2
"""No more than this many moments are tried: the number of choices grows as a power of it."""

Price = dict[str, int]
Stretch = tuple[int, int]
"""First page, and one past the last."""


def guesses(
    flushes: Sequence[Stretch], price: Callable[[Stretch], Price], total: Price, cuts: int
) -> Iterator[tuple[int, ...]]:
    """Yield each way to cut `flushes`, `cuts` times in all, such that the pieces together cost `total`."""
    hopeless: set[tuple[Hashable, ...]] = set()

    def search(at: int, start: int, total: Price, cuts: int) -> Iterator[tuple[int, ...]]:
        """The ways to cut the rest, from page `start` of flush number `at` on."""
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
    """`total` minus `part`; None if any count would become negative."""
    if any(total.get(name, 0) < nr for name, nr in part.items()):
        return None
    return {name: nr - part.get(name, 0) for name, nr in total.items()}
