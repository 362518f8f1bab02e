"""Summaries of tables hold for whatever layout their conditions hold for, in this zap and in later ones."""

from __future__ import annotations

import random
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.cost import mixed_tables
from core.cost.accountant import Accountant
from core.cost.layout import Layout
from core.cost.table_summaries import Sparse, TableSummaries, TableSummary, table_summary_of
from core.cost.workload import Workload, WorkloadStep
from core.cost.workload_counts import Learned
from core.mm.era import ERAS
from tests.cost.test_accountant import KINDS, arch, geometry

SMALL = KINDS[:6]


@st.composite
def layouts(draw):
    """Runs of a few kinds: later zaps lack kinds that earlier ones had, and the other way round."""
    kinds = draw(st.sampled_from([SMALL, SMALL[:3], SMALL[2:], ["none", "anon_clean", "file_dirty"], KINDS]))
    return tuple(draw(st.lists(st.tuples(st.sampled_from(kinds), st.integers(1, 24)), min_size=8, max_size=40)))


def random_runs(seed, kinds=SMALL, runs=500, longest=64):
    rng = random.Random(seed)
    return tuple([(rng.choice(kinds), rng.randint(1, longest)) for _ in range(runs)])


def one_step(runs, how="unmap"):
    return Workload("random", "random", (WorkloadStep(runs, how=how),))


def by_page(one, era, runs, how="unmap"):
    return Accountant(one, ERAS[era], Layout(runs), how=how, skip=False, long_runs=False)


@settings(max_examples=25)
@example(  # maxima that are the same for every table are met again by later zaps
    zaps=[(random_runs("a", SMALL, 60, 8), "exit"), (random_runs("b", SMALL, 60, 8), "exit")],
    facts={"bundle": 8, "max_gather_batch": 36, "max_gather_batch_count": 4, "ptes_per_table": 16, "merge_vmas": True},
    plugin="x86",
    era="5df397dec7",
    ceilings=(33,),
)
@given(
    zaps=st.lists(st.tuples(layouts(), st.sampled_from(["unmap", "exit"])), min_size=2, max_size=5),
    facts=geometry,
    plugin=st.sampled_from(["smp", "x86", "arm64-range", "sparc64"]),
    era=st.sampled_from(sorted(ERAS)),
    ceilings=st.sampled_from([(33,), (1, 5, 33)]),
)
def test_zaps_that_share_summaries_are_counted_as_page_by_page(zaps, facts, plugin, era, ceilings) -> None:
    """One after the other, forwards and back, each with what the earlier ones have learned."""
    one = arch(plugin, **facts)
    learned = Learned(one, ERAS[era])
    for runs, how in [*zaps, *reversed(zaps)]:
        accountant = by_page(one, era, runs, how)
        names = [accountant.counts.tell_apart(ceiling) for ceiling in ceilings]
        slow = accountant.count()
        for (flushes, pages), counts in zip(names, learned.accounts(one_step(runs, how), 2, ceilings), strict=True):
            own = {**slow, "small_flushes": slow[flushes], "small_pages": slow[pages]}
            assert counts == {name: own.get(name, 0) for name in counts}


def walked(learned, runs, how="unmap", ceilings=(33,)):
    """How many tables were walked in a zap."""
    with patch.object(
        mixed_tables.MixedTables, "_begin", autospec=True, side_effect=mixed_tables.MixedTables._begin
    ) as f:
        learned.accounts(one_step(runs, how), 2, ceilings)
    return f.call_count


def test_a_later_zap_walks_fewer_tables() -> None:
    learned = Learned(arch("x86"), ERAS["6.12"])
    assert [walked(learned, random_runs(seed, runs=3000)) for seed in "abb"] == [22, 6, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"runs": random_runs("a", SMALL[:1] + SMALL[2:])},  # no swap entries
        {"how": "exit"},
        {"ceilings": (1, 33)},
    ],
)
def test_summaries_are_not_shared_where_their_walks_depended_on_more(other) -> None:
    learned = Learned(arch("x86"), ERAS["6.12"])
    walked(learned, random_runs("a"))
    assert len(learned.tables) == 1
    walked(learned, **{"runs": random_runs("a"), **other})
    assert len(learned.tables) == 2


# ---- mutants: each makes a count wrong -------------------------------------------------------------------------


def without_conditions(summary):
    """What the walk has decided is not recorded."""
    return replace(summary, bounds=())


def without_one_condition(summary):
    """Where the last page lies has decided whether a flush is small, and that is not recorded."""
    last = max((i for terms, _, _ in summary.bounds for i, _ in terms), default=0)
    return replace(summary, bounds=tuple([bound for bound in summary.bounds if last not in dict(bound[0])]))


def without_a_carried_number(summary):
    """How far back the range starts is forgotten at the table's end."""
    newest, start, end = summary.moved
    return replace(summary, moved=(newest, start._replace(terms=()), end))


def without_a_slope(summary):
    """A count that depends on two numbers is taken to depend on one."""
    return replace(summary, adds=tuple([(name, form._replace(terms=form.terms[:1])) for name, form in summary.adds]))


def without_a_maximum(summary):
    return replace(summary, largest=())


class OfAnyLayout(dict):
    """Summaries that are shared between layouts with and without clean entries."""

    def get(self, key, default=None):
        return super().get(key[:-1], default)

    def setdefault(self, key, default):
        return super().setdefault(key[:-1], default)


def counted_wrong(plugin, era, how, tables=None) -> bool:
    """Is any count of four zaps in a row another than page by page?"""
    one = arch(plugin, ptes_per_table=64, max_gather_batch=150)
    learned = Learned(one, ERAS[era], tables={} if tables is None else tables)
    for seed, kinds in enumerate((["none", "swap", "file_dirty"], SMALL, SMALL[:5], SMALL)):
        runs = random_runs(f"{seed}", kinds, 300, 8)
        slow = by_page(one, era, runs, how)
        flushes, pages = slow.counts.tell_apart(60)
        numbers = slow.count()
        numbers |= {"small_flushes": numbers[flushes], "small_pages": numbers[pages]}
        counts = learned.accounts(one_step(runs, how), 2, (60,))[0]
        if any(numbers.get(name, 0) != number for name, number in counts.items()):
            return True
    return False


SETTINGS = [("x86", "6.12", "unmap"), ("x86", "6.1", "unmap"), ("smp", "6.2-fix", "exit")]


@pytest.mark.parametrize(
    "mutant",
    [
        without_conditions,
        without_one_condition,
        without_a_carried_number,
        without_a_slope,
        without_a_maximum,
    ],
)
def test_a_summary_with_less_is_noticed(mutant) -> None:
    def mutated(*how, **named) -> TableSummary:
        return mutant(table_summary_of(*how, **named))

    with patch.object(mixed_tables, "table_summary_of", mutated):
        assert any(counted_wrong(*one) for one in SETTINGS)
    assert not any(counted_wrong(*one) for one in SETTINGS)


def test_a_summary_without_the_maxima_that_never_change_is_noticed() -> None:
    """The zap in which it is learned has met them all the same; one that leaps over all tables has not."""
    runs = (*random_runs("b", SMALL, 30, 8), ("swap", 16))

    def again() -> list[int]:
        learned = Learned(arch("x86", ptes_per_table=16), ERAS["6.12"])
        return [learned.accounts(one_step(runs), 2, (33,))[0]["max_flushes_per_hold"] for _ in range(4)]

    assert again() == [1, 1, 1, 1]
    with patch.object(mixed_tables.MixedTables, "_candidates", lambda tables: list(tables.counts.linear)):
        assert again() == [1, 1, 0, 0]


def test_summaries_that_do_not_know_their_layouts_classes_are_noticed() -> None:
    assert any(counted_wrong(*one, OfAnyLayout()) for one in SETTINGS)


def test_a_form_has_the_value_of_its_walk() -> None:
    assert Sparse(3, ((0, 2), (4, -1))).at((5, 0, 0, 0, 7)) == 6


def test_gathers_with_other_empty_batches_share_what_is_known(monkeypatch) -> None:
    """A zap allocates batches one by one: what it has learned before holds behind."""
    runs = random_runs("d", runs=6000)
    assert walked(Learned(arch("smp"), ERAS["6.12"]), runs) == 26
    monkeypatch.setattr(TableSummaries, "add", TableSummaries._remember)
    assert walked(Learned(arch("smp"), ERAS["6.12"]), runs) == 32
