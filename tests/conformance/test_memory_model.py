"""The machines under the words of the kernel: which outcomes of small programs they have."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from core.conformance.memory_model import Buffered, memory_model
from core.explore import Model, Property, Thread, check
from core.machine.lock import spin_lock, spin_unlock
from core.machine.memory import Memory, declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid, barrier, executed_on
from core.machine.order import Order
from core.machine.task import Task
from core.table.rows import load as load_rows

X, Y, Z = (Cell(declare(f"test.{name}", 0)) for name in "xyz")
LOCK = Cell(declare("test.lock", None))
SEEN = declare("test.seen", None, "ghost")

Code = Callable[[Task], Coroutine[Op, Any, Any]]


def store(cell: Cell, value: int, order: Order = Order.PLAIN) -> Op:
    return Op(f"{cell} = {value}", (), (cell,), lambda: [Outcome(None, (value,))], order=order)


def load(cell: Cell, order: Order = Order.PLAIN) -> Op:
    return Op(f"read {cell}", (cell,), (), lambda value: [Outcome(value)], order=order)


def add(cell: Cell, order: Order) -> Op:
    return Op(f"{cell} += 1", (cell,), (cell,), lambda n: [Outcome(n, (n + 1,))], order=order)


def note(task: Task, seen: tuple[int, ...]) -> Op:
    return Op("note", (), (Cell(SEEN, task.tid),), lambda: [Outcome(None, (seen,))], order=Order.PRIVATE)


def litmus(kind: str, codes: tuple[Code, ...], holds: Callable[..., bool], machine: Any = None) -> Model:
    """A model of the programs; `holds` is asked at the end of what each has seen, and of x and y."""
    tasks = [Task(f"T{n}", Tid(n + 1), Cpu(n)) for n in range(len(codes))]

    def running(code: Code, task: Task) -> Callable[[], Coroutine[Op, Any, Any]]:
        async def program() -> None:
            seen = await code(task)
            await barrier(Order.SMP_MB)
            await note(task, tuple(seen or ()))

        return program

    threads = tuple(Thread(t.name, t.cpu, t.tid, running(c, t)) for c, t in zip(codes, tasks, strict=True))
    prop = Property("outcome", "", (*(Cell(SEEN, t.tid) for t in tasks), X, Y), holds)
    return Model("litmus", threads, Memory(), finally_=(prop,), memory=machine or memory_model(kind))


def outcomes(kind: str, *codes: Code, machine: Any = None, wrong: Any = None) -> set[tuple[Any, ...]]:
    """What the programs can see, and leave in x and y, under a memory model.

    With `wrong` it is only proved, by a search with reductions, that this is none of them.
    """
    found: set[tuple[Any, ...]] = set()

    def noted(*values: Any) -> bool:
        found.add(values)
        return True

    model = litmus(kind, codes, noted if wrong is None else lambda *values: values != wrong, machine)
    # a search whose plan turns out not to hold is repeated, and asks about states that there are not
    verdict = check(model, searcher="reference", reductions=() if wrong is None else "default")
    assert verdict.exhaustive, verdict
    return found


def seen(kind: str, *codes: Code) -> set[tuple[int, ...]]:
    """What was loaded, without what was left."""
    return {tuple(n for part in values[: len(codes)] for n in part) for values in outcomes(kind, *codes)}


def then(*ops: Op) -> Code:
    """The operations one after another; what those return that load."""

    async def code(task: Task) -> list[int]:
        return [value for op in ops if (value := await op) is not None]

    return code


def sb(fence: Order | None) -> tuple[Code, Code]:
    between = () if fence is None else (barrier(fence),)
    return then(store(X, 1), *between, load(Y)), then(store(Y, 1), *between, load(X))


@pytest.mark.parametrize(
    ("kind", "fence", "reached"),
    [
        ("sc", None, False),
        ("tso", None, True),
        ("weak", None, True),
        ("tso", Order.SMP_WMB, True),
        ("weak", Order.SMP_WMB, True),
        ("weak", Order.DMB_ISHST, True),
        ("tso", Order.SMP_MB, False),
        ("weak", Order.SMP_MB, False),
        ("weak", Order.DSB_ISHST, False),
        ("tso", Order.MFENCE, False),
        ("weak", Order.FENCE_RW_RW, False),
        ("weak", Order.PTESYNC, False),
    ],
)
def test_store_buffering(kind: str, fence: Order | None, reached: bool) -> None:
    assert ((0, 0) in seen(kind, *sb(fence))) == reached


@pytest.mark.parametrize(
    ("kind", "fence", "reached"),
    [
        ("sc", None, False),
        ("tso", None, False),
        ("weak", None, True),
        ("weak", Order.SMP_WMB, False),
        ("weak", Order.SMP_MB, False),
        ("weak", Order.LWSYNC, False),
        ("weak", Order.SMP_RMB, True),
    ],
)
def test_message_passing(kind: str, fence: Order | None, reached: bool) -> None:
    between = () if fence is None else (barrier(fence),)
    assert ((1, 0) in seen(kind, then(store(X, 1), *between, store(Y, 1)), then(load(Y), load(X)))) == reached


def test_a_release_stays_behind_what_precedes_it() -> None:
    assert (1, 0) not in seen("weak", then(store(X, 1), store(Y, 1, Order.RELEASE)), then(load(Y), load(X)))


@pytest.mark.parametrize(("kind", "both"), [("tso", False), ("weak", True)])
def test_two_stores_each_in_opposite_orders(kind: str, both: bool) -> None:
    one, two = then(store(X, 1), store(Y, 2)), then(store(Y, 1), store(X, 2))
    left = {values[2:] for values in outcomes(kind, one, two)}
    assert ((1, 1) in left) == both
    assert {(2, 2), (1, 2), (2, 1)} & left


@pytest.mark.parametrize("kind", ["sc", "tso", "weak"])
def test_stores_to_one_cell_stay_in_order(kind: str) -> None:
    assert all(a <= b for a, b in seen(kind, then(store(X, 1), store(X, 2)), then(load(X), load(X))))


@pytest.mark.parametrize("kind", ["sc", "tso", "weak"])
def test_a_cpu_sees_its_own_stores(kind: str) -> None:
    assert {values[0] for values in seen(kind, then(store(X, 1), load(X)), then(load(X)))} == {1}


@pytest.mark.parametrize("kind", ["tso", "weak"])
def test_independent_readers_agree(kind: str) -> None:
    """Both machines are multi-copy atomic."""
    found = seen(kind, then(store(X, 1)), then(store(Y, 1)), then(load(X), load(Y)), then(load(Y), load(X)))
    assert (1, 0, 1, 0) not in found
    assert (0, 0, 0, 0) in found


@pytest.mark.parametrize(("kind", "order"), list(product(["sc", "tso", "weak"], [Order.ATOMIC, Order.FULL])))
def test_no_atomic_operation_is_lost(kind: str, order: Order) -> None:
    codes = (then(add(X, order), add(X, order)), then(add(X, order)), then(store(Y, 1), add(X, order)))
    assert {values[3] for values in outcomes(kind, *codes)} == {4}


@pytest.mark.parametrize("order", [Order.PLAIN, Order.RELEASE])
def test_a_store_does_not_come_between_the_halves_of_an_atomic_operation(order: Order) -> None:
    """x += 1 and x = 10: the sum is 1, 10 or 11, and 1 only if the store is overwritten by what has not seen it."""
    left = {values[2] for values in outcomes("weak", then(add(X, Order.ATOMIC)), then(store(X, 10, order)))}
    assert left == {10, 11}


@pytest.mark.parametrize(("kind", "reached"), [("sc", False), ("tso", False), ("weak", True)])
def test_an_atomic_operation_without_order(kind: str, reached: bool) -> None:
    """Store buffering through atomic operations that promise nothing."""
    one, two = then(add(X, Order.ATOMIC), load(Y)), then(add(Y, Order.ATOMIC), load(X))
    assert ((0, 0, 0, 0) in seen(kind, one, two)) == reached
    full = then(add(X, Order.FULL), load(Y)), then(add(Y, Order.FULL), load(X))
    assert (0, 0, 0, 0) not in seen(kind, *full)


@pytest.mark.parametrize("kind", ["tso", "weak"])
def test_smp_mb_after_atomic_makes_it_full(kind: str) -> None:
    def half(mine: Cell, other: Cell) -> Code:
        return then(add(mine, Order.ATOMIC), barrier(Order.SMP_MB_AFTER_ATOMIC), load(other))

    assert (0, 0, 0, 0) not in seen(kind, half(X, Y), half(Y, X))


def under_lock(cell: Cell, other: Cell) -> Code:
    async def code(task: Task) -> list[int]:
        await spin_lock(LOCK, task)
        value = await load(cell)
        await store(cell, value + 1)
        await spin_unlock(LOCK, task)
        return [await load(other)]

    return code


@pytest.mark.parametrize("kind", ["sc", "tso", "weak"])
def test_a_lock_protects_plain_accesses(kind: str) -> None:
    assert {values[2] for values in outcomes(kind, under_lock(X, Y), under_lock(X, Y))} == {2}


@pytest.mark.parametrize(("kind", "reached"), [("sc", False), ("tso", True), ("weak", True)])
def test_a_load_behind_an_unlock_may_pass_a_store_inside(kind: str, reached: bool) -> None:
    """On x86 too: spin_unlock() is a plain store."""

    async def stores_y(task: Task) -> list[int]:
        await add(Y, Order.FULL)
        return [await load(X)]

    assert ((0, 0) in seen(kind, under_lock(X, Y), stores_y)) == reached


@pytest.mark.parametrize(
    ("kind", "ordered", "lost"), [("tso", False, True), ("weak", False, True), ("tso", True, False)]
)
def test_a_store_waits_on_the_cpu_that_made_it(kind: str, ordered: bool, lost: bool) -> None:
    """A task that is moved finds its own store only because the scheduler orders the two."""

    async def moves(task: Task) -> list[int]:
        await store(X, 1)
        if ordered:
            await barrier(Order.SMP_MB)
        found: list[int] = await executed_on(Cpu(2), then(load(X))(task))
        return found

    assert ((0,) in {values[0] for values in outcomes(kind, moves, then(load(X)))}) == lost


# ---- stores that need not wait ---------------------------------------------------------------------------------

CELLS = (X, Y, Z)
ORDERS = (Order.SMP_MB, Order.SMP_WMB, Order.DSB_ISHST)


def drawn(rng: random.Random, mine: tuple[Cell, ...]) -> Code:
    """A program of four steps on `mine`, which may be other programs' too."""

    def step() -> Op:
        cell, kind = rng.choice(mine), rng.randrange(12)
        if kind < 5:
            return store(cell, rng.randrange(1, 4), rng.choice((Order.PLAIN, Order.RELEASE)))
        if kind == 5:
            return add(cell, rng.choice((Order.ATOMIC, Order.ATOMIC_ACQUIRE, Order.ATOMIC_RELEASE, Order.FULL)))
        return barrier(rng.choice(ORDERS)) if kind == 6 else load(cell)

    return then(*(step() for _ in range(4)))


def programs(seed: int) -> list[Code]:
    """Two programs, or three; each may leave out a cell, so that some cells are one CPU's alone."""
    rng = random.Random(seed)
    return [
        drawn(rng, tuple(rng.sample(CELLS, rng.choice((1, 2, 2, 3, 3))))) for _ in range(rng.choice((2, 2, 2, 2, 3)))
    ]


class SparesAll(Buffered):
    """A store waits only to a cell that a property reads: the condition is not checked."""

    def _looks(self, op: Op, cpu: Cpu) -> bool:
        return False


@pytest.mark.parametrize("kind", ["tso", "weak"])
def test_what_nobody_else_looks_at_need_not_wait(kind: str) -> None:
    """Sets of final outcomes, with the reduction and without; without its condition some differ."""
    wrong = 0
    for seed in range(60):
        every = outcomes(kind, *programs(seed), machine=memory_model(kind, spares=False))
        assert outcomes(kind, *programs(seed)) == every, seed
        wrong += outcomes(kind, *programs(seed), machine=partial(SparesAll, kind)) != every
    assert wrong >= {"tso": 3, "weak": 3}[kind]


def test_a_cell_that_turns_out_to_be_shared_is_searched_again() -> None:
    """The first walk does not come to the third program's load, which waits for what the search finds last."""

    async def late(task: Task) -> list[int]:
        for _ in range(40):
            await load(Z)
        return [await load(Y), await load(X)]

    codes = (then(store(X, 1), store(Y, 1)), late)
    machine = memory_model("weak", spares=False)
    assert outcomes("weak", *codes) == outcomes("weak", *codes, machine=machine)


def test_a_violation_under_merged_states_that_differ_is_none() -> None:
    """Found under a plan that did not hold: y is 3 once more after it was 2, which nobody stores."""
    release = Order.RELEASE
    codes = (
        then(load(Y), store(Y, 2, release), store(Y, 1, release), store(Y, 1, release)),
        then(load(Y), load(Y), add(Y, Order.ATOMIC_RELEASE), store(Y, 3, release)),
        then(load(X), store(Y, 3), store(X, 1, release), store(Y, 2, release)),
    )
    outcomes("tso", *codes, wrong=((3,), (2, 2, 3), (0,), 1, 1))


def test_the_page_names_the_architectures_that_are_sequentially_consistent() -> None:
    root = Path(__file__).parents[2]
    page = " ".join((root / "docs" / "architecture.md").read_text(encoding="utf-8").split())
    text = page.split("Sequentially consistent are ")[1].split(", in every variant")[0]
    said = set(text.replace(" and ", ", ").split(", "))
    rows = [row for row in load_rows(root / "arches-all.toml") if row.stated is not None and row.stated.smp]
    kinds: dict[str, set[str]] = {}
    for row in rows:
        names = [name for name in said if row.name == name or row.name.startswith(f"{name}-")]
        kinds.setdefault(max(names, key=len, default=row.name), set()).add(row.stated.memory_model)  # type: ignore[union-attr]
    sequential = {name for name, models in kinds.items() if models == {"sc"} and not name.startswith("research-")}
    assert sequential == said
    assert all(kinds[name] == {"sc"} for name in said)
