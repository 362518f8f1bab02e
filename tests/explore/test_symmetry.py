"""Symmetry: equal threads and pages are exchanged, what only claims to be equal is refused, and would be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.ladder import Size, ladder
from core.explore import Model, Property, Thread, check, reductions, symmetry
from core.explore.numeric import available
from core.explore.symmetry import Symmetry
from core.machine.op import Cell, Cpu, Op, Outcome, Page
from tests.explore.planned import learned, planned, searched
from tests.explore.programs import a_then_b, b_then_a, final, model, write

MAIL = [Cell("mail", Cpu(0)), Cell("mail", Cpu(1))]


def receiving(number: int) -> Any:
    async def receives() -> None:
        await Op("receive", (MAIL[number],), (), lambda sent: [Outcome(None)] if sent else [])

    return receives


def sending(*order: int) -> Any:
    async def sends_in_order() -> None:
        for number in order:
            await write(MAIL[number], True)

    return sends_in_order


async def sends_at_once() -> None:
    await Op("send", (), tuple(MAIL), lambda: [Outcome(None, (True, True))])


BOTH = frozenset({Thread, Page})


def mailing(sender: Any) -> Model:
    one = model(receiving(0), receiving(1), sender, initial=dict.fromkeys(MAIL, False))
    return replace(one, symmetric=(("t0", "t1"),))


class Same(dict[int, int]):
    """Every number stands for itself."""

    def __missing__(self, key: int) -> int:
        return key


class Trusted(Symmetry):
    """A claim that nobody checks."""

    def close(self) -> None:
        for image in self.images:
            while self._cells(image):
                pass
            image.locals = [Same() for _ in self.tables.rows]


def test_equal_receivers_are_exchanged() -> None:
    plan, found = planned(mailing(sends_at_once), frozenset({reductions.SYMMETRY}), "reference", stop=False, first=3)
    assert plan.used == (reductions.SYMMETRY,)
    assert (found.violated, found.states) == ("", 4)
    assert check(mailing(sends_at_once)).states == 5


def test_an_ordered_sender_is_refused() -> None:
    wrong = []
    for order in ((0, 1), (1, 0)):
        one = mailing(sending(*order))
        tables = learned(one)
        assert symmetry.find(tables, BOTH) is None
        assert check(one, reductions=("symmetry",)).violated == ""
        forced = replace(reductions.none(tables), symmetry=Trusted(tables, [("t0", "t1")]))
        wrong.append(searched(tables, forced).violated)
    assert "deadlock" in wrong  # a false counterexample, where the image that is kept cannot be reached


def test_a_property_that_tells_threads_apart_is_refused() -> None:
    one = replace(mailing(sends_at_once), always=(final("first", lambda sent: not sent, MAIL[0]),))
    with pytest.raises(symmetry.NotSymmetric, match="first looks at some of the members only"):
        Symmetry(learned(one), [("t0", "t1")])


def test_an_answer_that_tells_threads_apart_is_refused_whenever_it_is_met() -> None:
    """What has been checked is not checked again; what comes later is."""
    first = Property("first", "", tuple(MAIL), lambda one, two: one or not two)
    one = replace(mailing(sends_at_once), always=(first,))
    tables = learned(one)
    found = Symmetry(tables, [("t0", "t1")])
    cells = tables.reads(first)
    tables.holds(first, cells, (1, 0))
    with pytest.raises(symmetry.NotSymmetric, match="first tells the members apart"):
        found.close()


def test_threads_that_differ_are_refused() -> None:
    one = replace(model(a_then_b, b_then_a), symmetric=(("t0", "t1"), ("t0", "nobody")))
    tables = learned(one)
    assert symmetry.find(tables, BOTH) is None
    with pytest.raises(symmetry.NotSymmetric):
        Symmetry(tables, [("t0", "t1")])


# Symmetry of pages.

PAGES = (Page(0), Page(1))


def present(page: int) -> Cell:
    return Cell("present", Page(page))


def dirty(page: int) -> Cell:
    return Cell("dirty", Page(page))


async def stores_twice() -> None:
    """Stores to any page, twice: what it did first it remembers."""
    stores = Op("store", tuple(map(dirty, PAGES)), tuple(map(dirty, PAGES)), _stored)
    first = await stores
    second = await stores
    await write(Cell("last"), (first, second))


def _stored(*pages: bool) -> list[Outcome]:
    return [Outcome(page, tuple(True if p == page else d for p, d in zip(PAGES, pages, strict=True))) for page in PAGES]


def cleaning(*order: int) -> Any:
    async def cleans_in_order() -> None:
        for page in order:
            await write(present(page), False)
            await write(dirty(page), False)

    return cleans_in_order


def paging(*programs: Any, group: Any = PAGES) -> Model:
    cells = {Cell("last"): None, **{present(page): True for page in PAGES}, **{dirty(page): False for page in PAGES}}
    clean = final("clean", lambda *dirt: True, *map(dirty, PAGES))
    gone = final("gone", lambda *there: not all(there), *map(present, PAGES))
    return replace(model(*programs, initial=cells, finally_=(clean, gone)), symmetric=(group,))


TOGETHER = (("t1", Page(0)), ("t2", Page(1)))


@pytest.mark.parametrize("searcher", ["reference", *(["fast"] if available() else [])])
def test_equal_pages_are_exchanged_with_the_threads_that_serve_them(searcher: str) -> None:
    one = paging(stores_twice, cleaning(0), cleaning(1), group=TOGETHER)
    whole = check(one, reductions=())
    plan, found = planned(one, frozenset({reductions.PAGES}), searcher, stop=False, first=3)
    assert plan.used == (reductions.PAGES,)
    assert (found.violated, found.exhaustive) == ("", True)
    assert whole.violated == ""
    assert whole.states / 2 <= found.states < whole.states * 0.6
    assert planned(one, frozenset({reductions.SYMMETRY}), searcher, stop=False, first=3)[0].used == ()


def test_pages_and_threads_are_exchanged_at_once() -> None:
    one = paging(stores_twice, stores_twice, cleaning(0), cleaning(1))
    one = replace(one, symmetric=(("t0", "t1"), (("t2", Page(0)), ("t3", Page(1)))))
    whole = check(one, reductions=())
    counts = set()
    for searcher in ("reference", *(["fast"] if available() else [])):
        plan, found = planned(one, frozenset({reductions.PAGES, reductions.SYMMETRY}), searcher, stop=False, first=3)
        assert plan.used == (reductions.SYMMETRY, reductions.PAGES)
        counts.add(found.states)
    assert len(counts) == 1
    assert whole.states / 4 <= counts.pop() < whole.states * 0.3


def waiting(page: int) -> Any:
    async def waits() -> None:
        await Op("wait", (present(page),), (), lambda there: [] if there else [Outcome(None)])

    return waits


def test_pages_that_are_walked_in_order_are_refused() -> None:
    group = (("t0", Page(0)), ("t1", Page(1)))
    wrong = []
    for order in ((0, 1), (1, 0)):
        one = paging(waiting(0), waiting(1), cleaning(*order), group=group)
        tables = learned(one)
        assert symmetry.find(tables, BOTH) is None
        assert check(one, reductions=(reductions.PAGES,)).violated == ""
        forced = replace(reductions.none(tables), symmetry=Trusted(tables, [group]))
        wrong.append(searched(tables, forced).violated)
    assert "deadlock" in wrong  # a false counterexample, as with the ordered sender


def test_the_pages_of_the_ladder_are_not_equal() -> None:
    """Zapper and cleaner take them in order, as the kernel does."""
    claimed = replace(ladder("DELAYED", Size(1, 2, 1, 1)), symmetric=(PAGES,), finally_=())
    assert symmetry.find(learned(claimed), BOTH) is None


def test_a_page_that_is_named_apart_is_refused() -> None:
    one = replace(
        paging(stores_twice, cleaning(0), cleaning(1), group=TOGETHER),
        always=(final("first", lambda there: True, present(0)),),
    )
    with pytest.raises(symmetry.NotSymmetric, match="first looks at some of the members only"):
        Symmetry(learned(one), [TOGETHER])
    with pytest.raises(symmetry.NotSymmetric, match="no two members of one kind"):
        Symmetry(learned(one), [("t1", Page(0))])
    assert symmetry.find(learned(replace(one, symmetric=(("t0", "t1"), (Page(0), "t1")))), BOTH) is None
