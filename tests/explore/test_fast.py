"""The compiled searcher finds what the reference finds, to the letter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.ladder import LADDER, Size, ladder
from core.explore import Limits, Model, Property, check
from core.explore.compiled.word_layout import lay_out, width
from core.machine.op import Op, Outcome
from tests.explore.programs import X, a_then_b, add, b_then_a, final, increment_torn, model, read, write
from tests.explore.random_programs import ACTIONS, CELLS, program

pytest.importorskip("numba", reason="the compiled searcher needs numba")


def both(one: Model, **options: Any) -> None:
    reference = check(one, searcher="reference", reductions=frozenset(), **options)
    fast = check(one, searcher="fast", reductions=frozenset(), **options)
    assert fast.searcher == "fast"
    assert replace(fast, searcher="reference") == reference


@pytest.mark.parametrize("stop", [True, False])
@pytest.mark.parametrize("policy", list(LADDER))
@pytest.mark.parametrize("size", [Size(1, 1, 2, 1), Size(1, 2, 2, 1), Size(2, 1, 2, 2)])
def test_the_ladder_is_equal_to_the_letter(policy: str, size: Size, stop: bool) -> None:
    both(ladder(policy, size), stop_at_violation=stop)


def test_both_miss_an_end() -> None:
    async def endless() -> None:
        while True:
            await increment_torn()
            await write(X, 0)

    both(model(endless, finally_=(final("sum", lambda x: x == 2, X),)))


@pytest.mark.parametrize("policy", list(LADDER))
@pytest.mark.parametrize("size", [Size(1, 3, 2, 1), Size(3, 1, 2, 1), Size(2, 2, 2, 1)])
def test_counts_of_the_ladder_with_two_words(policy: str, size: Size) -> None:
    verdict = check(ladder(policy, size), searcher="fast", reductions=frozenset(), stop_at_violation=False)
    assert (verdict.states, verdict.transitions) == LADDER[policy][size]


def test_small_verdicts_are_equal() -> None:
    both(model(a_then_b, b_then_a))
    both(model(a_then_b, b_then_a), stop_at_violation=False)
    wanted = final("sum", lambda x: x == 3, X)
    both(model(*[increment_torn] * 3, finally_=(wanted,)))
    small = Property("small", "x is too large.", (X,), lambda x: x < 2)
    two = Property("two", "", (X,), lambda x: x == 2)
    nine = Property("nine", "", (X,), lambda x: x == 9)
    both(model(*[increment_torn] * 3, always=(small,), sometimes=(two, nine)))
    both(model(*[increment_torn] * 3, always=(small,), sometimes=(two, nine)), stop_at_violation=False)


def test_a_step_and_an_assertion_can_violate() -> None:
    async def boom() -> None:
        await add(X)
        await Op("boom", (), (X,), lambda: [Outcome(None, (9,), "no-boom")])

    async def careful() -> None:
        assert await read(X) == 0, "x moved"

    for stop in (True, False):
        both(model(boom, increment_torn, sentences={"no-boom": "It went boom."}), stop_at_violation=stop)
        both(model(careful, increment_torn), stop_at_violation=stop)


def test_values_that_appear_late_widen_the_layout() -> None:
    async def counts() -> None:
        for _ in range(100):
            await add(X)

    both(model(counts, increment_torn))


@pytest.mark.parametrize(
    ("limits", "bound"),
    [(Limits(max_states=3000), "3000 states; depth "), (Limits(max_memory=400_000), "400000 bytes of memory; depth ")],
)
def test_a_limit_makes_the_verdict_bounded(limits: Limits, bound: str) -> None:
    verdict = check(ladder("DELAYED", Size(2, 1, 2, 2)), searcher="fast", limits=limits, reductions=())
    assert not verdict.exhaustive
    assert verdict.bounds.startswith(bound)
    assert "on the frontier" in verdict.bounds
    assert verdict.states < 19_000


@pytest.mark.parametrize("refuses", [False, True])
def test_nothing_is_lost_when_the_table_grows(refuses: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole space is found in a table that grows three times, also where it cannot be unfolded in place."""
    from core.explore.compiled.machine_code import loops

    if refuses:
        monkeypatch.setattr(loops(1), "unfold", lambda *arguments: 0)
    size = Size(2, 2, 2, 1)
    verdict = check(ladder("DELAYED", size), searcher="fast", reductions=())
    assert (verdict.states, verdict.transitions) == LADDER["DELAYED"][size]


@pytest.mark.parametrize("refuses", [False, True])
def test_a_table_in_which_a_state_would_be_pushed_too_far_grows(refuses: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for distances up to 3 the same states are found, in more slots."""
    from core.explore.compiled import store
    from core.explore.compiled.machine_code import loops

    slots: list[int] = []

    def narrow(self: Any) -> None:
        place(self)
        self.context.put({"distance": 61})
        slots.append(self.slots)

    place = store.Store._place
    monkeypatch.setattr(store.Store, "_place", narrow)
    if refuses:
        monkeypatch.setattr(loops(1), "unfold", lambda *arguments: 0)
    size = Size(3, 1, 2, 1)
    verdict = check(ladder("DELAYED", size), searcher="fast", reductions=())
    assert (verdict.states, verdict.transitions) == LADDER["DELAYED"][size]
    assert slots[-1] * store.FULL > 4 * verdict.states


@pytest.mark.parametrize(("bits", "words", "in_the_table"), [(36, 1, 1), (30, 2, 1), (24, 2, 2), (16, 3, 2)])
def test_narrower_words_find_the_same(
    bits: int, words: int, in_the_table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a state takes one word or more, and whether or not the last one goes into the hash table."""
    from core.explore.compiled import store, word_layout

    sizes = []
    monkeypatch.setattr(word_layout, "WORD_BITS", bits)
    monkeypatch.setattr(store.Store, "_allowed", lambda self, numbers: sizes.append(self.layout.size))
    size = Size(2, 1, 2, 2)
    verdict = check(ladder("DELAYED", size), searcher="fast", reductions=())
    assert (verdict.states, verdict.transitions) == LADDER["DELAYED"][size]
    assert sizes[-1] == (words, in_the_table)


@pytest.mark.parametrize(
    ("bits", "words", "in_the_table"), [(63, 1, 1), (64, 2, 1), (70, 2, 1), (71, 2, 2), (127, 3, 2)]
)
def test_a_short_last_word_takes_no_room_in_the_table(bits: int, words: int, in_the_table: int) -> None:
    layout = lay_out([7] * (bits // 7), [1] * (bits % 7))
    assert layout.size == (words, in_the_table)


def test_auto_hands_over_when_a_model_is_large() -> None:
    assert check(ladder("DELAYED", Size(1, 1, 2, 1))).searcher == "reference"
    assert check(ladder("DELAYED", Size(1, 3, 2, 1)), reductions=frozenset()).searcher == "fast"


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.lists(st.integers(0, 20), max_size=20))
def test_no_field_straddles_a_word_or_overlaps(threads: list[int], cells: list[int]) -> None:
    layout = lay_out(threads, cells)
    used: dict[int, int] = {}
    for field, bits in zip((*layout.threads, *layout.cells), (*threads, *cells), strict=True):
        assert field.bits == bits
        assert field.shift + bits <= 63
        assert used.get(field.word, 0) & (field.mask << field.shift) == 0
        used[field.word] = used.get(field.word, 0) | field.mask << field.shift
    assert all(word < layout.words for word in used)


@given(st.integers(1, 1000))
def test_a_width_holds_its_numbers(count: int) -> None:
    assert (count - 1) < (1 << width(count))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(ACTIONS, max_size=4), min_size=1, max_size=3), st.booleans())
def test_random_programs_are_equal(threads: list[list[tuple[str, int, int]]], stop: bool) -> None:
    odd = Property("odd", "", tuple(CELLS), lambda a, b, c: a + b + c != 4)
    both(model(*map(program, threads), initial=dict.fromkeys(CELLS, 0), finally_=(odd,)), stop_at_violation=stop)
