"""A search by several workers finds what one finds, to the letter: counts, the order of states, traces, bounds."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import core
from benchmarks.ladder import Size, ladder
from benchmarks.walks import museum_models
from core.cli.resolve_arch import choose
from core.conformance import SCENARIOS
from core.explore import Limits, Model, Property, check
from core.explore.reductions import ALL
from core.explore.reductions import none as no_plan
from core.explore.transition_tables import TransitionTables
from core.machine.op import Cell, Op, Outcome
from tests.explore.programs import LOCK_A, LOCK_B, drop, model, read, take, write

pytest.importorskip("numba", reason="the compiled searcher needs numba")

from core.explore.compiled import search as search_module
from core.explore.compiled import store as store_module
from core.explore.compiled import team as team_module
from core.explore.compiled import word_layout
from core.explore.compiled.loaded_model import LoadedModel
from core.explore.compiled.search import FastSearch

NUMBERS = (2, 3, 5)

ALL_NUMBERS = os.environ.get("SHOOTDOWN_WORKERS") == "all"
"""Is every model of the suite and the museum searched by all NUMBERS of workers, and not the larger ones by turns?"""

FEW = 2_000
"""States of a model that is searched by all NUMBERS in any case: it takes no time."""

EVERY_ROW = Path(core.__file__).parent / "arches-all.toml"


class Seen:
    """Every search that was made: its layout, its levels and all words of all its states, in their order."""

    def __init__(self) -> None:
        self.searches: list[Any] = []
        self.blocks = 0

    def clear(self) -> list[Any]:
        found, self.searches = self.searches, []
        return found


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Workers go together in the smallest level, on chunks of a few states, and all searches are kept."""
    monkeypatch.setattr(search_module, "LEAST_TOGETHER", 2)
    monkeypatch.setattr(search_module, "LEAST_ONWARD", 2)
    monkeypatch.setattr(team_module, "LEAST_SOUGHT", 8)
    monkeypatch.setattr(team_module, "CHUNK_ENTRIES", 24)
    kept = Seen()
    run, expand = FastSearch.run, team_module.Team.expand

    def kept_run(self: FastSearch) -> Any:
        try:
            return run(self)
        finally:
            store = self.store
            words = store.states.read(0, store.count * store.layout.words)
            kept.searches.append((self.plan.used, store.layout, tuple(self.levels), words))

    def counted(self: Any, *rest: Any) -> Any:
        kept.blocks += 1
        return expand(self, *rest)

    monkeypatch.setattr(FastSearch, "run", kept_run)
    monkeypatch.setattr(team_module.Team, "expand", counted)
    return kept


def equal(one: Any, seen: Seen, numbers: tuple[int, ...] = NUMBERS, turn: int | None = None, **options: Any) -> Any:
    """The verdict of one worker, after those of others have been compared with it.

    A larger model is searched by as many workers as it is the `turn` of, if that is given.
    """
    build = one if callable(one) else lambda: one  # a model may be searched again: its programs keep nothing
    options = {"searcher": "fast", "reductions": (), **options}
    alone = check(build(), workers=1, **options)
    states = seen.clear()
    assert states
    if turn is not None and alone.states > FEW and not ALL_NUMBERS:
        numbers = (numbers[turn % len(numbers)],)
    for workers in numbers:
        assert check(build(), workers=workers, **options) == alone, workers
        assert seen.clear() == states, workers
    return alone


SIZES = [Size(1, 1, 2, 1), Size(1, 2, 2, 1), Size(2, 1, 2, 2)]


@pytest.mark.parametrize("policy", ["EARLY", "DELAYED", "NOFLUSH", "UP"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stop", [True, False])
@pytest.mark.parametrize("reductions", [(), "default"], ids=["plain", "reduced"])
def test_the_ladder(policy: str, size: Size, stop: bool, reductions: object, seen: Seen) -> None:
    equal(lambda: ladder(policy, size), seen, stop_at_violation=stop, reductions=reductions)
    assert seen.blocks > 10


@pytest.mark.slow
@pytest.mark.parametrize("reductions", [(), "default"], ids=["plain", "reduced"])
def test_tables_that_grow_and_states_of_two_words(reductions: object, seen: Seen) -> None:
    verdict = equal(lambda: ladder("DELAYED", Size(2, 2, 2, 1)), seen, reductions=reductions)
    assert verdict.states > 70_000


@pytest.mark.parametrize(("bits", "words"), [(36, 1), (30, 2), (24, 2), (16, 3)])
def test_states_of_several_words(bits: int, words: int, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_layout, "WORD_BITS", bits)
    layouts = []
    place = store_module.Store._place
    monkeypatch.setattr(store_module.Store, "_place", lambda self: (layouts.append(self.layout.words), place(self))[1])
    equal(lambda: ladder("DELAYED", Size(2, 1, 2, 2)), seen)
    assert layouts[-1] == words


@pytest.mark.parametrize("row", ["smp-6.2-fix", "s390", "up-preempt", "arm64"])
@pytest.mark.parametrize("scenario", ["lost-dirty-dontneed", "numa-hint", "nested-gathers", "exit-mmap"])
def test_a_sample_of_the_suite(row: str, scenario: str, seen: Seen) -> None:
    """With memory models, several kinds of reductions, and daemons."""
    chosen = choose(row, config=EVERY_ROW if row == "arm64" else None)
    arch = chosen.arch()
    if SCENARIOS[scenario].lacking(arch):
        pytest.skip("not for this architecture")
    equal(lambda: SCENARIOS[scenario].build(arch, chosen.era), seen, numbers=(2, 3), reductions="default")


@pytest.mark.slow
@pytest.mark.parametrize("row", ["smp-6.2-fix", "s390", "up-preempt", "arm64"])
def test_the_suite(row: str, seen: Seen) -> None:
    """Every required scenario that applies."""
    chosen = choose(row, config=EVERY_ROW if row == "arm64" else None)
    arch, judged = chosen.arch(), 0
    for number, scenario in enumerate(SCENARIOS.values()):
        if scenario.tier == "required" and not scenario.lacking(arch):
            build = partial(scenario.build, arch, chosen.era)
            equal(build, seen, turn=number, reductions="default")
            judged += 1
    assert judged > 40


@pytest.mark.slow
def test_the_museum(seen: Seen) -> None:
    """Every historic bug: the same shortest trace."""
    for number, (name, exhibit) in enumerate(museum_models()):
        verdict = equal(exhibit, seen, turn=number, reductions="default")
        assert verdict.violated, name


# ---- where a search ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 700, 3000, 12_345, 19_649])
def test_the_bound_of_states_is_the_same(most: int, seen: Seen) -> None:
    verdict = equal(lambda: ladder("DELAYED", Size(2, 1, 2, 2)), seen, limits=Limits(max_states=most))
    assert most <= verdict.states < most + 20
    assert verdict.bounds.startswith(f"{most} states; depth ")


@pytest.mark.parametrize("memory", [700_000, 1_000_000, 1_500_000])
def test_the_bound_of_memory_is_the_same(memory: int, seen: Seen) -> None:
    limits = Limits(max_memory=memory)
    verdict = equal(lambda: ladder("DELAYED", Size(2, 2, 2, 1)), seen, limits=limits)
    assert verdict.bounds.startswith(f"{memory} bytes of memory; depth ")


def test_an_interrupt_leaves_what_has_been_found(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, limited = iter(range(1000)), FastSearch._limited

    def interrupted(self: FastSearch) -> bool:
        if next(looks) == 30:
            raise KeyboardInterrupt
        return limited(self)

    monkeypatch.setattr(FastSearch, "_limited", interrupted)
    verdict = check(ladder("DELAYED", Size(2, 1, 2, 2)), searcher="fast", reductions=(), workers=3)
    assert verdict.bounds.startswith("interrupted; depth ")
    assert 100 < verdict.states < 19_650
    assert int(verdict.bounds.split()[-5]) < verdict.states


def test_all_workers_look_for_what_is_missing(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each state of which the tables lack an answer is in one of the ranges that they find, and these are not all."""
    learn, looked, listed = LoadedModel.learn, [], []

    def compared(self: Any, first: int, end: int, team: Any = None) -> None:
        if team is not None:
            ranges = team.missing(first, end)
            within = {state for found in ranges for state in range(*found)}
            assert {state for state in range(first, end) if lacking(self, state)} <= within
            looked.append(end - first)
            listed.append(len(within))
        learn(self, first, end, team)

    monkeypatch.setattr(LoadedModel, "learn", compared)
    check(ladder("DELAYED", Size(2, 1, 2, 2)), searcher="fast", reductions=(), workers=3)
    assert len(looked) > 10
    assert 0 < sum(listed) < sum(looked) / 2


def lacking(compiled: Any, state: int) -> bool:
    """Do the tables not say what some agent does in a state?"""
    locals_, cells = compiled.state(state)
    pending = [rows[local] for rows, local in zip(compiled.tables.rows, locals_, strict=True)]
    rows = [row for row in (*pending, *compiled.tables.daemons) if row is not None]
    return any(tuple(cells[cell] for cell in row.reads) not in row.moves for row in rows)


def test_workers_end_with_the_search(seen: Seen) -> None:
    import threading

    before = threading.active_count()
    check(ladder("DELAYED", Size(1, 2, 2, 1)), searcher="fast", reductions=(), workers=5)
    assert seen.blocks
    assert threading.active_count() == before


def test_one_worker_searches_where_no_thread_can_be_started(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refused)
    equal(lambda: ladder("DELAYED", Size(1, 2, 2, 1)), seen)
    assert not seen.blocks


# ---- where a block ends ----------------------------------------------------------------------------------------


def test_a_part_that_is_cramped_is_made_anew(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for distances up to 3."""
    place, refill, refills = store_module.Store._place, store_module.Store.refill, []

    def narrow(self: Any) -> None:
        place(self)
        self.context.put({"distance": 61})

    def counted(self: Any) -> None:
        refills.append(self.slots)
        refill(self)

    monkeypatch.setattr(store_module.Store, "_place", narrow)
    monkeypatch.setattr(store_module.Store, "refill", counted)
    equal(lambda: ladder("DELAYED", Size(3, 1, 2, 1)), seen)
    assert refills


def test_a_table_that_cannot_be_unfolded_is_filled_again(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_module.Team, "unfold", lambda self, shift: False)
    equal(lambda: ladder("DELAYED", Size(2, 2, 2, 1)), seen, numbers=(2,))


def test_a_chunk_without_room_ends_the_block(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    expand = team_module.Team.expand

    def large(self: Any, most: int | None) -> int:
        monkeypatch.setattr(team_module, "CHUNK_ENTRIES", 4000)  # of states, but with the room of before
        return expand(self, most)

    monkeypatch.setattr(team_module.Team, "expand", large)
    equal(lambda: ladder("DELAYED", Size(2, 1, 2, 2)), seen)


# ---- random models ---------------------------------------------------------------------------------------------

CELLS = [Cell("c", n) for n in range(3)]


def drawn(seed: int) -> Model:
    """Three or four threads of some random operations: with choices, waits, locks, failing steps and assertions."""
    rng = random.Random(seed)
    threads = [[_action(rng) for _ in range(rng.randint(2, 6))] for _ in range(rng.randint(3, 4))]
    limit = rng.randint(3, 9)
    parts: dict[str, Any] = {"finally_": (Property("sum", "", tuple(CELLS), lambda a, b, c: a + b + c != limit),)}
    if rng.random() < 0.3:
        parts["always"] = (Property("small", "", tuple(CELLS), lambda a, b, c: a * b * c < limit),)
    if rng.random() < 0.6:
        parts["sometimes"] = tuple(Property(f"{n}", "", (CELLS[0],), lambda a, n=n: a == n) for n in range(4))
    initial = {**dict.fromkeys(CELLS, 0), LOCK_A: False, LOCK_B: False}
    return model(*map(_program, threads), initial=initial, **parts)


def _action(rng: random.Random) -> tuple[str, int, int]:
    kinds = ["add"] * 4 + ["copy"] * 3 + ["write"] * 2 + ["coin"] * 2 + ["wait", "lock", "both", "fails", "asserts"]
    return rng.choice(kinds), rng.randrange(3), rng.randrange(3)


def _program(actions: list[tuple[str, int, int]]) -> Any:
    async def run() -> None:
        for kind, one, two in actions:
            cell = CELLS[one]
            if kind == "copy":
                await write(CELLS[two], await read(cell))
            elif kind == "coin":
                if await Op("coin", (), (cell,), lambda: [Outcome(0, (1,)), Outcome(1, (2,))]):
                    await write(CELLS[two], 0)
            elif kind == "wait":
                await Op("wait", (cell,), (), lambda v: [Outcome(None)] if v else [])
            elif kind in ("lock", "both"):
                locks = [LOCK_A] if kind == "lock" else [LOCK_A, LOCK_B] if two else [LOCK_B, LOCK_A]
                for lock in locks:
                    await take(lock)
                await write(cell, two)
                for lock in locks:
                    await drop(lock)
            elif kind == "fails":
                await Op("fails", (cell,), (), lambda v: [Outcome(None, (), "boom" if v == 2 else "")])
            elif kind == "asserts":
                assert await read(cell) < 3, "too large"
            elif kind == "write":
                await write(cell, two)
            else:
                await Op("add", (cell,), (cell,), lambda v: [Outcome(None, ((v + 1) % 4,))])

    return run


def searched(seed: int, workers: int, stop: bool) -> Any:
    tables = TransitionTables(drawn(seed))
    found = FastSearch(tables, Limits(), stop, no_plan(tables), workers=workers).run()
    return replace(found, find_path=list), found.find_path()


def compared(seeds: range, seen: Seen) -> set[str]:
    violated = set()
    for seed in seeds:
        stop = bool(seed % 2)
        alone = searched(seed, 1, stop)
        states = seen.clear()
        for workers in NUMBERS if seed % 10 == 0 else (NUMBERS[seed % 3],):
            assert searched(seed, workers, stop) == alone, (seed, workers)
            assert seen.clear() == states, (seed, workers)
        violated.add(alone[0].violated)
    return violated


def test_random_models(seen: Seen) -> None:
    assert compared(range(60), seen) == {"", "sum", "small", "boom", "assertion", "deadlock"}


@pytest.mark.slow
def test_a_thousand_random_models(seen: Seen) -> None:
    compared(range(1000), seen)


@pytest.mark.slow
@pytest.mark.parametrize("row", ["smp-6.2-fix", "arm64"])
def test_a_crowd_whose_users_are_exchanged(row: str, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the sizes of blocks that are used, with symmetry, fusion, a memory model, and learning on the way."""
    monkeypatch.setattr(team_module, "CHUNK_ENTRIES", 1024)
    chosen = choose(row, config=EVERY_ROW if row == "arm64" else None)
    verdict = equal(
        lambda: SCENARIOS["lost-dirty-crowd"].build(chosen.arch(), chosen.era), seen, (2, 3), reductions=ALL
    )
    assert verdict.states > 100_000
