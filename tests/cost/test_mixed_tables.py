"""Tables that do not repeat are leapt over, and counted as page by page."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cost.accountant import Accountant
from core.cost.layout import Layout
from core.cost.table_plan import Leg, TablePlan, legs, plan_of
from core.mm.era import ERAS
from tests.cost.test_accountant import KINDS, PLUGINS, arch, geometry

SMALL = KINDS[:6]
EARLIER = ("5df397dec7", "6.1", "6.2-fix")


def page_by_page(one, era, layout, **how):
    return Accountant(one, ERAS[era], layout, skip=False, long_runs=False, **how).count()


@settings(max_examples=80)
@given(
    runs=st.lists(st.tuples(st.sampled_from(SMALL), st.integers(1, 24)), min_size=12, max_size=60),
    facts=geometry,
    plugin=st.sampled_from(sorted(PLUGINS)),
    era=st.sampled_from(sorted(ERAS)),
    failing=st.sets(st.integers(1, 40), max_size=2),
    fullmm=st.booleans(),
)
def test_runs_without_order_are_counted_as_page_by_page(runs, facts, plugin, era, failing, fullmm) -> None:
    if plugin == "s390":
        facts = {**facts, "bundle": 0}
    layout, how = Layout(runs), {"fail_allocs": failing, "how": "exit" if fullmm else "unmap"}
    slow = page_by_page(arch(plugin, **facts), era, layout, **how)
    assert Accountant(arch(plugin, **facts), ERAS[era], layout, **how).count() == slow


@pytest.mark.parametrize("era", ["6.12", *(pytest.param(era, marks=pytest.mark.slow) for era in EARLIER)])
@pytest.mark.parametrize("plugin", ["smp", "x86", "s390", "arm64-range"])
def test_tables_of_512_entries(plugin, era) -> None:
    """Of 50 tables some are leapt over, and every count is the same."""
    rng = random.Random(f"{plugin} {era}")
    layout = Layout([(rng.choice(SMALL), rng.randint(1, 64)) for _ in range(800)])
    one = arch(plugin, **({"bundle": 0} if plugin == "s390" else {}))
    fast = Accountant(one, ERAS[era], layout)
    assert fast.count() == page_by_page(one, era, layout)
    few = plugin in ("s390", "arm64-range")  # what they do differs with each length
    assert fast.periods.mixed.leapt >= (5 if few else 20)


@settings(max_examples=20)
@given(
    runs=st.lists(st.tuples(st.sampled_from(SMALL), st.integers(1, 8)), min_size=60, max_size=100),
    between=st.integers(0, 60),
    era=st.sampled_from(["6.1", "6.2-fix", "6.12"]),
)
def test_tables_that_repeat_among_those_that_do_not(runs, between, era) -> None:
    layout = Layout([*runs, (max(between, 1), [("file_dirty", 3), ("anon_clean", 5)]), *runs])
    one = arch("x86", bundle=4, ptes_per_table=16, upper_entries=4, merge_vmas=True)
    assert Accountant(one, ERAS[era], layout).count() == page_by_page(one, era, layout)


# ---- the plan of a table ---------------------------------------------------------------------------------------


def test_a_plan_executes_the_first_page_the_first_dirty_one_and_the_one_that_fills_the_batch() -> None:
    layout = Layout([("none", 2), ("swap", 1), ("anon_clean", 5), ("file_dirty", 3), ("anon_dirty", 4), ("none", 1)])
    plan = plan_of(layout, 0, 16, 8, 100)
    assert plan == TablePlan("cdd.", (1, 3, 4, 0, 0, 8, 8, 0, 1, 0, 10, 10, 4, 0, 0, 15))
    assert list(legs(plan.word, iter(plan.numbers), 16)) == [
        Leg((("swap", 1),), None, 3),
        Leg((("clean", 4), ("dirty", 0), ("swap", 0)), 8, 8),
        Leg((("clean", 0), ("dirty", 1), ("swap", 0)), 10, 10),
        Leg((("clean", 4), ("dirty", 0), ("swap", 0)), 15, 16),
    ]


def test_a_word_without_rest_ends_with_its_last_entry() -> None:
    assert plan_of(Layout([("none", 7), ("anon_clean", 1)]), 0, 8, 100, 100) == TablePlan("c", (0, 7))


def test_an_empty_table_has_an_empty_word() -> None:
    assert plan_of(Layout([("none", 20)]), 8, 8, 100, 100) == TablePlan("", ())


@pytest.mark.parametrize(
    ("runs", "room", "following"),
    [
        ([("folio_anon_clean", 8)], 100, 100),
        ([("zero", 8)], 100, 100),
        ([("anon_clean", 7)], 100, 100),  # less than a table
        ([("anon_clean", 8)], 3, 5),  # two batches are full then
    ],
)
def test_what_has_no_plan(runs, room, following) -> None:
    assert plan_of(Layout(runs), 0, 8, room, following) is None
