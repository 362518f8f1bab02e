"""The verdicts of small models whose answers are known."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import comb

import pytest

from core.explore import Daemon, Limits, Property, check
from core.explore.model import END
from core.machine.op import Cell, Cpu, Op, Outcome
from tests.explore.programs import (
    X,
    a_then_b,
    add,
    b_then_a,
    final,
    increment_atomic,
    increment_torn,
    model,
    read,
    write,
)


def test_lost_update_has_a_shortest_trace_of_four_steps() -> None:
    verdict = check(model(increment_torn, increment_torn, finally_=(final("sum", lambda x: x == 2, X),)))
    assert verdict.violated == "sum"
    assert verdict.sentence == "sum does not hold."
    assert [step.step for step in verdict.trace] == ["read x", "read x", "x = 1", "x = 1"]
    assert [step.changes for step in verdict.trace] == [(), (), (("x", "0", "1"),), ()]
    one, other, *writers = (step.thread for step in verdict.trace)
    assert one != other
    assert {one, other} == set(writers)


def test_atomic_increments_are_proved() -> None:
    verdict = check(model(increment_atomic, increment_atomic, finally_=(final("sum", lambda x: x == 2, X),)))
    assert (verdict.violated, verdict.exhaustive, verdict.states, verdict.transitions) == ("", True, 4, 4)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_independent_threads_make_a_grid(steps: int) -> None:
    """Two threads of n steps on cells of their own: (n+1)^2 states, 2n(n+1) edges, as all C(2n, n) orders meet them."""

    def counter(cell: Cell):  # type: ignore[no-untyped-def]
        async def program() -> None:
            for _ in range(steps):
                await add(cell)

        return program

    cells = Cell("c", 0), Cell("c", 1)
    verdict = check(model(*map(counter, cells), initial=dict.fromkeys(cells, 0)))
    assert (verdict.states, verdict.transitions) == ((steps + 1) ** 2, 2 * steps * (steps + 1))
    assert verdict.depth == 2 * steps
    orders = [tuple(n in first for n in range(2 * steps)) for first in combinations(range(2 * steps), steps)]
    passed = [[(sum(order[:n]), n - sum(order[:n])) for n in range(2 * steps + 1)] for order in orders]
    assert len(orders) == comb(2 * steps, steps)
    assert verdict.states == len({state for path in passed for state in path})
    assert verdict.transitions == len({edge for path in passed for edge in pairwise(path)})


def test_lock_order_deadlock_is_found_where_it_is_shortest() -> None:
    verdict = check(model(a_then_b, b_then_a))
    assert verdict.violated == "deadlock"
    assert [step.step for step in verdict.trace] == ["take lock[a]", "take lock[b]"]
    assert check(model(a_then_b, a_then_b)).violated == ""


def test_a_step_can_violate_by_itself() -> None:
    async def bad() -> None:
        await add(X)
        await Op("boom", (), (X,), lambda: [Outcome(None, (9,), "no-boom")])

    verdict = check(model(bad, sentences={"no-boom": "It went boom."}))
    assert (verdict.violated, verdict.sentence, len(verdict.trace)) == ("no-boom", "It went boom.", 2)


def test_an_assertion_in_a_program_is_a_property() -> None:
    async def careful() -> None:
        assert await read(X) == 0, "x moved"

    verdict = check(model(careful, increment_atomic))
    assert (verdict.violated, verdict.sentence) == ("assertion", "x moved")
    assert [step.step for step in verdict.trace] == ["x += 1", "read x"]


def test_always_and_sometimes() -> None:
    small = Property("small", "x is too large.", (X,), lambda x: x < 2)
    two = Property("two", "x is never two.", (X,), lambda x: x == 2)
    three = Property("three", "x is never three.", (X,), lambda x: x == 3)
    assert check(model(increment_atomic, increment_atomic, always=(small,))).violated == "small"
    assert check(model(increment_atomic, increment_atomic, sometimes=(two, three))).unreached == ("three",)


def test_what_must_hold_in_the_end_asks_for_an_end() -> None:
    async def endless() -> None:
        while True:
            await increment_torn()
            await write(X, 0)

    three = final("three", lambda x: x == 3, X)
    assert check(model(increment_atomic, endless, finally_=(three,))).unreached == (END,)
    assert check(model(increment_atomic, endless)).unreached == ()


def test_a_daemon_acts_at_any_time_and_is_never_waited_for() -> None:
    async def waits() -> None:
        await Op("wait", (X,), (), lambda x: [Outcome(None)] if x else [])

    tick = Daemon("tick", Cpu(1), Op("tick", (X,), (X,), lambda x: [] if x else [Outcome(None, (1,))]))
    verdict = check(model(waits, daemons=(tick,)))
    assert (verdict.violated, verdict.states) == ("", 3)
    assert check(model(waits)).violated == "deadlock"


def test_machine_choices_are_all_explored() -> None:
    async def chooses() -> None:
        await write(X, await Op("coin", (), (), lambda: [Outcome(1), Outcome(2)]))

    verdict = check(model(chooses, sometimes=(final("two", lambda x: x == 2, X), final("one", lambda x: x == 1, X))))
    assert verdict.unreached == ()


def test_a_limit_makes_the_verdict_bounded() -> None:
    verdict = check(model(*[increment_torn] * 4), limits=Limits(max_states=20))
    assert not verdict.exhaustive
    assert verdict.bounds.startswith("20 states; depth ")
    assert "on the frontier" in verdict.bounds


def test_the_whole_space_is_counted_behind_violations() -> None:
    wrong = final("never", lambda x: False, X)
    first = check(model(increment_torn, increment_torn, finally_=(wrong,)))
    whole = check(model(increment_torn, increment_torn, finally_=(wrong,)), stop_at_violation=False)
    free = check(model(increment_torn, increment_torn))
    assert (whole.states, whole.transitions) == (free.states, free.transitions)
    assert whole.states >= first.states
    assert len(whole.trace) == len(first.trace)


def test_the_same_model_gives_the_same_verdict_to_the_letter() -> None:
    wanted = final("sum", lambda x: x == 3, X)
    verdicts = {repr(check(model(*[increment_torn] * 3, finally_=(wanted,)))) for _ in range(3)}
    assert len(verdicts) == 1
