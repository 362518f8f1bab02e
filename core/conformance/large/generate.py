"""Layouts at random, from a seed, and smaller ones that break the same.

Random sizes are drawn where policies change their mind: around powers of two, small numbers, and the sizes of a page
table.  Python's own generator is used, and a shrinker of a page, rather than hypothesis: the command line judges with
what the package requires, and its table is the same from run to run, whatever the version of a library.  The tests draw
layouts by hypothesis as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from core.conformance.large.layout import KINDS, LargeLayout, LargeVma, PageRun

SMALL = tuple(name for name, kind in KINDS.items() if not kind.huge)
HUGE = tuple(name for name, kind in KINDS.items() if kind.huge)

MOST_PAGES = 1500
"""Of one piece."""

SHRINKS = 400
"""Smaller layouts that are tried, at most."""


def layouts(
    seed: int,
    number: int,
    span: int,
    huge: bool = True,
    kinds: tuple[str, ...] = SMALL,
    most: int = MOST_PAGES,
) -> Iterator[LargeLayout]:
    """`number` layouts from `seed`, for tables of `span` pages; no piece has more than `most` pages."""
    for at in range(number):
        rng = random.Random(seed * 1_000_003 + at)
        yield _layout(rng, span, kinds, HUGE if huge else (), rng.choice((most, most // 5, 70)))


def size(rng: random.Random, most: int = MOST_PAGES) -> int:
    """A number of pages at which the behaviour of a policy may change."""
    way = rng.randrange(4)
    if way == 0:
        return rng.randint(1, min(most, 70))
    if way == 1:
        return min(most, max(1, (1 << rng.randrange(1, 11)) + rng.randint(-2, 2)))
    if way == 2:
        return rng.randint(1, min(most, 8))
    return rng.randint(1, most)


def _layout(rng: random.Random, span: int, kinds: tuple[str, ...], huge: tuple[str, ...], most: int) -> LargeLayout:
    areas: list[LargeVma] = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        pieces = [PageRun(rng.choice(kinds), size(rng, most)) for _ in range(rng.randint(1, 4))]
        if huge and rng.random() < 0.3:
            pieces.insert(rng.randint(0, len(pieces)), PageRun(rng.choice(huge), rng.randint(1, 2)))
        gap = rng.choice((0, 0, 1, 3, span - 1, span, 3 * span))
        areas.append(LargeVma(gap if areas else rng.choice((0, 1, 5, span - 1, span)), tuple(pieces)))
    cpus = rng.choice((1, 2, 2, 3, 4, 6, 9))
    if sum(piece.number for area in areas for piece in area.pieces) < 20 and rng.random() < 0.3:
        cpus = rng.choice((33, 65, 130))
    fails = frozenset(rng.sample(range(1, 7), rng.randint(1, 4))) if rng.random() < 0.4 else frozenset()
    return LargeLayout(tuple(areas), cpus, rng.randrange(cpus), fails)


def shrunk(layout: LargeLayout, breaks: Callable[[LargeLayout], bool]) -> LargeLayout:
    """A layout that `breaks` too and is as small as single changes make it."""
    tries, better = 0, True
    while better and tries < SHRINKS:
        better = False
        for smaller in _smaller(layout):
            tries += 1
            if breaks(smaller):
                layout, better = smaller, True
                break
            if tries >= SHRINKS:
                break
    return layout


def _smaller(layout: LargeLayout) -> Iterator[LargeLayout]:
    """Layouts one change smaller, the boldest changes first."""
    areas = layout.areas
    for at in range(len(areas)):
        if len(areas) > 1:
            yield replace(layout, areas=areas[:at] + areas[at + 1 :])
    for cpus in (1, 2, layout.cpus // 2, layout.cpus - 1):
        if 1 <= cpus < layout.cpus:
            yield replace(layout, cpus=cpus, here=min(layout.here, cpus - 1))
    for fail in sorted(layout.fails):
        yield replace(layout, fails=layout.fails - {fail})
    if layout.here:
        yield replace(layout, here=0)
    for at, area in enumerate(areas):
        for other in _smaller_area(area):
            yield replace(layout, areas=(*areas[:at], other, *areas[at + 1 :]))


def _smaller_area(area: LargeVma) -> Iterator[LargeVma]:
    pieces = area.pieces
    for at in range(len(pieces)):
        if len(pieces) > 1:
            yield area._replace(pieces=pieces[:at] + pieces[at + 1 :])
    for gap in {0, area.gap // 2, area.gap - 1}:
        if 0 <= gap < area.gap:
            yield area._replace(gap=gap)
    for at, (kind, number) in enumerate(pieces):
        for less in dict.fromkeys((1, number // 2, number - number // 4, number - 1)):
            if 1 <= less < number:
                yield area._replace(pieces=(*pieces[:at], PageRun(kind, less), *pieces[at + 1 :]))
    for at, (kind, number) in enumerate(pieces):
        if kind not in ("anon", "empty") and not KINDS[kind].huge:
            yield area._replace(pieces=(*pieces[:at], PageRun("anon", number), *pieces[at + 1 :]))
